// What happens to gradients before an update and to averages after it; see core/update.cpp.
#include "cuda/step.h"
#include "cuda/total.h"
#include "cuda/update.h"

namespace pyseq::cuda {
namespace {

struct SquaresKernel {
  DeviceUpdates u;
  double* squares;  // of each part

  __device__ void operator()(Index b, const Block& t) const {
    const Part part(u, b);
    const float* g = u.device_segments[part.segment].g;
    double sum = 0;
    for (Index i = part.begin + t.thread; i < part.end; i += t.threads)
      sum += static_cast<double>(g[i]) * static_cast<double>(g[i]);
    sum = t.sum(sum);
    if (t.thread == 0) squares[b] = sum;
  }
};

__device__ inline double limited(double norm, double limit) { return norm > limit ? limit / norm : 1; }

}  // namespace

void find_non_finite(DeviceStream* s, const float* g, Index n, int* skip) {
  for_each(s, n, [=] __device__(Index i) {
    if (!isfinite(g[i])) *skip = 1;
  });
}

void clip_norms(DeviceStream* s, const DeviceUpdates& u, double each, double together, double* scale) {
  const Index count = u.count, all = parts(u);
  double* const squares = partial_sums(s);
  for_blocks(s, all, kThreads, 0, SquaresKernel{u, squares});
  const DevicePiece* pieces = u.pieces;
  const double grad_scale = u.grad_scale;
  for_blocks(s, count, kThreads, 0, [=] __device__(Index b, Block t) {
    double sum = 0;
    for (Index i = t.thread; i < all; i += t.threads)
      if (pieces[i / kPieceParts].segment == b) sum += squares[i];
    sum = t.sum(sum);
    if (t.thread == 0) scale[b] = sqrt(sum) * grad_scale;
  });
  // The norms become factors.
  if (together <= 0) {
    for_each(s, count, [=] __device__(Index i) { scale[i] = limited(scale[i], each); });
    return;
  }
  for_blocks(s, 1, kThreads, 0, [=] __device__(Index, Block t) {
    double sum = 0;
    for (Index i = t.thread; i < count; i += t.threads) sum += scale[i] * scale[i];
    const double factor = limited(sqrt(t.sum(sum)), together);
    for (Index i = t.thread; i < count; i += t.threads) scale[i] = factor;
  });
}

void accumulate(DeviceStream* s, const DeviceUpdates& u, const float* g, float* a, Index n) {
  const int* skip = u.skip;
  for_each(s, n, [=] __device__(Index i) {
    if (!skip || *skip == 0) a[i] += g[i];
  });
}

void reset_accumulator(DeviceStream* s, const DeviceUpdates& u, float* a, Index n) {
  for_each(s, n, [=] __device__(Index i) {
    if (updates_now(u)) a[i] = 0;
  });
}

void average(DeviceStream* s, const DeviceUpdates& u, double momentum, Index overwrite, float* w, float* a,
             Index n) {
  for_each(s, n, [=] __device__(Index i) {
    if (u.skip && *u.skip != 0) return;
    const Index t = u.state->iteration / u.accumulation_steps;
    const float keep = static_cast<float>(momentum), rest = static_cast<float>(1 - momentum);
    // The first average is the variable itself, whatever the storage holds.
    const float v = t == 0 ? w[i] : keep * a[i] + rest * w[i];
    a[i] = v;
    if (overwrite > 0 && (t + 1) % overwrite == 0) w[i] = v;
  });
}

}  // namespace pyseq::cuda
