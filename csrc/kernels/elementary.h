#pragma once
// Elementary functions on vectors beyond those of simd.h: rounding, trigonometric and hyperbolic
// functions and their inverses. Polynomials after Moshier's Cephes; a few ulp in float.
#include "kernels/simd.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr real kInfinity = static_cast<real>(__builtin_inff());
constexpr real kNaN = static_cast<real>(__builtin_nanf(""));

PYSEQ_INLINE V sign_of(V x) {
  // NaN stays NaN, as in NumPy.
  return select(x > 0, splat(1), select(x < 0, splat(-1), select(x == 0, V{}, x)));
}
PYSEQ_INLINE V flag(VI mask) { return select(mask, splat(1), V{}); }
// Lane l is lane l ^ bit.
PYSEQ_INLINE V across(V v, int bit) {
#if defined(__clang__)
  V w;
  for (int i = 0; i < kLanes; ++i) w[i] = v[i ^ bit];
  return w;
#else
  return __builtin_shuffle(v, lane_numbers() ^ bit);
#endif
}

// Half to even: adding a large number leaves no room for a fraction.
PYSEQ_INLINE V round_v(V x) {
  const V large = splat(kFloat ? real(8388608) : static_cast<real>(4503599627370496.0));
  const V a = abs_v(x);
  return select(a < large, copysign_v((a + large) - large, x), x);
}
PYSEQ_INLINE V floor_v(V x) {
  const V r = round_v(x);
  return select(r > x, r - 1, r);
}
PYSEQ_INLINE V ceil_v(V x) {
  const V r = round_v(x);
  return select(r < x, copysign_v(r + 1, x), r);
}
PYSEQ_INLINE V trunc_v(V x) { return copysign_v(floor_v(abs_v(x)), x); }

PYSEQ_INLINE V log1p_any(V x) {
  if constexpr (!kFloat) return detail::per_lane(x, [](double v) { return __builtin_log1p(v); });
  return select(x == -1, splat(-kInfinity), log1p_v(x));
}

struct SinCos {
  V sin, cos;
};
PYSEQ_INLINE SinCos sincos_v(V x) {
  const auto libm = [](V v) {
    return SinCos{detail::per_lane(v, [](double u) { return __builtin_sin(u); }),
                  detail::per_lane(v, [](double u) { return __builtin_cos(u); })};
  };
  if constexpr (!kFloat) return libm(x);
  // pi/2 in three parts: multiples of the first two are exact while |x| < 8192.
  const V k = round_v(x * splat(0.636619772f));
  const V r = ((x - k * splat(1.5703125f)) - k * splat(4.83751297e-4f)) - k * splat(7.54978995e-8f);
  constexpr float s[] = {-1.6666654611e-1f, 8.3321608736e-3f, -1.9515295891e-4f};
  constexpr float c[] = {4.166664568298827e-2f, -1.388731625493765e-3f, 2.443315711809948e-5f};
  const V z = r * r;
  const V sine = r + r * z * detail::polynomial(z, s);
  const V cosine = (1 - splat(0.5f) * z) + z * z * detail::polynomial(z, c);
  const VI small = abs_v(x) < 8192;
  const VI quarter = __builtin_convertvector(select(small, k, V{}), VI);
  const VI odd = (quarter & 1) != 0;
  const V a = select(odd, cosine, sine), b = select(odd, sine, cosine);
  SinCos y{select((quarter & 2) != 0, -a, a), select(((quarter + 1) & 2) != 0, -b, b)};
  bool all = true;
  for (int i = 0; i < kLanes; ++i) all = all && small[i];
  if (all) return y;
  const SinCos far = libm(x);
  return {select(small, y.sin, far.sin), select(small, y.cos, far.cos)};
}
PYSEQ_INLINE V tan_v(V x) {
  if constexpr (!kFloat) return detail::per_lane(x, [](double v) { return __builtin_tan(v); });
  const SinCos y = sincos_v(x);
  return y.sin / y.cos;
}

PYSEQ_INLINE V arctan_v(V x) {
  if constexpr (!kFloat) return detail::per_lane(x, [](double v) { return __builtin_atan(v); });
  constexpr float c[] = {-3.33329491539e-1f, 1.99777106478e-1f, -1.38776856032e-1f,
                         8.05374449538e-2f};
  const V a = abs_v(x);
  const VI far = a > 2.414213562f, middle = a > 0.4142135624f;
  const V t = select(far, -1 / a, select(middle, (a - 1) / (a + 1), a));
  const V from = select(far, splat(1.5707963268f), select(middle, splat(0.7853981634f), V{}));
  const V z = t * t;
  return copysign_v(from + (t + t * z * detail::polynomial(z, c)), x);
}

// arcsin t = t + t P(t^2) for t <= 1/2.
PYSEQ_INLINE V arcsin_small(V t) {
  constexpr float c[] = {1.6666752422e-1f, 7.4953002686e-2f, 4.5470025998e-2f, 2.4181311049e-2f,
                         4.2163199048e-2f};
  const V z = t * t;
  return t + t * z * detail::polynomial(z, c);
}
PYSEQ_INLINE V arcsin_v(V x) {
  if constexpr (!kFloat) return detail::per_lane(x, [](double v) { return __builtin_asin(v); });
  const V a = abs_v(x);
  const VI large = a > 0.5f;
  const V y = arcsin_small(select(large, sqrt_v(splat(0.5f) * (1 - a)), a));
  return copysign_v(select(large, splat(1.5707963268f) - 2 * y, y), x);
}
PYSEQ_INLINE V arccos_v(V x) {
  if constexpr (!kFloat) return detail::per_lane(x, [](double v) { return __builtin_acos(v); });
  const V a = abs_v(x);
  const VI large = a > 0.5f;
  const V y = arcsin_small(select(large, sqrt_v(splat(0.5f) * (1 - a)), x));
  const V far = select(x < 0, splat(3.1415926536f) - 2 * y, 2 * y);
  return select(large, far, splat(1.5707963268f) - y);
}

