#pragma once
// sigmoid and tanh for the gates of recurrent layers: a few 1e-7 of the value, faster than the ones
// in simd.h, which are also exact in the far tails.
#include "kernels/simd.h"

namespace pyseq::PYSEQ_NS {

// 1 / x for x in [1, 1e37].
PYSEQ_INLINE V gate_reciprocal(V x) {
#if defined(__AVX512F__)
  // 14 bits and one Newton step: a division of 16 lanes blocks its unit for ten cycles or more.
  const V r = __builtin_ia32_rcp14ps512_mask(x, V{}, static_cast<unsigned short>(-1));
  return r * (2 - x * r);
#else
  return 1 / x;
#endif
}

// x = n ln 2 + r; `power` is 2^n, `small` is e^r - 1. |x| <= 86, so that 2^n is a normal number.
PYSEQ_INLINE void gate_exp_parts(V x, V& power, V& small) {
  const V shifted = x * splat(1.44269504f) + splat(detail::kRound);
  const V n = shifted - splat(detail::kRound);
  small = detail::expm1_reduced(x - n * splat(0.693147181f));
  // The low bits of `shifted` are n.
  power = (V)(((VI)shifted << 23) + (VI)splat(1));
}

PYSEQ_INLINE V gate_sigmoid(V x) {
  if constexpr (!kFloat) return sigmoid_v(x);
  V power, small;
  gate_exp_parts(clamp_v(-x, -86, 86), power, small);
  return gate_reciprocal(1 + (power + power * small));
}

PYSEQ_INLINE V gate_tanh(V x) {
  if constexpr (!kFloat) return tanh_v(x);
  V power, small;
  gate_exp_parts(2 * clamp_v(x, -10, 10), power, small);
  const V e = power * small + (power - 1);
  return min_v(splat(1), max_v(splat(-1), e * gate_reciprocal(e + 2)));
}

}  // namespace pyseq::PYSEQ_NS
