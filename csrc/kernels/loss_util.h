#pragma once
// What losses and metrics share: rows of a value along one axis, and the loops over them.
#include "kernels/loss_plan.h"
#include "kernels/simd.h"

namespace pyseq::PYSEQ_NS {

constexpr real kLossEpsilon = static_cast<real>(1e-7);

namespace {

// kLanes elements of one row beside each other.
struct AlongRow {
  Index size;

  // f(offset, lanes in use, index along the row)
  template <class F>
  PYSEQ_INLINE void each(F&& f) const {
    Index i = 0;
    VI k = lane_numbers();
    for (; i + kLanes <= size; i += kLanes, k += static_cast<Lane>(kLanes)) f(i, kLanes, k);
    if (i < size) f(i, static_cast<int>(size - i), k);
  }
  // Lanes that are not in use get `fill`.
  PYSEQ_INLINE V load(const real* p, int n, real fill = 0) const {
    if (n == kLanes) return pyseq::PYSEQ_NS::load(p);
    const V v = load_partial(p, n);
    return fill == 0 ? v : select(lane_numbers() < n, v, splat(fill));
  }
  PYSEQ_INLINE void store(real* p, V v, int n) const {
    if (n == kLanes) pyseq::PYSEQ_NS::store(p, v);
    else store_partial(p, v, n);
  }
  PYSEQ_INLINE V used(V v, int n) const {
    return n == kLanes ? v : select(lane_numbers() < n, v, V{});
  }
  PYSEQ_INLINE V sum(V v) const { return splat(horizontal_sum(v)); }
  PYSEQ_INLINE V max(V v) const { return splat(horizontal_max(v)); }
  // One number for each row.
  PYSEQ_INLINE V load_row(const real* p) const { return splat(*p); }
  PYSEQ_INLINE void store_row(real* p, V v) const { *p = v[0]; }
};

// One element of each of kLanes rows that lie beside each other.
struct AcrossRows {
  Index size, stride;
  int rows;

  template <class F>
  PYSEQ_INLINE void each(F&& f) const {
    VI k{};
    if (rows == kLanes)
      for (Index i = 0; i < size; ++i, k += 1) f(i * stride, kLanes, k);
    else
      for (Index i = 0; i < size; ++i, k += 1) f(i * stride, rows, k);
  }
  PYSEQ_INLINE V load(const real* p, int n, real = 0) const {
    return n == kLanes ? pyseq::PYSEQ_NS::load(p) : load_partial(p, n);
  }
  PYSEQ_INLINE void store(real* p, V v, int n) const {
    if (n == kLanes) pyseq::PYSEQ_NS::store(p, v);
    else store_partial(p, v, n);
  }
  PYSEQ_INLINE V used(V v, int) const { return v; }
  PYSEQ_INLINE V sum(V v) const { return v; }
  PYSEQ_INLINE V max(V v) const { return v; }
  PYSEQ_INLINE V load_row(const real* p) const { return load_partial(p, rows); }
  PYSEQ_INLINE void store_row(real* p, V v) const { store_partial(p, v, rows); }
};

// f(lines, offset of the first element, number of the first row) for all rows of n samples, where
// `lines` is an AlongRow or an AcrossRows.
template <class F>
PYSEQ_INLINE void for_rows(const Run& r, const Axis& axis, F&& f) {
  Index outer = r.n * axis.outer, inner = axis.inner;
  if (axis.size == 1) {  // every element is a row
    inner *= outer;
    outer = 1;
  }
  const Index size = axis.size, cost = size > 0 ? size : 1;
  if (inner == 1) {
    parallel_for(r.pool, outer, 1 + 8192 / cost, [&](Index begin, Index end, int) {
      for (Index row = begin; row < end; ++row) f(AlongRow{size}, row * size, row);
    });
    return;
  }
  const Index blocks = (inner + kLanes - 1) / kLanes;
  parallel_for(r.pool, outer * blocks, 1 + 8192 / (cost * kLanes),
               [&](Index begin, Index end, int) {
                 for (Index b = begin; b < end; ++b) {
                   const Index o = b / blocks, i = b % blocks * kLanes;
                   const int width = static_cast<int>(inner - i < kLanes ? inner - i : kLanes);
                   f(AcrossRows{size, inner, width}, o * size * inner + i, o * inner + i);
                 }
               });
}

// The mean (or sum) along the axis of term(p, y, g), which returns the value of one element and
// writes its derivative by p to *g unless g is null.
template <bool kGradient, class Term>
PYSEQ_INLINE void reduce_rows(const Run& r, const Axis& axis, bool mean, const Term& term) {
  const real *p = r.x(0), *y = r.x(1), *scale = r.x(2);
  real *value = r.y(), *dp = r.dx(0);
  const real each = mean ? static_cast<real>(1.0 / static_cast<double>(axis.size)) : real(1);
  for_rows(r, axis, [&](auto lines, Index at, Index row) {
    V sum{};
    const V s = kGradient ? each * lines.load_row(scale + row) : V{};
    lines.each([&](Index i, int n, VI) {
      V g{};
      const V v =
          term(lines.load(p + at + i, n), lines.load(y + at + i, n), kGradient ? &g : nullptr);
      sum += lines.used(v, n);
      if (kGradient) lines.store(dp + at + i, g * s, n);
    });
    lines.store_row(value + row, each * lines.sum(sum));
  });
}

template <class Term>
PYSEQ_INLINE void reduce_loss(const Run& r, const Axis& axis, bool mean, const Term& term) {
  if (r.dx(0)) reduce_rows<true>(r, axis, mean, term);
  else reduce_rows<false>(r, axis, mean, term);
}

PYSEQ_INLINE V sign_v(V x) { return select(x > 0, splat(1), select(x < 0, splat(-1), V{})); }
// x^a for x >= 0.
PYSEQ_INLINE V pow_v(V x, real a) {
  if (a == 0) return splat(1);
  if (a == 1) return x;
  if (a == 2) return x * x;
  if constexpr (!kFloat)
    return detail::per_lane(x, [a](double v) { return __builtin_pow(v, static_cast<double>(a)); });
  return select(x == 0, splat(a > 0 ? real(0) : static_cast<real>(__builtin_inf())),
                exp_v(a * log_v(x)));
}
// ln(1 + e^x)
PYSEQ_INLINE V softplus_v(V x) { return max_v(V{}, x) + log1p_v(exp_v(-abs_v(x))); }

// A probability cut to [epsilon, 1 - epsilon], beyond which it has no gradient.
struct Clipped {
  V value;
  VI inside;
};
PYSEQ_INLINE Clipped clip_probability(V p) {
  const real low = kLossEpsilon, high = 1 - kLossEpsilon;
  return {clamp_v(p, low, high), (p >= low) & (p <= high)};
}

}  // namespace
}  // namespace pyseq::PYSEQ_NS
