#pragma once
// A training run on a GPU: what is kept from one to the next, and the enqueueing of one.
#include <chrono>

#include "core/trainer_state.h"

namespace pyseq {

// Device memory that grows.
class DeviceBuffer {
 public:
  explicit DeviceBuffer(const DeviceTable& device) : device_(device) {}
  bool holds(std::size_t bytes) const { return arena_ && arena_->bytes() >= bytes; }
  // True if the memory moved.
  bool reserve(std::size_t bytes) {
    if (holds(bytes)) return false;
    arena_.reset();
    arena_ = std::make_unique<Arena>(bytes, &device_);
    return true;
  }
  void free() { arena_.reset(); }
  std::byte* data() const { return arena_ ? arena_->data() : nullptr; }

 private:
  const DeviceTable& device_;
  std::unique_ptr<Arena> arena_;
};

// Memory of the host that the device copies from.
class HostBuffer {
 public:
  explicit HostBuffer(const DeviceTable& device) : device_(device) {}
  HostBuffer(const HostBuffer&) = delete;
  HostBuffer& operator=(const HostBuffer&) = delete;
  ~HostBuffer() { release(); }
  std::byte* reserve(std::size_t bytes) {
    if (bytes > bytes_) {
      release();
      data_ = device_.allocate_host(bytes);
      bytes_ = bytes;
    }
    return static_cast<std::byte*>(data_);
  }

 private:
  void release() {
    if (data_) device_.release_host(data_);
    data_ = nullptr;
    bytes_ = 0;
  }
  const DeviceTable& device_;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

// Where the rows of a step come from.
struct DeviceSource {
  const void *x = nullptr, *y = nullptr, *weights = nullptr;
  const std::int64_t* order = nullptr;
};

// One optimizer's share of the variables.
struct DeviceGroup {
  std::vector<DeviceSegment> segments;
  std::vector<DevicePiece> pieces;
  std::vector<float*> accumulator, average;  // of each segment, or null
  std::vector<int> parameter;
  DeviceBuffer memory;  // segments, pieces, clipping factors
  explicit DeviceGroup(const DeviceTable& device) : memory(device) {}
};

using DeviceStepKey =
    std::tuple<std::int64_t, const void*, const void*, const void*, const void*, const void*, const void*, int>;

struct DeviceStep {
  int runs = 0;
  DeviceGraph* graph = nullptr;
  bool capturable = true;
};

struct DeviceRun {
  const DeviceTable& device;
  std::map<DeviceStepKey, DeviceStep> steps;
  DeviceBuffer totals;  // doubles: loss, then (total, count) of the loss and each metric; ints: skip
  DeviceBuffer rates, order, chunk[2];
  DeviceBuffer predictions;  // of one batch: the step itself uses the memory of its output again
  HostBuffer staging[2];
  std::vector<std::unique_ptr<DeviceGroup>> groups;
  // Arrays that stay: what the caller holds, and the copies.
  Rows held_x, held_y, held_weights;
  std::int64_t held_rows = 0;
  DeviceBuffer held;

  explicit DeviceRun(const DeviceTable& d)
      : device(d),
        totals(d),
        rates(d),
        order(d),
        chunk{DeviceBuffer(d), DeviceBuffer(d)},
        predictions(d),
        staging{HostBuffer(d), HostBuffer(d)},
        held(d) {}
  ~DeviceRun() { forget(); }
  void forget() {
    for (auto& [key, step] : steps) device.destroy(step.graph);
    steps.clear();
  }
};

// The enqueueing of one run.
class DeviceSteps {
 public:
  DeviceSteps(Trainer::State& state, const Program& program, const BatchRun& run)
      : s_(state),
        program_(program),
        r_(run),
        run_(*state.device),
        device_(*state.table->device),
        stream_(state.executor->stream()) {}

  std::int64_t run(std::vector<Total>& totals);

 private:
  using Clock = std::chrono::steady_clock;

  double* loss() const { return reinterpret_cast<double*>(run_.totals.data()); }
  double* total(std::size_t k) const { return loss() + 1 + 2 * k; }
  int* skip(std::size_t optimizer) const {
    return reinterpret_cast<int*>(loss() + 3 + 2 * s_.metrics.size()) + optimizer;
  }

  void start();
  std::int64_t rows_of(std::int64_t batch) const {
    return std::min(r_.batch_size, r_.end - r_.begin - batch * r_.batch_size);
  }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - started_).count(); }
  std::size_t prediction_bytes(std::int64_t n) const {
    return r_.predictions ? slot_row_bytes(program_.spec(), program_.spec().outputs[0]) * static_cast<std::size_t>(n) : 0;
  }
  std::byte* predictions() const { return r_.predictions ? run_.predictions.data() : nullptr; }
  void step(const DeviceSource& source, std::int64_t batch);
  void enqueue(const DeviceSource& source, std::int64_t n);

  bool is_held() const;
  std::int64_t run_held(std::int64_t batches);
  std::int64_t run_streamed(std::int64_t batches);

  const float* gather(const Rows& rows, const void* from, const std::int64_t* order, std::int64_t n,
                      void* to);
  void evaluate(Measure& m, std::int64_t n, const float* y, const float* weights, bool as_loss,
                double* total, double* count);

  void bind_parameters();
  void penalties();
  void update();
  DeviceUpdates updates(std::size_t optimizer) const;
  const double* clip(std::size_t optimizer, const DeviceUpdates& u);

  Trainer::State& s_;
  const Program& program_;
  const BatchRun& r_;
  DeviceRun& run_;
  const DeviceTable& device_;
  DeviceStream* stream_;
  Clock::time_point started_ = Clock::now();
};

}  // namespace pyseq
