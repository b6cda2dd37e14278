#pragma once
// Sums over many elements in doubles, in an order that does not change: blocks sum parts, one block
// the parts.
#include "cuda/cuda.h"

namespace pyseq::cuda {

inline constexpr Index kPart = 8192, kMostParts = 1024;

// Room for what the kernels of one call tell each other; cuBLAS uses it between them.
inline double* partial_sums(DeviceStream* s) { return static_cast<double*>(s->workspace); }
// After the parts of a total.
inline double* results(DeviceStream* s) { return partial_sums(s) + kMostParts; }

template <class F, class Finish>
struct TotalKernel {
  Index n, each;
  F f;
  Finish finish;
  double* parts;  // null: one block does it all

  __device__ void operator()(Index b, const Block& t) const {
    const Index begin = b * each, end = begin + each < n ? begin + each : n;
    double sum = 0;
    for (Index i = begin + t.thread; i < end; i += t.threads) sum += f(i);
    sum = t.sum(sum);
    if (t.thread != 0) return;
    if (parts) parts[b] = sum;
    else finish(sum);
  }
};

template <class Finish>
struct FinishKernel {
  Index count;
  Finish finish;
  const double* parts;

  __device__ void operator()(Index, const Block& t) const {
    double sum = 0;
    for (Index i = t.thread; i < count; i += t.threads) sum += parts[i];
    sum = t.sum(sum);
    if (t.thread == 0) finish(sum);
  }
};

// finish(sum of f(i) for i in [0, n)), by one thread. f: `[=] __device__(Index i) -> double`, called
// once for each i, so that it may write too; finish: `[=] __device__(double sum)`.
template <class F, class Finish>
void total(DeviceStream* s, Index n, F f, Finish finish) {
  Index each = (n + kMostParts - 1) / kMostParts;
  if (each < kPart) each = kPart;
  const Index parts = n > 0 ? (n + each - 1) / each : 1;
  double* const room = parts > 1 ? partial_sums(s) : nullptr;
  for_blocks(s, parts, threads_for_row(n < each ? n : each), 0,
             TotalKernel<F, Finish>{n, each, f, finish, room});
  if (room) for_blocks(s, 1, kThreads, 0, FinishKernel<Finish>{parts, finish, room});
}

}  // namespace pyseq::cuda
