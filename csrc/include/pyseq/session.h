#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pyseq/config.h"
#include "pyseq/prepared.h"
#include "pyseq/variable.h"

namespace pyseq {

class Model;
class Program;
using ProgramPtr = std::shared_ptr<const Program>;

struct SessionOptions {
  Device device = Device::cpu();
  std::int64_t rows = 1;       // memory for calls of so many from the start; more is taken when they come
  int threads = 0;             // most that a call uses; 0: num_threads()
  std::string precision = {};  // of its matrix products, as for set_matmul_precision; "": what that says
};

// Inference: a model's program and its variables. `run` may be called from any number of threads at once;
// each concurrent call uses an arena of its own, kept for later calls.
class Session {
 public:
  // With these options; the variables stay shared. Throws Error.
  explicit Session(const Model& model, const SessionOptions& options = {});
  Session(ProgramPtr program, std::vector<VariablePtr> variables, const SessionOptions& options = {});
  ~Session();

  // inputs[i]: n rows in the dtype of the model's input; outputs[i]: room for n rows. Throws Error.
  void run(std::int64_t n, const void* const* inputs, void* const* outputs);
  struct Call;
  void run(const Call& call);

  // For calls of up to max_rows rows in real time. With `memory`, `memory_bytes(max_rows)` bytes at a multiple
  // of 64 that outlive it, values lie there. Throws Error where there is a Python function, or a GPU.
  Prepared prepare(std::int64_t max_rows, void* memory = nullptr);
  std::size_t memory_bytes(std::int64_t max_rows) const;

  const Program& program() const { return *program_; }
  const ProgramPtr& program_ptr() const { return program_; }
  // Bytes of all arenas.
  std::size_t bytes() const;

 private:
  struct State;

  ProgramPtr program_;
  std::unique_ptr<State> state_;
};

}  // namespace pyseq
