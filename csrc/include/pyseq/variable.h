#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace pyseq {

enum class DType : std::uint8_t { float32, float64, int32, int64, uint8, int8, uint16, int16, boolean };

std::size_t size_of(DType dtype);
const char* name_of(DType dtype);
DType dtype_from(const std::string& name);  // throws Error

// A named tensor with its own 64-byte aligned storage; shared by every Program that uses it.
class Variable {
 public:
  Variable(std::vector<std::int64_t> shape, DType dtype);  // zeros
  // Somebody else's memory, which `owner` keeps alive.
  Variable(std::vector<std::int64_t> shape, DType dtype, void* data, std::shared_ptr<void> owner);
  ~Variable();
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::int64_t size() const { return size_; }
  DType dtype() const { return dtype_; }
  std::size_t bytes() const { return static_cast<std::size_t>(size_) * size_of(dtype_); }
  void* data() { return data_; }
  const void* data() const { return data_; }

 private:
  std::vector<std::int64_t> shape_;
  std::int64_t size_;
  DType dtype_;
  void* data_;
  std::shared_ptr<void> owner_;
};

using VariablePtr = std::shared_ptr<Variable>;

}  // namespace pyseq
