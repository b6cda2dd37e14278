#pragma once
// Losses that are a function of sum y p, sum y and sum p over some axes (dice, Tversky).
//
// Axes that take in the batch give one value for the whole batch. Every sample then reports it, so
// that the mean over all rows is the loss, or its share of it where attribute `reduction` is "sum";
// the gradient gets the scales of all samples.
#include "kernels/loss_util.h"
#include "kernels/overlap_plan.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr Index kOverlapBlock = 4096;

// Adds one sample to its sums: s[0..cells) of y p, then of y, then of p.
inline void sample_sums(const OverlapAxes& c, const real* p, const real* y, real* s) {
  const Index run = c.run(), runs = run > 0 ? c.size / run : 0;
  for (Index i = 0; i < 3 * c.cells; ++i) s[i] = 0;
  for (Index i = 0; i < runs; ++i, p += run, y += run) {
    real* at = s + c.cell_of_run(i);
    if (!c.run_is_one_cell()) {
      for (Index k = 0; k < run; ++k) {
        at[k] += p[k] * y[k];
        at[c.cells + k] += y[k];
        at[2 * c.cells + k] += p[k];
      }
      continue;
    }
    for (Index b = 0; b < run; b += kOverlapBlock) {
      const Index n = run - b < kOverlapBlock ? run - b : kOverlapBlock;
      V yp{}, sy{}, sp{};
      const auto one = [&](V q, V t) {
        yp += q * t;
        sy += t;
        sp += q;
      };
      Index k = 0;
      for (; k + kLanes <= n; k += kLanes) one(load(p + b + k), load(y + b + k));
      if (k < n) {
        const int rest = static_cast<int>(n - k);
        one(load_partial(p + b + k, rest), load_partial(y + b + k, rest));
      }
      at[0] += horizontal_sum(yp);
      at[c.cells] += horizontal_sum(sy);
      at[2 * c.cells] += horizontal_sum(sp);
    }
  }
}

// Replaces the first two sums of a cell by its derivatives times `scale`; returns the value.
template <class F>
PYSEQ_INLINE real settle(const OverlapAxes& c, const F& f, const Sums& sums, double scale,
                         real* s) {
  const Overlap o = f(sums);
  s[0] = static_cast<real>(o.slope_yp * scale);
  s[c.cells] = static_cast<real>(o.slope_p * scale);
  return static_cast<real>(o.value);
}

inline void sample_gradient(const OverlapAxes& c, const real* s, const real* y, real* dp) {
  const Index run = c.run(), runs = run > 0 ? c.size / run : 0;
  for (Index i = 0; i < runs; ++i, dp += run, y += run) {
    const real* at = s + c.cell_of_run(i);
    const real *a = at, *b = at + c.cells;
    if (c.run_is_one_cell())
      for (Index k = 0; k < run; ++k) dp[k] = a[0] * y[k] + b[0];
    else
      for (Index k = 0; k < run; ++k) dp[k] = a[k] * y[k] + b[k];
  }
}

template <class F>
PYSEQ_INLINE void overlap_loss(const Run& r, const F& f) {
  const OverlapAxes& c = r.config<OverlapAxes>();
  const real *p = r.x(0), *y = r.x(1), *scale = r.x(2);
  real *value = r.y(), *dp = r.dx(0), *sums = r.scratch(c.sums);
  const Index width = 3 * c.cells, grain = 1 + 16384 / (c.size + 1);
  parallel_for(r.pool, r.n, grain, [&](Index begin, Index end, int) {
    for (Index n = begin; n < end; ++n) {
      real* s = sums + n * width;
      sample_sums(c, p + n * c.size, y + n * c.size, s);
      for (Index k = 0; !c.batch && k < c.cells; ++k, ++s)
        value[n * c.cells + k] =
            settle(c, f, {s[0], s[c.cells], s[2 * c.cells]}, dp ? scale[n * c.cells + k] : 0, s);
    }
  });
  if (c.batch)
    parallel_for(r.pool, c.cells, 1 + 4096 / r.n, [&](Index begin, Index end, int) {
      for (Index k = begin; k < end; ++k) {
        Sums total{};
        double weight = 0;
        for (Index n = 0; n < r.n; ++n) {
          const real* s = sums + n * width + k;
          total.yp += static_cast<double>(s[0]);
          total.y += static_cast<double>(s[c.cells]);
          total.p += static_cast<double>(s[2 * c.cells]);
          if (dp) weight += static_cast<double>(scale[n * c.cells + k]);
        }
        const double share = c.sum ? 1 / static_cast<double>(r.n) : 1;
        const real v = settle(c, f, total, weight * share, sums + k) * static_cast<real>(share);
        for (Index n = 0; n < r.n; ++n) value[n * c.cells + k] = v;
      }
    });
  if (!dp) return;
  parallel_for(r.pool, r.n, grain, [&](Index begin, Index end, int) {
    for (Index n = begin; n < end; ++n)
      sample_gradient(c, sums + (c.batch ? 0 : n * width), y + n * c.size, dp + n * c.size);
  });
}

}  // namespace
}  // namespace pyseq::PYSEQ_NS
