#pragma once
// Metrics that compare classes by their predictions along the last axis.
#include "kernels/loss_util.h"

namespace pyseq::PYSEQ_NS {
namespace {

// The first position of the largest element; a NaN counts as the largest, as in Keras.
PYSEQ_INLINE Index first_largest(const real* x, Index n) {
  Index best = 0;
  for (Index i = 0; i < n; ++i) {
    if (x[i] != x[i]) return i;
    if (x[i] > x[best]) best = i;
  }
  return best;
}

// Whether fewer than k predictions are above that of `label`.
PYSEQ_INLINE bool in_top(const real* x, Index n, real label, Index k) {
  if (!(label > -1 && label < static_cast<real>(n))) return false;
  const real own = x[static_cast<Index>(label)];
  if (own - own != 0) return false;
  Index above = 0;
  for (Index i = 0; i < n; ++i) {
    if (x[i] - x[i] != 0) return false;
    above += x[i] > own;
  }
  return above < k;
}

// value[row] = f(predictions, targets of the row) ? 1 : 0
template <class F>
PYSEQ_INLINE void count_rows(const Run& r, const Axis& axis, Index target_size, F&& f) {
  const real *p = r.x(0), *y = r.x(1);
  real* value = r.y();
  const Index size = axis.size;
  parallel_for(r.pool, r.n * axis.rows(), 1 + 16384 / (size + 1), [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i)
      value[i] = f(p + i * size, y + i * target_size, size) ? real(1) : real(0);
  });
}

}  // namespace
}  // namespace pyseq::PYSEQ_NS
