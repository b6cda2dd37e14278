#pragma once
// Vectors of `real` as wide as this build's registers, in GCC/Clang vector extensions, and the
// elementary functions on them. Everything is inlined, so other kernels can fuse with it.
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {

// ref64 is compiled without ISA flags, so the wide branches only ever see float.
#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(real));
constexpr bool kFloat = sizeof(real) == 4;

typedef real V __attribute__((vector_size(kVectorBytes)));
template <int>
struct LaneOf;
template <>
struct LaneOf<4> {
  using type = std::int32_t;
  using unsigned_type = std::uint32_t;
};
template <>
struct LaneOf<8> {
  using type = std::int64_t;
  using unsigned_type = std::uint64_t;
};
typedef LaneOf<sizeof(real)>::type Lane;
typedef Lane VI
    __attribute__((vector_size(kVectorBytes)));  // comparisons give 0 or -1 in each lane
typedef LaneOf<sizeof(real)>::unsigned_type VU __attribute__((vector_size(kVectorBytes)));  // wraps
typedef real VMemory __attribute__((vector_size(kVectorBytes), aligned(alignof(real)), may_alias));

PYSEQ_INLINE V load(const real* p) { return *reinterpret_cast<const VMemory*>(p); }
PYSEQ_INLINE void store(real* p, V v) { *reinterpret_cast<VMemory*>(p) = v; }
// s - 0 rather than 0 + s: keeps -0.
PYSEQ_INLINE V splat(real s) { return s - V{}; }
PYSEQ_INLINE VI splat_int(Lane s) { return s - VI{}; }
PYSEQ_INLINE VI lane_numbers() {
  VI v{};
  for (int i = 0; i < kLanes; ++i) v[i] = i;
  return v;
}

// v, which the compiler may not read from memory again wherever it is used.
PYSEQ_INLINE V in_register(V v) {
#if defined(__AVX512F__)
  __asm__("" : "+v"(v));
#elif defined(__x86_64__)
  __asm__("" : "+x"(v));
#endif
  return v;
}

// The first n lanes (0 <= n <= kLanes) of memory that may end there; the others are 0.
PYSEQ_INLINE V load_partial(const real* p, int n) {
#if defined(__AVX512F__)
  // Masked moves have no vector-extension spelling, and every edge of a matrix needs them.
  return __builtin_ia32_loadups512_mask(p, V{}, static_cast<unsigned short>((1u << n) - 1));
#elif defined(__AVX2__)
  typedef real M __attribute__((vector_size(32)));
  return __builtin_ia32_maskloadps256(reinterpret_cast<const M*>(p), lane_numbers() < n);
#else
  V v{};
  for (int i = 0; i < kLanes; ++i)
    if (i < n) v[i] = p[i];
  return v;
#endif
}
PYSEQ_INLINE void store_partial(real* p, V v, int n) {
#if defined(__AVX512F__)
  __builtin_ia32_storeups512_mask(p, v, static_cast<unsigned short>((1u << n) - 1));
#elif defined(__AVX2__)
  // By halves: AMD's masked store takes dozens of instructions.
  if (n >= kLanes) return store(p, v);
  typedef real Half __attribute__((vector_size(16)));
  typedef real HalfMemory __attribute__((vector_size(16), aligned(4), may_alias));
  typedef double PairMemory __attribute__((aligned(4), may_alias));
  typedef double Pairs __attribute__((vector_size(16)));
  Half rest = __builtin_ia32_vextractf128_ps256(v, 0);
  if (n & 4) {
    *reinterpret_cast<HalfMemory*>(p) = rest;
    rest = __builtin_ia32_vextractf128_ps256(v, 1);
    p += 4;
  }
  if (n & 2) {
    const Pairs pairs = reinterpret_cast<Pairs>(rest);
    *reinterpret_cast<PairMemory*>(p) = pairs[0];
    rest = reinterpret_cast<Half>(Pairs{pairs[1], pairs[1]});
    p += 2;
  }
  if (n & 1) *p = rest[0];
#else
  for (int i = 0; i < kLanes; ++i)
    if (i < n) p[i] = v[i];
#endif
}

// y[i] = f(x[i]) over arrays; f maps V to V. y == x allowed.
template <class F>
PYSEQ_INLINE void map(const real* x, real* y, Index n, F&& f) {
  Index i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, f(load(x + i)));
  if (i < n) {
    const int rest = static_cast<int>(n - i);
    store_partial(y + i, f(load_partial(x + i, rest)), rest);
  }
}
// z[i] = f(x[i], y[i]); z may be x or y.
template <class F>
PYSEQ_INLINE void map2(const real* x, const real* y, real* z, Index n, F&& f) {
  Index i = 0;
  for (; i + kLanes <= n; i += kLanes) store(z + i, f(load(x + i), load(y + i)));
  if (i < n) {
    const int rest = static_cast<int>(n - i);
    store_partial(z + i, f(load_partial(x + i, rest), load_partial(y + i, rest)), rest);
  }
}

