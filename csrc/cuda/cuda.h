#pragma once
// What GPU code is written with: element loops, blocks of threads, streams. The same files compile
// with nvcc and, with PYSEQ_CUDA_EMULATION, with any C++ compiler: kernels then run on the host, one
// thread after the other, so that every kernel is tested where there is no GPU.
#include <cstddef>
#include <cstdint>

#ifdef PYSEQ_CUDA_EMULATION
#include "cuda/emulation/runtime.h"
#else
#include <cuda_runtime.h>
#endif

#include "core/device.h"
#include "pyseq/error.h"

struct cublasLtContext;

namespace pyseq {

namespace cuda {
struct Convolutions;
}

struct DeviceStream {
  cudaStream_t handle = nullptr;
  int device = 0;
  cublasLtContext* blas = nullptr;
  cuda::Convolutions* convolutions = nullptr;  // of cuDNN
  void* workspace = nullptr;  // of the libraries, and of sums between their calls (total.h)
  std::size_t workspace_bytes = 0;
  StepState* state = nullptr;  // device memory
  // Copies ahead of the kernels, through two buffers.
  cudaStream_t copies = nullptr;
  cudaEvent_t filled[2] = {}, used[2] = {};
  cudaEvent_t clock[2] = {};
  // The first failure of a kernel or library call since the last wait; ops cannot throw.
  cudaError_t failed = cudaSuccess;
  const char* failed_where = nullptr;

  void note(cudaError_t e, const char* where) {
    if (e != cudaSuccess && failed == cudaSuccess) failed = e, failed_where = where;
  }
};

namespace cuda {

// Throws Error for a failed call of the runtime.
void check(cudaError_t e, const char* what);

inline constexpr int kThreads = 256;

// The threads of one block. sum and max give every thread the same value, in an order that does not
// change from run to run; they synchronise, so all threads of the block must call them.
struct Block {
  int thread, threads;
  float* shared;  // what for_blocks was asked for

#ifdef PYSEQ_CUDA_EMULATION
  void sync() const { emulation::barrier(); }
  double sum(double v) const { return emulation::sum(thread, threads, v); }
  float sum(float v) const { return static_cast<float>(emulation::sum(thread, threads, v)); }
  float max(float v) const { return emulation::max(thread, threads, v); }
#else
  __device__ void sync() const { __syncthreads(); }

  template <class T, class F>
  __device__ T reduce(T v, T neutral, F&& f) const {
    __shared__ T of_warp[32];
    for (int d = 16; d > 0; d /= 2) v = f(v, __shfl_xor_sync(0xffffffffu, v, d));
    const int warp = thread / 32, lane = thread % 32, warps = (threads + 31) / 32;
    __syncthreads();
    if (lane == 0) of_warp[warp] = v;
    __syncthreads();
    v = lane < warps ? of_warp[lane] : neutral;
    for (int d = 16; d > 0; d /= 2) v = f(v, __shfl_xor_sync(0xffffffffu, v, d));
    return v;
  }
  __device__ float sum(float v) const {
    return reduce(v, 0.0f, [](float a, float b) { return a + b; });
  }
  __device__ double sum(double v) const {
    return reduce(v, 0.0, [](double a, double b) { return a + b; });
  }
  __device__ float max(float v) const {
    return reduce(v, -INFINITY, [](float a, float b) { return fmaxf(a, b); });
  }
#endif
};

#ifndef PYSEQ_CUDA_EMULATION
template <class F>
__global__ void __launch_bounds__(kThreads) each_kernel(Index n, F f) {
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) f(i);
}

template <class F>
__global__ void blocks_kernel(Index blocks, F f) {
  extern __shared__ float block_shared[];
  const Block block{static_cast<int>(threadIdx.x), static_cast<int>(blockDim.x), block_shared};
  for (Index b = blockIdx.x; b < blocks; b += gridDim.x) {
    f(b, block);
    __syncthreads();
  }
}
#endif

// f(i) for i in [0, n), one thread each; f is a `[=] __device__(Index i)` lambda.
template <class F>
void for_each(DeviceStream* s, Index n, F f) {
  if (n <= 0) return;
#ifdef PYSEQ_CUDA_EMULATION
  s->handle->enqueue([=] {
    for (Index i = 0; i < n; ++i) f(i);
  });
  s->note(cudaPeekAtLastError(), "for_each");
#else
  constexpr Index kMost = 132 * 64;  // enough blocks to fill any GPU; the rest by looping
  const Index blocks = (n + kThreads - 1) / kThreads;
  each_kernel<<<static_cast<unsigned>(blocks < kMost ? blocks : kMost), kThreads, 0, s->handle>>>(n, f);
  s->note(cudaPeekAtLastError(), "for_each");
#endif
}

// f(b, block) for b in [0, blocks), each by a block of `threads` (a multiple of 32, at most 1024) with
// `shared` floats of shared memory (at most 12288); f is a `[=] __device__(Index b, Block t)` lambda.
template <class F>
void for_blocks(DeviceStream* s, Index blocks, int threads, int shared, F f) {
  if (blocks <= 0) return;
#ifdef PYSEQ_CUDA_EMULATION
  s->handle->enqueue([=] {
    for (Index b = 0; b < blocks; ++b)
      emulation::run_block(threads, shared, [=](int thread, float* memory) {
        f(b, Block{thread, threads, memory});
      });
  });
  s->note(cudaPeekAtLastError(), "for_blocks");
#else
  constexpr Index kMost = 1 << 20;
  blocks_kernel<<<static_cast<unsigned>(blocks < kMost ? blocks : kMost), static_cast<unsigned>(threads),
                  static_cast<std::size_t>(shared) * sizeof(float), s->handle>>>(blocks, f);
  s->note(cudaPeekAtLastError(), "for_blocks");
#endif
}

// Threads for a reduction over `n` elements: whole warps, no more than there is work for.
inline int threads_for_row(Index n) {
  int t = 32;
  while (t < kThreads && t < n) t *= 2;
  return t;
}

inline void zero(DeviceStream* s, void* p, std::size_t bytes) {
  s->note(cudaMemsetAsync(p, 0, bytes, s->handle), "memset");
}
inline void copy(DeviceStream* s, void* to, const void* from, std::size_t bytes) {
  s->note(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, s->handle), "copy");
}

// An integer division by a number that kernels know ahead would be slow: indices are 64 bits wide.
// Splits i into coordinates of a shape, last axis fastest.
struct Coordinates {
  Index at[kMaxRank];
  __device__ Coordinates(const Shape& shape, Index i) {
    for (int k = shape.rank - 1; k >= 0; --k) {
      at[k] = i % shape.dim[k];
      i /= shape.dim[k];
    }
  }
};

}  // namespace cuda
}  // namespace pyseq
