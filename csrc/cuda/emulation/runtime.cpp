#include "cuda/emulation/runtime.h"

#include <ucontext.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace pyseq::cuda::emulation {
namespace {

constexpr std::size_t kStack = 128 << 10;

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack;
  bool done = true;
};

struct BlockRun {
  ucontext_t scheduler;
  std::vector<Fiber> fibers;
  const std::function<void(int, float*)>* body = nullptr;
  float* shared = nullptr;
  int current = -1;
  std::vector<double> exchange;
};

thread_local BlockRun* running = nullptr;

void enter() {
  BlockRun& run = *running;
  (*run.body)(run.current, run.shared);
  run.fibers[static_cast<std::size_t>(run.current)].done = true;
  swapcontext(&run.fibers[static_cast<std::size_t>(run.current)].context, &run.scheduler);
}

}  // namespace

void run_block(int threads, int shared, const std::function<void(int, float*)>& body) {
  thread_local BlockRun run;
  std::vector<float> memory(static_cast<std::size_t>(shared) + 1);
  running = &run;
  run.body = &body;
  run.shared = memory.data();
  run.exchange.assign(static_cast<std::size_t>(threads), 0.0);
  if (run.fibers.size() < static_cast<std::size_t>(threads))
    run.fibers.resize(static_cast<std::size_t>(threads));
  for (int t = 0; t < threads; ++t) {
    Fiber& f = run.fibers[static_cast<std::size_t>(t)];
    if (!f.stack) f.stack = std::make_unique<char[]>(kStack);
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = f.stack.get();
    f.context.uc_stack.ss_size = kStack;
    f.context.uc_link = nullptr;
    makecontext(&f.context, enter, 0);
    f.done = false;
  }
  for (int pass = 0, left = threads; left > 0; ++pass) {
    const int before = left;
    for (int i = 0; i < threads; ++i) {
      const int t = pass % 2 ? threads - 1 - i : i;
      Fiber& f = run.fibers[static_cast<std::size_t>(t)];
      if (f.done) continue;
      run.current = t;
      swapcontext(&run.scheduler, &f.context);
      left -= f.done;
    }
    if (left > 0 && left < before) {
      std::fprintf(stderr, "emulated GPU: some threads of a block ended while others wait for them\n");
      std::abort();
    }
  }
  run.current = -1;
}

void barrier() {
  BlockRun& run = *running;
  swapcontext(&run.fibers[static_cast<std::size_t>(run.current)].context, &run.scheduler);
}

double sum(int thread, int threads, double v) {
  running->exchange[static_cast<std::size_t>(thread)] = v;
  barrier();
  double total = 0;
  for (int t = 0; t < threads; ++t) total += running->exchange[static_cast<std::size_t>(t)];
  barrier();
  return total;
}

float max(int thread, int threads, float v) {
  running->exchange[static_cast<std::size_t>(thread)] = static_cast<double>(v);
  barrier();
  double top = running->exchange[0];
  for (int t = 1; t < threads; ++t) top = std::fmax(top, running->exchange[static_cast<std::size_t>(t)]);
  barrier();
  return static_cast<float>(top);
}

}  // namespace pyseq::cuda::emulation

const char* cudaGetErrorString(cudaError_t e) { return e == cudaSuccess ? "no error" : "out of memory"; }
namespace {

thread_local cudaError_t last_error = cudaSuccess;
thread_local int current_device = 0;

// What is allocated on each device, for PYSEQ_CUDA_EMULATION_MEMORY, the megabytes that each one has.
constexpr int kMostDevices = 16;
std::mutex memory_mutex;
std::map<void*, std::pair<int, std::size_t>> allocated;
std::size_t in_use[kMostDevices] = {};

std::size_t capacity() {
  const char* megabytes = std::getenv("PYSEQ_CUDA_EMULATION_MEMORY");
  return (megabytes ? static_cast<std::size_t>(std::atoll(megabytes)) : std::size_t{1} << 20) << 20;
}

cudaError_t fail(cudaError_t e) { return last_error = e; }

}  // namespace

void pyseq::cuda::emulation::check_device(int device) {
  if (device == current_device) return;
  std::fprintf(stderr, "emulated GPU: work for device %d while device %d is current\n", device,
               current_device);
  std::abort();
}

// For tests: what the first device holds.
extern "C" __attribute__((visibility("default"))) std::size_t pyseq_emulated_bytes() {
  const std::lock_guard<std::mutex> lock(memory_mutex);
  return in_use[0];
}

cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }
cudaError_t cudaPeekAtLastError() { return last_error; }

// PYSEQ_CUDA_EMULATION=2: two devices.
cudaError_t cudaGetDeviceCount(int* count) {
  const char* number = std::getenv("PYSEQ_CUDA_EMULATION");
  const int n = number ? std::atoi(number) : 1;
  return *count = n < 1 ? 1 : n > kMostDevices ? kMostDevices : n, cudaSuccess;
}
cudaError_t cudaSetDevice(int device) { return current_device = device, cudaSuccess; }
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  const std::lock_guard<std::mutex> lock(memory_mutex);
  const std::size_t used = in_use[current_device];
  *total = capacity();
  *free = *total > used ? *total - used : 0;
  return cudaSuccess;
}
cudaError_t cudaMalloc(void** p, std::size_t bytes) {
  const std::lock_guard<std::mutex> lock(memory_mutex);
  std::size_t& used = in_use[current_device];
  if (bytes > capacity() || used > capacity() - bytes) return fail(cudaErrorMemoryAllocation);
  *p = std::aligned_alloc(256, (bytes + 256) / 256 * 256);
  if (!*p) return fail(cudaErrorMemoryAllocation);
  // What was never written is not a number: kernels must not count on zeros.
  std::memset(*p, 0xff, (bytes + 256) / 256 * 256);
  used += bytes;
  allocated[*p] = {current_device, bytes};
  return cudaSuccess;
}
cudaError_t cudaFree(void* p) {
  const std::lock_guard<std::mutex> lock(memory_mutex);
  if (const auto at = allocated.find(p); at != allocated.end()) {
    in_use[at->second.first] -= at->second.second;
    allocated.erase(at);
  }
  std::free(p);
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** p, std::size_t bytes) {
  *p = std::aligned_alloc(256, (bytes + 256) / 256 * 256);
  return *p ? cudaSuccess : fail(cudaErrorMemoryAllocation);
}
cudaError_t cudaFreeHost(void* p) { return std::free(p), cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t) {
  const std::chrono::duration<double> now = std::chrono::steady_clock::now().time_since_epoch();
  return *e = now.count(), cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t* s) {
  *s = new pyseq::cuda::emulation::Stream;
  (*s)->device = current_device;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t s) {
  delete s;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t s) {
  if (s->capture && kind != cudaMemcpyDeviceToDevice) std::abort();
  s->enqueue([=] { std::memmove(to, from, bytes); });
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* p, int value, std::size_t bytes, cudaStream_t s) {
  s->enqueue([=] { std::memset(p, value, bytes); });
  return cudaSuccess;
}
