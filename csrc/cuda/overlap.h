#pragma once
// Losses that are a function of sum y p, sum y and sum p over some axes; see kernels/overlap.h.
#include "cuda/loss.h"
#include "kernels/overlap_plan.h"

namespace pyseq::cuda {
namespace {

// Of a sample: where element i of cell k lies, and the cell of an element.
struct Cells {
  OverlapAxes c;
  Strided kept, reduced;
  Index each;  // elements of a cell

  explicit Cells(const OverlapAxes& axes) : c(axes) {
    Index dim[2][kMaxRank + 1], stride[2][kMaxRank + 1], at = 1;
    int ranks[2] = {};
    each = 1;
    for (int k = c.rank - 1; k >= 0; --k) {
      const int kind = c.cell[k] == 0;
      // Last axis first here; turned around below.
      dim[kind][ranks[kind]] = c.dim[k];
      stride[kind][ranks[kind]++] = at;
      at *= c.dim[k];
      if (kind) each *= c.dim[k];
    }
    for (int kind = 0; kind < 2; ++kind)
      for (int i = 0, j = ranks[kind] - 1; i < j; ++i, --j) {
        const Index d = dim[kind][i], s = stride[kind][i];
        dim[kind][i] = dim[kind][j], stride[kind][i] = stride[kind][j];
        dim[kind][j] = d, stride[kind][j] = s;
      }
    kept = strided(ranks[0], dim[0], stride[0], 0);
    reduced = strided(ranks[1], dim[1], stride[1], 0);
  }
};

// Replaces the first two sums of a cell by its derivatives times `scale`; returns the value.
template <class F>
__device__ inline float settle(const OverlapAxes& c, const F& f, const Sums& sums, double scale, float* s) {
  const Overlap o = f(sums);
  s[0] = static_cast<float>(o.slope_yp * scale);
  s[c.cells] = static_cast<float>(o.slope_p * scale);
  return static_cast<float>(o.value);
}

// The sums of one cell of one sample, and what follows from them alone.
template <class F>
struct SampleKernel {
  F f;
  Cells cells;
  const float *p, *y, *scale;
  float *value, *sums;
  bool gradient;

  __device__ void operator()(Index row, const Team& team) const {
    const OverlapAxes& c = cells.c;
    const Index n = row / c.cells, k = row - n * c.cells, base = n * c.size + cells.kept.at(k);
    float yp = 0, sy = 0, sp = 0;
    for (Index i = team.lane; i < team.n; i += team.lanes) {
      const Index at = base + cells.reduced.at(i);
      yp += p[at] * y[at];
      sy += y[at];
      sp += p[at];
    }
    yp = team.sum(yp), sy = team.sum(sy), sp = team.sum(sp);
    if (!team.leads) return;
    float* s = sums + n * 3 * c.cells + k;
    s[0] = yp, s[c.cells] = sy, s[2 * c.cells] = sp;
    if (c.batch) return;
    value[row] = settle(c, f, {static_cast<double>(yp), static_cast<double>(sy), static_cast<double>(sp)},
                        gradient ? static_cast<double>(scale[row]) : 0, s);
  }
};

// One cell of the whole batch.
template <class F>
struct BatchKernel {
  F f;
  OverlapAxes c;
  Index samples;
  const float* scale;
  float *value, *sums;
  bool gradient;

  __device__ void operator()(Index k, const Block& t) const {
    Sums total{0, 0, 0};
    double weight = 0;
    for (Index n = t.thread; n < samples; n += t.threads) {
      const float* s = sums + n * 3 * c.cells + k;
      total.yp += static_cast<double>(s[0]);
      total.y += static_cast<double>(s[c.cells]);
      total.p += static_cast<double>(s[2 * c.cells]);
      if (gradient) weight += static_cast<double>(scale[n * c.cells + k]);
    }
    total = {t.sum(total.yp), t.sum(total.y), t.sum(total.p)};
    weight = t.sum(weight);
    const double share = c.sum ? 1 / static_cast<double>(samples) : 1;
    const float v = static_cast<float>(static_cast<double>(static_cast<float>(f(total).value)) * share);
    if (t.thread == 0) settle(c, f, total, weight * share, sums + k);
    for (Index n = t.thread; n < samples; n += t.threads) value[n * c.cells + k] = v;
  }
};

template <class F>
void overlap_loss(const Run& r, const OverlapAxes& axes, const F& f) {
  const OverlapAxes c = axes;
  const Cells cells(c);
  const float *p = r.x(0), *y = r.x(1), *scale = r.x(2);
  float *dp = r.dx(0), *sums = r.scratch(c.sums);
  const bool gradient = dp != nullptr;
  for_rows(r.stream, r.n * c.cells, cells.each,
           SampleKernel<F>{f, cells, p, y, scale, r.y(), sums, gradient});
  if (c.batch)
    for_blocks(r.stream, c.cells, threads_for_row(r.n), 0,
               BatchKernel<F>{f, c, r.n, scale, r.y(), sums, gradient});
  if (!dp) return;
  const Divider by_size(c.size), by_run(c.run());
  for_each(r.stream, r.n * c.size, [=] __device__(Index i) {
    const Index n = by_size.quotient(i), at = i - n * c.size, run = by_run.quotient(at);
    const float* s = sums + (c.batch ? 0 : n * 3 * c.cells) + c.cell_of_run(run);
    if (!c.run_is_one_cell()) s += at - run * c.run();
    dp[i] = s[0] * y[i] + s[c.cells];
  });
}

}  // namespace
}  // namespace pyseq::cuda
