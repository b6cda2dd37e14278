#include "pyseq/variable.h"

#include <cstring>
#include <limits>
#include <mutex>

#include "core/device.h"
#include "core/memory.h"
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

struct Variable::DeviceCopy {
  const DeviceTable* device;
  void* data;
  std::uint64_t version;  // of the variable's content that it holds

  explicit DeviceCopy(const DeviceTable& d, std::size_t bytes)
      : device(&d), data(d.allocate(bytes)), version(0) {}
  ~DeviceCopy() { device->release(data); }
};

namespace {

// Copies between host and device on a stream of their own.
class Transfer {
 public:
  explicit Transfer(const DeviceTable& device) : device_(device), stream_(device.open(true)) {}
  ~Transfer() { device_.close(stream_); }
  void in(void* to, const void* from, std::size_t n) {
    device_.upload(stream_, to, from, n);
    device_.wait(stream_);
  }
  void out(void* to, const void* from, std::size_t n) { device_.download(stream_, to, from, n); }

 private:
  const DeviceTable& device_;
  Stream* stream_;
};

}  // namespace

Variable::Variable(std::vector<std::int64_t> shape, DType dtype)
    : shape_(std::move(shape)), size_(checked_size(shape_)), dtype_(dtype), data_(nullptr) {
  data_ = allocate(bytes());
  std::memset(data_, 0, bytes());
}

Variable::Variable(std::vector<std::int64_t> shape, DType dtype, void* data,
                   std::shared_ptr<void> owner)
    : shape_(std::move(shape)),
      size_(checked_size(shape_)),
      dtype_(dtype),
      data_(data),
      owner_(std::move(owner)) {}

Variable::~Variable() {
  if (!owner_) release(data_);
}

void Variable::fetch() const {
  if (!host_is_old_.load(std::memory_order_acquire)) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  fetch_locked();
}

void Variable::fetch_locked() const {
  if (!host_is_old_.load(std::memory_order_relaxed)) return;
  Transfer(*newest_->device).out(data_, newest_->data, bytes());
  host_is_old_.store(false, std::memory_order_release);
}

void* Variable::data() {
  fetch();
  changed();
  return data_;
}

const void* Variable::data() const {
  fetch();
  return data_;
}

void Variable::changed() { version_.fetch_add(1, std::memory_order_relaxed); }

void* Variable::on_device(const DeviceTable& device, bool writes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  DeviceCopy* copy = nullptr;
  for (const auto& known : copies_)
    if (known->device == &device) copy = known.get();
  if (!copy) copy = copies_.emplace_back(std::make_unique<DeviceCopy>(device, bytes())).get();
  if (newest_ != copy) fetch_locked();
  if (!host_is_old_.load(std::memory_order_relaxed) && copy->version != version()) {
    const std::uint64_t now = version();
    Transfer(device).in(copy->data, data_, bytes());
    copy->version = now;
  }
  if (writes) {
    changed();
    copy->version = version();
    newest_ = copy;
    host_is_old_.store(true, std::memory_order_release);
  }
  return copy->data;
}

}  // namespace pyseq
