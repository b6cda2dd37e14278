#include "kernels/elementwise.h"

namespace pyseq::PYSEQ_NS {
namespace {
constexpr Index kChunk = 16384;
}

void add(Pool* pool, const void* src, void* dst, Index n) {
  const real* s = static_cast<const real*>(src);
  real* d = static_cast<real*>(dst);
  parallel_for(pool, n, kChunk, [&](Index b, Index e, int) {
    for (Index i = b; i < e; ++i) d[i] += s[i];
  });
}

void blend(Pool* pool, const void* src, void* dst, Index n, double a, double b) {
  const real* s = static_cast<const real*>(src);
  real* d = static_cast<real*>(dst);
  const real ra = static_cast<real>(a), rb = static_cast<real>(b);
  // The first average must not keep a NaN of uninitialised storage.
  if (a == 0) {
    parallel_for(pool, n, kChunk, [&](Index begin, Index end, int) {
      for (Index i = begin; i < end; ++i) d[i] = rb * s[i];
    });
    return;
  }
  parallel_for(pool, n, kChunk, [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) d[i] = ra * d[i] + rb * s[i];
  });
}

double sum_squares(Pool* pool, const void* x, Index n, double* partial) {
  const real* v = static_cast<const real*>(x);
  const Index chunks = (n + kChunk - 1) / kChunk;
  parallel_for(pool, chunks, 1, [&](Index b, Index e, int) {
    for (Index c = b; c < e; ++c) {
      const Index end = (c + 1) * kChunk < n ? (c + 1) * kChunk : n;
      double sum[8] = {};
      Index i = c * kChunk;
      for (; i + 8 <= end; i += 8)
        for (int k = 0; k < 8; ++k) sum[k] += static_cast<double>(v[i + k]) * v[i + k];
      for (; i < end; ++i) sum[0] += static_cast<double>(v[i]) * v[i];
      partial[c] = ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
    }
  });
  double total = 0;
  for (Index c = 0; c < chunks; ++c) total += partial[c];
  return total;
}

bool all_finite(Pool*, const void* x, Index n) {
  const real* v = static_cast<const real*>(x);
  // x - x is 0 for a finite x and NaN otherwise.
  for (Index i = 0; i < n; ++i)
    if (!(v[i] - v[i] == 0)) return false;
  return true;
}

}  // namespace pyseq::PYSEQ_NS
