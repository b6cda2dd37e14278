#pragma once
#include <memory>
#include <mutex>
#include <vector>

#include "pyseq/program.h"

namespace pyseq {

class Executor;
class Model;
class Pace;
class Pool;

// Inference: a Program and its variables. `run` may be called from any number of threads at once;
// each concurrent call uses an arena of its own, kept for later calls.
class Session {
 public:
  Session(ProgramPtr program, std::vector<VariablePtr> variables);
  // The model's program on that device, with memory for calls of up to n rows from the start; the
  // variables stay shared.
  Session(const Model& model, std::int64_t n, const Device& device);
  ~Session();

  // inputs[i]: n rows of the program's dtype; outputs[i]: room for n rows.
  // `training` switches random ops and batch statistics on in a program lowered for training.
  void run(std::int64_t n, const void* const* inputs, void* const* outputs, bool training = false,
           std::uint64_t step = 0);

  const Program& program() const { return *program_; }
  // Bytes of all arenas.
  std::size_t bytes() const;

 private:
  // An executor with room for the rows to run at once: all n, or as many as it advises.
  std::unique_ptr<Executor> take(std::int64_t n, bool whole, std::int64_t* rows);
  std::size_t slot_bytes(int slot, std::int64_t n) const;
  bool overlapping(std::int64_t n, const void* const* inputs, void* const* outputs) const;
  void run_rows(Executor& executor, Pool* pool, std::int64_t n, const void* const* inputs,
                void* const* outputs, bool apart, bool training, std::uint64_t step) const;
  void run_on_host(Executor& executor, std::int64_t n, std::int64_t most, bool apart,
                   const void* const* inputs, void* const* outputs, bool training,
                   std::uint64_t step);
  void run_on_device(Executor& executor, std::int64_t n, const void* const* inputs,
                     void* const* outputs, bool training, std::uint64_t step) const;

  Session(ProgramPtr program, std::vector<VariablePtr> variables, std::int64_t n);

  ProgramPtr program_;
  std::vector<VariablePtr> variables_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Executor>> idle_;
  std::unique_ptr<Pace> pace_;
};

}  // namespace pyseq
