#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace pyseq {

using Dims = std::vector<std::int64_t>;

enum class DType : std::uint8_t { float32, float64, int32, int64, uint8, int8, uint16, int16, boolean };

std::size_t size_of(DType dtype);
const char* name_of(DType dtype);
DType dtype_from(const std::string& name);  // throws Error

// A contiguous array of rows, in any of these types.
struct Rows {
  const void* data = nullptr;  // null: absent
  DType dtype = DType::float32;
  std::int64_t row = 0;  // elements of one row
};

// A tensor with its own 64-byte aligned storage, such as a weight; shared by all models made over it. What
// runs on a GPU works on a copy there; each device and the host see what was written last.
class Variable {
 public:
  Variable(Dims shape, DType dtype);  // zeros
  // Somebody else's memory, which `owner` keeps alive.
  Variable(Dims shape, DType dtype, void* data, std::shared_ptr<void> owner);
  ~Variable();
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

  const Dims& shape() const { return shape_; }
  std::int64_t size() const { return size_; }
  DType dtype() const { return dtype_; }
  std::size_t bytes() const { return static_cast<std::size_t>(size_) * size_of(dtype_); }
  // Host memory, up to date. The non-const form counts as a write at the time of the call; who
  // writes later through the same pointer calls changed() after it.
  void* data();
  const void* data() const;
  void changed();
  // Differs whenever the variable was written: kernels keep packed copies of weights.
  std::uint64_t version() const { return version_.load(std::memory_order_relaxed); }

  struct Copies;
  Copies& copies() { return *copies_; }

 private:
  void fetch() const;

  Dims shape_;
  std::int64_t size_;
  DType dtype_;
  void* data_;
  std::shared_ptr<void> owner_;
  std::atomic<std::uint64_t> version_{1};
  std::unique_ptr<Copies> copies_;  // on GPUs
};

using VariablePtr = std::shared_ptr<Variable>;

}  // namespace pyseq
