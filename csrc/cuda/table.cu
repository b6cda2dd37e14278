// What the core asks a GPU for, and the one symbol that the module exports.
#include <cstdio>
#include <string>
#include <utility>

#include "core/isa.h"
#include "cuda/cuda.h"
#include "cuda/graph.h"
#include "cuda/libraries.h"
#include "cuda/step.h"

namespace pyseq::cuda {

#define PYSEQ_ENTRY(name) extern const OpDef op_##name;
#include "cuda_ops.inc"
#undef PYSEQ_ENTRY
#define PYSEQ_ENTRY(name) extern const OpDef loss_##name;
#include "cuda_losses.inc"
#undef PYSEQ_ENTRY
#define PYSEQ_ENTRY(name) extern const DeviceOptimizerDef optimizer_##name;
#include "cuda_optimizers.inc"
#undef PYSEQ_ENTRY

namespace {

int (*core_precision)() = nullptr;

const OpDef* const ops[] = {
#define PYSEQ_ENTRY(name) &op_##name,
#include "cuda_ops.inc"
#undef PYSEQ_ENTRY
};
const OpDef* const losses[] = {
#define PYSEQ_ENTRY(name) &loss_##name,
#include "cuda_losses.inc"
#undef PYSEQ_ENTRY
};
const DeviceOptimizerDef* const optimizers[] = {
#define PYSEQ_ENTRY(name) &optimizer_##name,
#include "cuda_optimizers.inc"
#undef PYSEQ_ENTRY
};

template <class T, std::size_t N>
constexpr int count(T (&)[N]) {
  return static_cast<int>(N);
}

constexpr int kMaxDevices = 16;
constexpr std::size_t kWorkspace = std::size_t{32} << 20;

std::string megabytes(std::size_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

template <int kDevice>
struct On {
  // The runtime keeps a current device for each thread.
  static void enter() { check(cudaSetDevice(kDevice), "choosing the device"); }

  static std::size_t free_bytes() {
    enter();
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "asking for memory");
    return free;
  }
  static void* allocate(std::size_t bytes) {
    enter();
    void* p = nullptr;
    const cudaError_t e = cudaMalloc(&p, bytes);
    if (e == cudaErrorMemoryAllocation) {
      cudaGetLastError();  // the next launch would report it again
      throw OutOfMemory("cuda:" + std::to_string(kDevice) + ": expected room for " + megabytes(bytes) +
                        " of device memory, got " + megabytes(free_bytes()) +
                        " free; use a smaller batch_size, or delete models that are not needed");
    }
    check(e, "allocating memory");
    return p;
  }
  static DeviceStream* open(bool copies_only) {
    enter();
    auto* s = new DeviceStream;
    s->device = kDevice;
    try {
      check(cudaStreamCreate(&s->handle), "making a stream");
      if (copies_only) return s;
      s->state = static_cast<StepState*>(allocate(sizeof(StepState)));
      check(cudaMemsetAsync(s->state, 0, sizeof(StepState), s->handle), "memset");
      s->workspace = allocate(kWorkspace);
      s->workspace_bytes = kWorkspace;
      check(cudaStreamCreate(&s->copies), "making a stream");
      for (int i = 0; i < 2; ++i) {
        check(cudaEventCreateWithFlags(&s->filled[i], cudaEventDisableTiming), "making an event");
        check(cudaEventCreateWithFlags(&s->used[i], cudaEventDisableTiming), "making an event");
        check(cudaEventCreate(&s->clock[i]), "making an event");
      }
      open_blas(s);
    } catch (...) {
      close(s);
      throw;
    }
    return s;
  }
  static void close(DeviceStream* s) {
    cudaSetDevice(kDevice);
    close_convolutions(s);
    close_blas(s);
    if (s->state) cudaFree(s->state);
    if (s->workspace) cudaFree(s->workspace);
    for (int i = 0; i < 2; ++i) {
      if (s->filled[i]) cudaEventDestroy(s->filled[i]);
      if (s->used[i]) cudaEventDestroy(s->used[i]);
      if (s->clock[i]) cudaEventDestroy(s->clock[i]);
    }
    if (s->copies) cudaStreamDestroy(s->copies);
    if (s->handle) cudaStreamDestroy(s->handle);
    delete s;
  }
  static void* allocate_host(std::size_t bytes) {
    enter();
    void* p = nullptr;
    if (cudaMallocHost(&p, bytes) == cudaSuccess) return p;
    cudaGetLastError();
    throw OutOfMemory("cuda:" + std::to_string(kDevice) + ": expected " + megabytes(bytes) +
                      " of pinned memory of the host, got none; use a smaller batch_size");
  }
  static void begin_capture(DeviceStream* s) {
    enter();
    cuda::begin_capture(s);
  }
  static void launch(DeviceStream* s, DeviceGraph* graph) {
    enter();
    cuda::launch(s, graph);
  }
};

void release(void* p) { cudaFree(p); }

void upload(DeviceStream* s, void* to, const void* from, std::size_t bytes) {
  cudaSetDevice(s->device);
  s->note(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, s->handle), "copy to the device");
}

void upload_ahead(DeviceStream* s, int buffer, void* to, const void* from, std::size_t bytes) {
  cudaSetDevice(s->device);
  s->note(cudaStreamWaitEvent(s->copies, s->used[buffer], 0), "event");
  s->note(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, s->copies), "copy to the device");
  s->note(cudaEventRecord(s->filled[buffer], s->copies), "event");
  s->note(cudaStreamWaitEvent(s->handle, s->filled[buffer], 0), "event");
}

