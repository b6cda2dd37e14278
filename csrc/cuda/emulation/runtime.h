#pragma once
// The part of the CUDA runtime that pyseq uses, on the host: memory is host memory, a stream runs at
// once what is enqueued, a graph is a list of what was enqueued.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#define __device__
#define __host__
#define __global__
#define __forceinline__ inline

enum cudaError_t : int { cudaSuccess = 0, cudaErrorMemoryAllocation = 2, cudaErrorNoDevice = 100 };
enum cudaMemcpyKind : int {
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDeviceToDevice = 3
};

namespace pyseq::cuda::emulation {

using Work = std::vector<std::function<void()>>;

// Aborts unless it is the calling thread's current one.
void check_device(int device);

struct Stream {
  int device = 0;
  Work* capture = nullptr;
  void enqueue(std::function<void()> work) {
    check_device(device);
    if (capture) capture->push_back(std::move(work));
    else work();
  }
};

// body(thread, shared) for all threads of a block, each on a stack of its own; between two barriers
// they run one after the other, forwards and backwards in turn, so that a missing barrier shows.
void run_block(int threads, int shared, const std::function<void(int, float*)>& body);
void barrier();
// Collective over the threads of the block.
double sum(int thread, int threads, double v);
float max(int thread, int threads, float v);

}  // namespace pyseq::cuda::emulation

using cudaStream_t = pyseq::cuda::emulation::Stream*;
using cudaEvent_t = double*;  // seconds
using cudaGraph_t = pyseq::cuda::emulation::Work*;
using cudaGraphExec_t = pyseq::cuda::emulation::Work*;

const char* cudaGetErrorString(cudaError_t e);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total);
cudaError_t cudaMalloc(void** p, std::size_t bytes);
cudaError_t cudaFree(void* p);
cudaError_t cudaMallocHost(void** p, std::size_t bytes);
cudaError_t cudaFreeHost(void* p);
cudaError_t cudaStreamCreate(cudaStream_t* s);
cudaError_t cudaStreamDestroy(cudaStream_t s);
cudaError_t cudaStreamSynchronize(cudaStream_t s);
inline constexpr unsigned cudaEventDisableTiming = 2;
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned) {
  return *e = new double(0), cudaSuccess;
}
inline cudaError_t cudaEventCreate(cudaEvent_t* e) { return cudaEventCreateWithFlags(e, 0); }
inline cudaError_t cudaEventDestroy(cudaEvent_t e) { return delete e, cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t);
inline cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  return *milliseconds = static_cast<float>((*to - *from) * 1e3), cudaSuccess;
}
inline cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
inline cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t s);
cudaError_t cudaMemsetAsync(void* p, int value, std::size_t bytes, cudaStream_t s);

template <class T>
inline T atomicAdd(T* p, T v) {
  const T before = *p;
  *p += v;
  return before;
}
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
using std::isfinite;
using std::isinf;
using std::isnan;