// Halves are added until one lane is left: one order on every machine of this width.
PYSEQ_INLINE real horizontal_sum(V v) {
  real s[kLanes];
  __builtin_memcpy(s, &v, sizeof v);
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) s[i] += s[i + half];
  return s[0];
}
PYSEQ_INLINE real horizontal_max(V v) {
  real s[kLanes];
  __builtin_memcpy(s, &v, sizeof v);
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) s[i] = s[i] > s[i + half] ? s[i] : s[i + half];
  return s[0];
}

#if defined(__AVX512F__)
// Lane l is lane index[l] of the 2 kLanes lanes of (a, b).
PYSEQ_INLINE V permute(V a, V b, VI index) {
#if defined(__clang__)
  return __builtin_ia32_vpermi2varps512(a, index, b);
#else
  return __builtin_shuffle(a, b, index);
#endif
}
#endif

PYSEQ_INLINE V select(VI mask, V a, V b) { return mask ? a : b; }
// The second operand is returned when one is NaN: put the value that may be NaN there.
PYSEQ_INLINE V max_v(V a, V b) { return a > b ? a : b; }
PYSEQ_INLINE V min_v(V a, V b) { return a < b ? a : b; }
PYSEQ_INLINE V clamp_v(V x, real low, real high) {
  return min_v(splat(high), max_v(splat(low), x));
}
PYSEQ_INLINE VI sign_bit() { return (VI)splat(real(-0.0)); }
PYSEQ_INLINE V abs_v(V x) { return (V)((VI)x & ~sign_bit()); }
PYSEQ_INLINE V copysign_v(V magnitude, V sign) {
  return (V)(((VI)magnitude & ~sign_bit()) | ((VI)sign & sign_bit()));
}
PYSEQ_INLINE V sqrt_v(V x) {
#if defined(__AVX512F__) && !defined(__clang__)
  return __builtin_ia32_sqrtps512_mask(x, V{}, static_cast<unsigned short>(-1), 4);
#elif defined(__AVX2__) && !defined(__clang__)
  return __builtin_ia32_sqrtps256(x);
#else
  for (int i = 0; i < kLanes; ++i)
    x[i] = kFloat ? static_cast<real>(__builtin_sqrtf(static_cast<float>(x[i])))
                  : static_cast<real>(__builtin_sqrt(x[i]));
  return x;
#endif
}

namespace detail {
// Per lane through libm: the reference build, where accuracy is all that counts.
template <class F>
PYSEQ_INLINE V per_lane(V x, F f) {
  V y;
  for (int i = 0; i < kLanes; ++i) y[i] = static_cast<real>(f(static_cast<double>(x[i])));
  return y;
}

template <int N>
PYSEQ_INLINE V polynomial(V x, const float (&c)[N]) {
  V y = splat(c[N - 1]);
  for (int i = N - 2; i >= 0; --i) y = y * x + splat(c[i]);
  return y;
}

// ln 2 in two parts; k * kLn2High is exact for |k| < 2^9.
constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer

// e^r - 1 = r + r^2 P(r) for |r| <= ln2/2; minimax, relative error 2^-32.
PYSEQ_INLINE V expm1_reduced(V r) {
  constexpr float c[] = {0.5f,           0.1666666567f,  0.0416663624f,
                         0.00833338965f, 0.00139406277f, 0.000198458773f};
  return r * r * polynomial(r, c) + r;
}
PYSEQ_INLINE V power_of_two(VI n) { return (V)(((VU)n + 127) << 23); }
}  // namespace detail