void mark_used(DeviceStream* s, int buffer) { s->note(cudaEventRecord(s->used[buffer], s->handle), "event"); }
void wait_filled(DeviceStream* s, int buffer) { s->note(cudaEventSynchronize(s->filled[buffer]), "event"); }

void wait(DeviceStream* s) {
  cudaSetDevice(s->device);
  s->note(cudaStreamSynchronize(s->handle), "kernel");
  const cudaError_t e = s->failed;
  const char* where = s->failed_where;
  s->failed = cudaSuccess;
  s->failed_where = nullptr;
  if (e != cudaSuccess) check(e, where);
}

void download(DeviceStream* s, void* to, const void* from, std::size_t bytes) {
  cudaSetDevice(s->device);
  s->note(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, s->handle), "copy from the device");
  wait(s);
}

StepState* state(DeviceStream* s) { return s->state; }

template <int kDevice>
const KernelTable* table() {
  static char name[16], description[64];
  static DeviceTable device{};
  static KernelTable kernels{};
  static const bool made = [] {
    std::snprintf(name, sizeof name, "cuda:%d", kDevice);
    describe(kDevice, description, sizeof description);
    using D = On<kDevice>;
    device.name = name;
    device.description = description;
    device.free_bytes = D::free_bytes;
    device.enter = D::enter;
    device.allocate = D::allocate;
    device.release = release;
    device.open = D::open;
    device.close = D::close;
    device.upload = upload;
    device.download = download;
    device.copy = [](DeviceStream* s, void* to, const void* from, std::size_t n) { copy(s, to, from, n); };
    device.zero = [](DeviceStream* s, void* p, std::size_t n) { zero(s, p, n); };
    device.allocate_host = D::allocate_host;
    device.release_host = [](void* p) { cudaFreeHost(p); };
    device.upload_ahead = upload_ahead;
    device.mark_used = mark_used;
    device.wait_filled = wait_filled;
    device.wait = wait;
    device.state = state;
    device.range = range;
    device.start_clock = start_clock;
    device.stop_clock = [](DeviceStream* s) {
      s->note(cudaEventRecord(s->clock[1], s->handle), "event");
      wait(s);
      float milliseconds = 0;
      s->note(cudaEventElapsedTime(&milliseconds, s->clock[0], s->clock[1]), "event");
      return 1e3 * static_cast<double>(milliseconds);
    };
    device.begin_capture = D::begin_capture;
    device.end_capture = end_capture;
    device.launch = D::launch;
    device.destroy = destroy;
    device.gather = gather;
    device.add = add;
    device.scales = scales;
    device.weighted_sum = weighted_sum;
    device.finish_step = finish_step;
    device.penalty = penalty;
    device.constrain = constrain;
    device.find_non_finite = find_non_finite;
    device.clip_norms = clip_norms;
    device.accumulate = accumulate;
    device.reset_accumulator = reset_accumulator;
    device.average = average;
    device.optimizers = optimizers;
    device.optimizer_count = count(optimizers);
    kernels.real_size = sizeof(float);
    kernels.ops = ops;
    kernels.op_count = count(ops);
    kernels.losses = losses;
    kernels.loss_count = count(losses);
    kernels.device = &device;
    kernels.isa = name;
    return true;
  }();
  static_cast<void>(made);
  return &kernels;
}

template <int... kDevices>
const KernelTable* table_of(int device, std::integer_sequence<int, kDevices...>) {
  const KernelTable* found = nullptr;
  ((device == kDevices ? found = table<kDevices>() : nullptr), ...);
  return found;
}

}  // namespace

int matmul_precision() { return core_precision ? core_precision() : 3; }

void check(cudaError_t e, const char* what) {
  if (e == cudaSuccess) return;
  cudaGetLastError();
  const std::string message = std::string("cuda: ") + what + " failed: " + cudaGetErrorString(e);
  if (e == cudaErrorMemoryAllocation) throw OutOfMemory(message + "; use a smaller batch_size");
  throw Error(message);
}

}  // namespace pyseq::cuda

// Devices that can be used, or the runtime's reason in `message`.
extern "C" __attribute__((visibility("default"))) int pyseq_cuda_devices(char* message, std::size_t size) {
  int n = 0;
  const cudaError_t e = cudaGetDeviceCount(&n);
  std::snprintf(message, size, "%s", e == cudaSuccess ? "" : cudaGetErrorString(e));
  if (e != cudaSuccess) return 0;
  return n < pyseq::cuda::kMaxDevices ? n : pyseq::cuda::kMaxDevices;
}

extern "C" __attribute__((visibility("default"))) const pyseq::KernelTable* pyseq_cuda_table(
    int device, int (*precision)()) {
  pyseq::cuda::core_precision = precision;
  return pyseq::cuda::table_of(device, std::make_integer_sequence<int, pyseq::cuda::kMaxDevices>());
}
