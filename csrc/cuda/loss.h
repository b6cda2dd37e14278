#pragma once
// What losses and metrics share: the loop over loss rows. See kernels/loss_util.h.
#include "cuda/divide.h"
#include "cuda/rows.h"
#define PYSEQ_NS cuda
#include "kernels/loss_plan.h"

namespace pyseq::cuda {

inline constexpr float kLossEpsilon = 1e-7f;

// One loss row and the threads that share it: element k is at(k). sum and max are collective.
struct Line {
  Team team;
  Index row, begin, stride, first, size;

  // for (Index k = line.first; k < line.size; k += line.step())
  __device__ Index step() const { return team.lanes; }
  __device__ Index at(Index k) const { return begin + k * stride; }
  __device__ float sum(float v) const { return team.sum(v); }
  __device__ float max(float v) const { return team.max(v); }
  // One thread writes what the row has once.
  __device__ bool leads() const { return team.leads; }
};

template <class F>
struct LossRowKernel {
  F f;
  Index size, inner;
  Divider by_inner;

  __device__ void operator()(Index row, const Team& team) const {
    const Index outer = by_inner.quotient(row);
    f(Line{team, row, outer * size * inner + (row - outer * inner), inner, team.lane, team.n});
  }
};

// f(line) for all rows of n samples; f is a `[=] __device__(Line line)` lambda.
template <class F>
void for_loss_rows(const Run& r, const Axis& axis, F f) {
  const Index rows = r.n * axis.rows();
  // Rows beside each other: a thread for each, so that neighbours read neighbours.
  const int lanes = axis.inner > 1 ? 1 : lanes_for_row(rows, axis.size);
  for_rows(r.stream, rows, axis.size, lanes, LossRowKernel<F>{f, axis.size, axis.inner, Divider(axis.inner)});
}

// The mean (or sum) along the axis of term(p, y, g), which returns the value of one element and writes
// its derivative by p to *g.
template <class Term>
struct TermKernel {
  Term term;
  const float *p, *y, *scale;
  float *value, *dp;
  float each;

  __device__ void operator()(const Line& line) const {
    const float s = dp ? each * scale[line.row] : 0;
    float sum = 0;
    for (Index k = line.first; k < line.size; k += line.step()) {
      const Index i = line.at(k);
      float g = 0;
      sum += term(p[i], y[i], &g);
      if (dp) dp[i] = g * s;
    }
    sum = line.sum(sum);
    if (line.leads()) value[line.row] = each * sum;
  }
};

template <class Term>
void reduce_loss(const Run& r, const Axis& axis, bool mean, const Term& term) {
  const float each = mean ? static_cast<float>(1.0 / static_cast<double>(axis.size)) : 1.0f;
  for_loss_rows(r, axis, TermKernel<Term>{term, r.x(0), r.x(1), r.x(2), r.y(), r.dx(0), each});
}

__device__ inline float sign(float x) { return x > 0 ? 1.0f : x < 0 ? -1.0f : 0.0f; }
// x^a for x >= 0.
__device__ inline float power(float x, float a) {
  return a == 0 ? 1.0f : a == 1 ? x : a == 2 ? x * x : powf(x, a);
}

// A probability cut to [epsilon, 1 - epsilon], beyond which it has no gradient.
struct Clipped {
  float value;
  bool inside;
};
__device__ inline Clipped clip_probability(float p) {
  const float low = kLossEpsilon, high = 1 - kLossEpsilon;
  return {p < low ? low : p > high ? high : p, p >= low && p <= high};
}

// The class of a label, or -1.
__device__ inline Index known_class(float label, Index classes) {
  return label > -1 && label < static_cast<float>(classes) ? static_cast<Index>(label) : -1;
}

}  // namespace pyseq::cuda
