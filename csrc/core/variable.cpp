#include "pyseq/variable.h"

#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

#include "pyseq/error.h"

namespace pyseq {
namespace {
struct TypeRow {
  const char* name;
  std::size_t size;
};
constexpr TypeRow kTypes[] = {{"float32", 4}, {"float64", 8}, {"int32", 4},  {"int64", 8}, {"uint8", 1},
                              {"int8", 1},    {"uint16", 2},  {"int16", 2}, {"bool", 1}};

std::int64_t checked_size(const std::vector<std::int64_t>& shape) {
  constexpr std::int64_t kLimit = std::numeric_limits<std::int64_t>::max() / 64;
  std::int64_t size = 1;
  for (const std::int64_t d : shape) {
    if (d < 0) throw Error("Variable: expected dimensions of 0 or more, got " + std::to_string(d));
    if (d > 0 && size > kLimit / d) throw Error("Variable: expected a size below 2^57, got more");
    size *= d;
  }
  return size;
}

}  // namespace

std::size_t size_of(DType dtype) { return kTypes[static_cast<int>(dtype)].size; }
const char* name_of(DType dtype) { return kTypes[static_cast<int>(dtype)].name; }

DType dtype_from(const std::string& name) {
  for (std::size_t i = 0; i < std::size(kTypes); ++i)
    if (name == kTypes[i].name) return static_cast<DType>(i);
  throw Error("dtype: expected one of float32, float64, int32, int64, uint8, int8, uint16, int16, "
              "bool, got " + name);
}

Variable::Variable(std::vector<std::int64_t> shape, DType dtype)
    : shape_(std::move(shape)), size_(checked_size(shape_)), dtype_(dtype), data_(nullptr) {
  const std::size_t rounded = (bytes() + 64) / 64 * 64;
  data_ = std::aligned_alloc(64, rounded);
  if (!data_) throw std::bad_alloc();
  std::memset(data_, 0, rounded);
}

Variable::Variable(std::vector<std::int64_t> shape, DType dtype, void* data,
                   std::shared_ptr<void> owner)
    : shape_(std::move(shape)),
      size_(checked_size(shape_)),
      dtype_(dtype),
      data_(data),
      owner_(std::move(owner)) {}

Variable::~Variable() {
  if (!owner_) std::free(data_);
}

}  // namespace pyseq