PYSEQ_INLINE V sinh_v(V x) {
  if constexpr (!kFloat) return detail::per_lane(x, [](double v) { return __builtin_sinh(v); });
  const V a = abs_v(x), t = expm1_v(a), half = exp_v(splat(0.5f) * a);
  const V y = select(a > 80, (splat(0.5f) * half) * half, splat(0.5f) * (t + t / (t + 1)));
  return copysign_v(select(x == x, y, x), x);
}
PYSEQ_INLINE V cosh_v(V x) {
  if constexpr (!kFloat) return detail::per_lane(x, [](double v) { return __builtin_cosh(v); });
  const V half = exp_v(splat(0.5f) * abs_v(x));
  const V y = (splat(0.5f) * half) * half;
  return y + splat(0.25f) / y;
}

constexpr float kLn2 = 0.69314718f;
constexpr float kSquareIsHuge = 1e9f;  // x^2 + 1 = x^2, long before x^2 overflows

PYSEQ_INLINE V arcsinh_v(V x) {
  if constexpr (!kFloat) return detail::per_lane(x, [](double v) { return __builtin_asinh(v); });
  const V a = abs_v(x), near = min_v(splat(kSquareIsHuge), a), z = near * near;
  const V y = log1p_v(near + z / (1 + sqrt_v(z + 1)));
  return copysign_v(select(a < kSquareIsHuge, y, log_v(a) + kLn2), x);
}
PYSEQ_INLINE V arccosh_v(V x) {
  if constexpr (!kFloat) return detail::per_lane(x, [](double v) { return __builtin_acosh(v); });
  const V t = min_v(splat(kSquareIsHuge), x - 1);
  const V y = select(x < kSquareIsHuge, log1p_v(t + sqrt_v(t * (t + 2))), log_v(x) + kLn2);
  return select(x < 1, splat(kNaN), y);
}
PYSEQ_INLINE V arctanh_v(V x) {
  if constexpr (!kFloat) return detail::per_lane(x, [](double v) { return __builtin_atanh(v); });
  const V a = abs_v(x);
  return copysign_v(splat(0.5f) * log1p_any((a + a) / (1 - a)), x);
}

// Giles, "Approximating the erfinv function", GPU Computing Gems, 2010.
PYSEQ_INLINE double erfinv_start(double x) {
  constexpr double c[] = {1.50140941, 0.246640727, -0.00417768164, -0.00125372503, 0.00021858087,
                          -4.39150654e-06, -3.5233877e-06, 3.43273939e-07, 2.81022636e-08};
  constexpr double t[] = {2.83297682, 1.00167406, 0.00943887047, -0.0076224613, 0.00573950773,
                          -0.00367342844, 0.00134934322, 0.000100950558, -0.000200214257};
  const double w = -__builtin_log((1 - x) * (1 + x));
  const bool center = w < 5;
  const double u = center ? w - 2.5 : __builtin_sqrt(w) - 3;
  double p = center ? c[8] : t[8];
  for (int i = 8; i-- > 0;) p = p * u + (center ? c[i] : t[i]);
  return p * x;
}
// The same, brought to double precision by Halley's method on erfc, which has no cancellation.
PYSEQ_INLINE double erfinv_exact(double x) {
  const double a = x < 0 ? -x : x;
  if (!(a < 1)) return a == 1 ? x * static_cast<double>(kInfinity) : static_cast<double>(kNaN);
  double y = erfinv_start(a);
  for (int step = 0; step < 4; ++step) {
    const double error = a > 0.5 ? (1 - a) - __builtin_erfc(y) : __builtin_erf(y) - a;
    const double u = error / (1.1283791670955126 * __builtin_exp(-y * y));
    y -= u / (1 + y * u);
  }
  return x < 0 ? -y : y;
}
PYSEQ_INLINE V erfinv_v(V x) {
  if constexpr (!kFloat) return detail::per_lane(x, [](double v) { return erfinv_exact(v); });
  constexpr float c[] = {1.50140941f,     0.246640727f,   -0.00417768164f,
                         -0.00125372503f, 0.00021858087f, -4.39150654e-06f,
                         -3.5233877e-06f, 3.43273939e-07f, 2.81022636e-08f};
  constexpr float t[] = {2.83297682f,     1.00167406f,    0.00943887047f,
                         -0.0076224613f,  0.00573950773f, -0.00367342844f,
                         0.00134934322f,  0.000100950558f, -0.000200214257f};
  const V w = -log_v((1 - x) * (1 + x));
  const V center = detail::polynomial(w - splat(2.5f), c);
  const V tail = detail::polynomial(sqrt_v(w) - 3, t);
  const V y = select(w < 5, center, tail) * x;
  return select(abs_v(x) == 1, copysign_v(splat(kInfinity), x), y);
}

}  // namespace
}  // namespace pyseq::PYSEQ_NS