PYSEQ_INLINE V exp_v(V x) {
  if constexpr (!kFloat) return detail::per_lane(x, [](double v) { return __builtin_exp(v); });
  x = clamp_v(x, -104, 89);
  const V shifted = x * splat(1.44269504f) + splat(detail::kRound);
  const V k = shifted - splat(detail::kRound);
  const VI n = (VI)((VU)shifted - (VU)splat(detail::kRound));
  const V r = (x - k * splat(detail::kLn2High)) - k * splat(detail::kLn2Low);
  const V p = detail::expm1_reduced(r) + 1;
  // Two factors reach denormals and infinity.
  const VI half = n >> 1;
  return p * detail::power_of_two(half) * detail::power_of_two(n - half);
}

// e^x - 1 without cancellation near 0; x above 88 counts as 88.
PYSEQ_INLINE V expm1_v(V x) {
  if constexpr (!kFloat) return detail::per_lane(x, [](double v) { return __builtin_expm1(v); });
  x = clamp_v(x, -80, 88);
  const V shifted = x * splat(1.44269504f) + splat(detail::kRound);
  const V k = shifted - splat(detail::kRound);
  const VI n = (VI)((VU)shifted - (VU)splat(detail::kRound));
  const V r = (x - k * splat(detail::kLn2High)) - k * splat(detail::kLn2Low);
  const V scale = detail::power_of_two(n);
  return scale * detail::expm1_reduced(r) + (scale - 1);
}

// -inf at 0, NaN below.
PYSEQ_INLINE V log_v(V x) {
  if constexpr (!kFloat) return detail::per_lane(x, [](double v) { return __builtin_log(v); });
  constexpr float c[] = {0.333333105f,  -0.249999866f, 0.200022265f,  -0.16669251f, 0.142186582f,
                         -0.123843484f, 0.118729763f,  -0.117898077f, 0.0691536814f};
  const VI denormal = x < 1.17549435e-38f;
  const V scaled = select(denormal, x * 8388608.0f, x);
  // Exponent and mantissa with the mantissa in [sqrt 1/2, sqrt 2).
  const VI offset = (VI)((VU)scaled - 0x3f3504f3u);
  const VI e = offset >> 23;
  const V f = (V)((offset & 0x7fffff) + 0x3f3504f3) - 1;
  const V k = __builtin_convertvector(e, V) - (V)((VI)splat(23) & denormal);
  const V f2 = f * f;
  V y = f2 * f * detail::polynomial(f, c) + k * splat(detail::kLn2Low);
  y = y - splat(0.5f) * f2;
  y = (f + y) + k * splat(detail::kLn2High);
  y = select(x < splat(static_cast<real>(__builtin_inff())), y, x);  // inf and NaN
  y = select(x == 0, splat(static_cast<real>(-__builtin_inff())), y);
  return select(x < 0, splat(static_cast<real>(__builtin_nanf(""))), y);
}

// log(1 + x), x >= 0: the rounding error of 1 + x is put back to first order.
PYSEQ_INLINE V log1p_v(V x) {
  if constexpr (!kFloat) return detail::per_lane(x, [](double v) { return __builtin_log1p(v); });
  const V w = 1 + x;
  const V y = log_v(w) + (x - (w - 1)) / w;
  return select(x < splat(static_cast<real>(__builtin_inff())), y, x);
}

PYSEQ_INLINE V tanh_v(V x) {
  if constexpr (!kFloat) return detail::per_lane(x, [](double v) { return __builtin_tanh(v); });
  const V e = expm1_v(min_v(splat(40), 2 * abs_v(x)));
  return copysign_v(e / (e + 2), x);
}

PYSEQ_INLINE V sigmoid_v(V x) { return 1 / (1 + exp_v(-x)); }

PYSEQ_INLINE V erf_v(V x) {
  if constexpr (!kFloat) return detail::per_lane(x, [](double v) { return __builtin_erf(v); });
  // x + x P(x^2) below 0.92; above, 1 - exp(-Q(|x|)) with Q fitted to -log erfc. Minimax fits.
  constexpr float p[] = {0.128379166f,   -0.376126349f,    0.112837017f,  -0.0268597007f,
                         0.00520171272f, -0.000814976986f, 8.39764034e-5f};
  constexpr float q[] = {-0.000169205131f, 1.12948835f,   0.633400857f,     0.108220384f,
                         -0.0250806157f,   0.0041562547f, -0.000431394357f, 2.08286183e-5f};
  const V z = x * x, a = abs_v(x);
  const V small = x + x * detail::polynomial(z, p);
  const V t = min_v(splat(4), a);
  const V large = copysign_v(1 - exp_v(-detail::polynomial(t, q)), x);
  return select(a < splat(0.92f), small, large);
}

}  // namespace pyseq::PYSEQ_NS
