#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace pyseq {

struct DeviceTable;

enum class DType : std::uint8_t { float32, float64, int32, int64, uint8, int8, uint16, int16, boolean };

std::size_t size_of(DType dtype);
const char* name_of(DType dtype);
DType dtype_from(const std::string& name);  // throws Error

// A named tensor with its own 64-byte aligned storage; shared by every Program that uses it. A
// program on a GPU works on a copy there; each device and the host see what was written last.
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
  // Host memory, up to date. The non-const form counts as a write at the time of the call; who
  // writes later through the same pointer calls changed() after it.
  void* data();
  const void* data() const;
  void changed();
  // Differs whenever the variable was written: kernels keep packed copies of weights.
  std::uint64_t version() const { return version_.load(std::memory_order_relaxed); }

  // The copy on a GPU, up to date; `writes`: all others are old from now on.
  void* on_device(const DeviceTable& device, bool writes);

 private:
  struct DeviceCopy;
  void fetch() const;
  void fetch_locked() const;

  std::vector<std::int64_t> shape_;
  std::int64_t size_;
  DType dtype_;
  void* data_;
  std::shared_ptr<void> owner_;
  std::atomic<std::uint64_t> version_{1};
  std::vector<std::unique_ptr<DeviceCopy>> copies_;
  const DeviceCopy* newest_ = nullptr;  // what the host lacks while it is old
  mutable std::mutex mutex_;            // of the copies and host_is_old_
  mutable std::atomic<bool> host_is_old_{false};
};

using VariablePtr = std::shared_ptr<Variable>;

}  // namespace pyseq
