#include "pyseq/variable.h"

#include <atomic>
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

std::int64_t checked_size(const Dims& shape) {
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
  DeviceStream* stream_;
};

}  // namespace

struct Variable::Copies {
  struct OnDevice {
    const DeviceTable* device;
    void* data;
    std::uint64_t version;  // of the variable's content that it holds
  
    explicit OnDevice(const DeviceTable& d, std::size_t bytes)
        : device(&d), data(d.allocate(bytes)), version(0) {}
    ~OnDevice() { device->release(data); }
  };

  std::vector<std::unique_ptr<OnDevice>> all;
  const OnDevice* newest = nullptr;  // what the host lacks while it is old
  std::mutex mutex;                    // of the copies and host_is_old
  std::atomic<bool> host_is_old{false};

  static const void* host_of(const Variable& v) { return v.data_; }
  void fetch(const Variable& v) {  // `mutex` is held
    if (!host_is_old.load(std::memory_order_relaxed)) return;
    Transfer(*newest->device).out(v.data_, newest->data, v.bytes());
    host_is_old.store(false, std::memory_order_release);
  }
};

Variable::Variable(Dims shape, DType dtype)
    : shape_(std::move(shape)),
      size_(checked_size(shape_)),
      dtype_(dtype),
      data_(nullptr),
      copies_(std::make_unique<Copies>()) {
  data_ = allocate(bytes());
  std::memset(data_, 0, bytes());
}

Variable::Variable(Dims shape, DType dtype, void* data, std::shared_ptr<void> owner)
    : shape_(std::move(shape)),
      size_(checked_size(shape_)),
      dtype_(dtype),
      data_(data),
      owner_(std::move(owner)),
      copies_(std::make_unique<Copies>()) {}

Variable::~Variable() {
  if (!owner_) release(data_);
}

void Variable::fetch() const {
  if (!copies_->host_is_old.load(std::memory_order_acquire)) return;
  const std::lock_guard<std::mutex> lock(copies_->mutex);
  copies_->fetch(*this);
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

void* on_device(Variable& v, const DeviceTable& device, bool writes) {
  Variable::Copies& copies = v.copies();
  const std::lock_guard<std::mutex> lock(copies.mutex);
  Variable::Copies::OnDevice* copy = nullptr;
  for (const auto& known : copies.all)
    if (known->device == &device) copy = known.get();
  if (!copy) copy = copies.all.emplace_back(std::make_unique<Variable::Copies::OnDevice>(device, v.bytes())).get();
  if (copies.newest != copy) copies.fetch(v);
  if (!copies.host_is_old.load(std::memory_order_relaxed) && copy->version != v.version()) {
    const std::uint64_t now = v.version();
    Transfer(device).in(copy->data, copies.host_of(v), v.bytes());
    copy->version = now;
  }
  if (writes) {
    v.changed();
    copy->version = v.version();
    copies.newest = copy;
    copies.host_is_old.store(true, std::memory_order_release);
  }
  return copy->data;
}

}  // namespace pyseq
