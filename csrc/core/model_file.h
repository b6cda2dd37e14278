#pragma once
// The `.pyseq` file by its parts: what of it others read and write beside the model.
#include <cstddef>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/json.h"
#include "pyseq/error.h"
#include "pyseq/model.h"

namespace pyseq {

// A file in memory whose sizes and checksum are right.
struct FileContents {
  std::string where;
  std::shared_ptr<void> owner;  // of the memory
  std::size_t bytes = 0;
  Json header;
  char* blob = nullptr;
  std::size_t blob_bytes = 0;

  // Checked against the blob's size without overflow.
  char* piece(std::int64_t offset, std::size_t bytes) const;
  VariablePtr variable(const Dims& shape, DType dtype, std::int64_t offset) const;
};
FileContents read_contents(const std::string& path);
FileContents contents_of(char* data, std::size_t bytes, std::shared_ptr<void> owner, const std::string& where);

// Within the limits, and with the outputs of its self-test.
Model model_of(const FileContents& file, const LoadLimits& limits);

// Throws unless a program, planned but without memory yet, keeps within the limits for so many rows.
void check_limits(const Program& program, const std::vector<VariablePtr>& variables, std::int64_t rows,
                  std::size_t file_bytes, const LoadLimits& limits, const std::string& where);

struct SelfTest {
  std::int64_t rows = 0;
  const void* input = nullptr;
  std::vector<std::string> texts;
};
// More entries of the header, and tensors that they name by their position in its "tensors"; a variable of the
// model lies in the file once.
struct FileParts {
  Json::Object entries;
  std::vector<VariablePtr> tensors;
};
void write_model(const Model& model, const std::string& path, const SelfTest& test, const FileParts& parts);

// Whatever goes wrong in `f` is an Error.
template <class F>
auto errors_only(const std::string& where, F&& f) {
  try {
    return f();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw Error(where + ": expected as much memory as the model takes, got less");
  } catch (const std::exception& e) {
    throw Error(where + ": expected a model file, got one that is damaged: " + e.what());
  }
}

}  // namespace pyseq
