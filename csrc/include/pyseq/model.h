#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pyseq/session.h"
#include "pyseq/stream.h"

namespace pyseq {

class TextEncoder;

// What a file may ask of the machine while it is loaded; checked before anything is taken.
struct LoadLimits {
  std::int64_t ops = 20000;
  std::int64_t bytes = -1;  // of memory for the self-test; -1: 256 MiB and 64 times the file
  double work = -1;         // operations of the self-test; -1: 2e10 and 1e4 for each byte of the file
};

// A network with its weights, and what makes its input of texts: what a `.pyseq` file holds.
//
// File: 64-byte prefix (magic "PYSEQ\0\0\1", then little-endian u64: bytes of the header, bytes of the
// blob, FNV-1a checksum of header and blob), JSON header padded with spaces to 64 bytes, blob. The
// blob holds the variables and a self-test (input and output rows), each at a multiple of 64 bytes,
// so that it can be used in place from flash. Where the
// model takes texts, so does the self-test.
class Model {
 public:
  Model(ProgramPtr program, std::vector<VariablePtr> variables, std::shared_ptr<const TextEncoder> text = nullptr);

  // Checks sizes, checksum, limits and the self-test. Throws Error.
  static Model load(const std::string& path, const LoadLimits& limits = {});
  // From memory that outlives the model and is not written to; the variables stay where they are in it.
  static Model from_memory(const void* data, std::size_t bytes, const LoadLimits& limits = {});

  // Writes beside the target, flushes, renames. `rows` rows of `input`, at most 1024, make the self-test,
  // with the texts that they encode where the model takes texts.
  void save(const std::string& path, std::int64_t rows, const void* input,
            const std::vector<std::string>& texts = {}) const;

  const Program& program() const { return *program_; }
  const ProgramPtr& program_ptr() const { return program_; }
  const std::vector<VariablePtr>& variables() const { return variables_; }
  // One line for each step of the network: kind, name, shapes, bytes and operations for so many rows.
  std::string dump(std::int64_t rows = 1) const;
  // What `predict` computes with.
  Session& session() const { return *session_; }
  // For sequences that come step by step; see stream.h.
  Stream stream(std::int64_t rows = 1, std::int64_t steps = 1) const;
  // Of one row.
  const Dims& input_shape() const;
  const Dims& output_shape() const;
  // What `session()` takes and gives; `predict` converts from and to float32.
  DType input_dtype() const;
  DType output_dtype() const;

  // n rows of float32 in and out. Any number of threads may call at once.
  void predict(std::int64_t n, const float* x, float* y) const;
  std::vector<float> predict(std::int64_t n, const std::vector<float>& x) const;

  // Whether the model reads texts, and how many of them make a row.
  bool takes_text() const { return text_ != nullptr; }
  // What makes rows of texts; null where the model takes numbers.
  const TextEncoder* text() const { return text_.get(); }
  std::int64_t texts_per_row() const;
  // n rows of texts in UTF-8, of a model that takes texts; float32 out.
  void predict(std::int64_t n, const std::string_view* texts, float* y) const;
  std::vector<float> predict(std::int64_t n, const std::vector<std::string_view>& texts) const;

 private:
  void run(std::int64_t n, const void* x, float* y) const;

  ProgramPtr program_;
  std::vector<VariablePtr> variables_;
  std::shared_ptr<const TextEncoder> text_;
  std::shared_ptr<Session> session_;
};

}  // namespace pyseq
