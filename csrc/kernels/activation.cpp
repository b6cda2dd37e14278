#include "kernels/activation.h"

#include "kernels/simd.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr double kInfinity = __builtin_inf();

struct Entry {
  const char* name;
  int kind;
  double a, b, c;  // defaults
};
constexpr Entry kEntries[] = {
    {"linear", kLinear, 0, 0, 0},
    {"relu", kRelu, 0, kInfinity, 0},
    {"relu6", kRelu, 0, 6, 0},
    {"leaky_relu", kLeakyRelu, 0.2, 0, 0},
    {"elu", kElu, 1, 0, 0},
    {"celu", kCelu, 1, 0, 0},
    {"selu", kSelu, 0, 0, 0},
    {"exponential", kExponential, 0, 0, 0},
    {"gelu", kGelu, 0, 0, 0},
    {"sigmoid", kSigmoid, 0, 0, 0},
    {"hard_sigmoid", kHardSigmoid, 0, 0, 0},
    {"silu", kSilu, 0, 0, 0},
    {"swish", kSilu, 0, 0, 0},
    {"hard_silu", kHardSilu, 0, 0, 0},
    {"hard_swish", kHardSilu, 0, 0, 0},
    {"hard_tanh", kHardTanh, 0, 0, 0},
    {"hard_shrink", kHardShrink, 0.5, 0, 0},
    {"soft_shrink", kSoftShrink, 0.5, 0, 0},
    {"tanh", kTanh, 0, 0, 0},
    {"tanh_shrink", kTanhShrink, 0, 0, 0},
    {"softplus", kSoftplus, 0, 0, 0},
    {"softsign", kSoftsign, 0, 0, 0},
    {"squareplus", kSquareplus, 4, 0, 0},
    {"log_sigmoid", kLogSigmoid, 0, 0, 0},
    {"mish", kMish, 0, 0, 0},
    {"sparse_plus", kSparsePlus, 0, 0, 0},
    {"sparse_sigmoid", kSparseSigmoid, 0, 0, 0},
    {"threshold", kThreshold, 0, 0, 0},
};

// Klambauer et al., "Self-normalizing neural networks", 2017.
constexpr double kSeluAlpha = 1.6732632423543772, kSeluScale = 1.0507009873554805;
constexpr double kSqrtHalf = 0.70710678118654752, kInvSqrt2Pi = 0.39894228040143268;
constexpr double kGeluCubic = 0.044715, kSqrt2OverPi = 0.79788456080286536;

PYSEQ_INLINE V zero() { return V{}; }
PYSEQ_INLINE V number(double s) { return splat(static_cast<real>(s)); }
PYSEQ_INLINE V softplus_v(V x) { return max_v(zero(), x) + log1p_v(exp_v(-abs_v(x))); }
PYSEQ_INLINE V gelu_tanh_inner(V x) {
  return number(kSqrt2OverPi) * (x + number(kGeluCubic) * x * x * x);
}
PYSEQ_INLINE V normal_cdf(V x) { return number(0.5) * (1 + erf_v(x * number(kSqrtHalf))); }
// tanh(softplus(x)) = n / (n + 2) with n = e^x (e^x + 2); n stays finite, and beyond the bound the
// quotient is 1.
PYSEQ_INLINE V mish_n(V x) {
  const V e = exp_v(min_v(splat(40), x));
  return e * (e + 2);
}
// x * f where f may be 0 and x infinite (silu(-inf) = 0).
PYSEQ_INLINE V product_or_zero(V x, V f) { return select(f == 0, zero(), x * f); }
PYSEQ_INLINE V hard_sigmoid_v(V x) { return clamp_v(x * number(1.0 / 6) + number(0.5), 0, 1); }

bool same(const char* a, const char* b) {
  while (*a && *a == *b) ++a, ++b;
  return *a == *b;
}

}  // namespace

Activation activation_from(const Plan& plan, const char* attribute, const char* args) {
  const char* name = plan.text(attribute, "linear");
  for (const Entry& e : kEntries) {
    if (!same(e.name, name)) continue;
    double v[3] = {e.a, e.b, e.c};
    if (plan.has(args)) plan.numbers(args, v, 3);
    Activation act;
    act.kind = e.kind == kGelu && v[0] != 0 ? kGeluTanh : e.kind;
    act.a = static_cast<real>(v[0]), act.b = static_cast<real>(v[1]);
    act.c = static_cast<real>(v[2]);
    return act;
  }
  plan.fail("expected an element-wise activation, got \"%s\"", name);
}

bool activation_backward_uses_y(const Activation& act) {
  switch (act.kind) {
    case kRelu:  // y must tell on which side of the threshold x was
      return act.c == 0 && act.a >= 0 && act.b > 0;
    case kLeakyRelu:
    case kElu:
    case kHardShrink:
    case kSoftShrink:
      return act.a >= 0;
    case kCelu:
    case kSquareplus:
      return act.a > 0;
    case kGelu:
    case kGeluTanh:
    case kSilu:
    case kHardSilu:
    case kTanhShrink:
    case kMish:
    case kThreshold:
      return false;
    default:
      return true;
  }
}

void activation_forward(const Activation& act, const real* x, real* y, Index n) {
  const V a = splat(act.a), b = splat(act.b), c = splat(act.c);
  switch (act.kind) {
    case kLinear:
      if (x != y) __builtin_memmove(y, x, sizeof(real) * static_cast<std::size_t>(n));
      return;
    case kRelu:
      // Selections, not products with the slope 0: 0 * -inf would be NaN.
      if (act.a == 0) return map(x, y, n, [=](V v) { return select(v <= c, zero(), min_v(b, v)); });
      return map(x, y, n, [=](V v) { return select(v <= c, a * (v - c), min_v(b, v)); });
    case kLeakyRelu:
      return map(x, y, n, [=](V v) { return select(v > 0, v, a * v); });
    case kElu:
      return map(x, y, n, [=](V v) { return select(v > 0, v, a * expm1_v(min_v(zero(), v))); });
    case kCelu:
      return map(x, y, n, [=](V v) { return select(v > 0, v, a * expm1_v(min_v(zero(), v / a))); });
    case kSelu:
      return map(x, y, n, [=](V v) {
        const V negative = number(kSeluAlpha * kSeluScale) * expm1_v(min_v(zero(), v));
        return select(v > 0, number(kSeluScale) * v, negative);
      });
    case kExponential:
      return map(x, y, n, [](V v) { return exp_v(v); });
    case kGelu:
      return map(x, y, n, [](V v) { return product_or_zero(v, normal_cdf(v)); });
    case kGeluTanh:
      return map(x, y, n, [](V v) {
        return product_or_zero(v, number(0.5) * (1 + tanh_v(gelu_tanh_inner(v))));
      });
    case kSigmoid:
      return map(x, y, n, [](V v) { return sigmoid_v(v); });
    case kHardSigmoid:
      return map(x, y, n, [](V v) { return hard_sigmoid_v(v); });
    case kSilu:
      return map(x, y, n, [](V v) { return product_or_zero(v, sigmoid_v(v)); });
    case kHardSilu:
      return map(x, y, n, [](V v) { return product_or_zero(v, hard_sigmoid_v(v)); });
    case kHardTanh:
      return map(x, y, n, [](V v) { return clamp_v(v, -1, 1); });
    case kHardShrink:
      return map(x, y, n, [=](V v) { return select(abs_v(v) <= a, zero(), v); });
    case kSoftShrink:
      return map(x, y, n, [=](V v) { return select(abs_v(v) <= a, zero(), v - copysign_v(a, v)); });
    case kTanh:
      return map(x, y, n, [](V v) { return tanh_v(v); });
    case kTanhShrink:
      return map(x, y, n, [](V v) { return v - tanh_v(v); });
    case kSoftplus:
      return map(x, y, n, [](V v) { return softplus_v(v); });
    case kSoftsign:
      return map(x, y, n, [](V v) { return v / (1 + abs_v(v)); });
    case kSquareplus:
      // The conjugate form below 0, where x + sqrt(x^2 + b) cancels.
      return map(x, y, n, [=](V v) {
        const V s = sqrt_v(v * v + a);
        return number(0.5) * select(v < 0, a / (s - v), v + s);
      });
    case kLogSigmoid:
      return map(x, y, n, [](V v) { return -softplus_v(-v); });
    case kMish:
      return map(x, y, n, [](V v) {
        const V m = mish_n(v);
        return product_or_zero(v, m / (m + 2));
      });
    case kSparsePlus:
      return map(x, y, n, [](V v) {
        const V t = v + 1;
        return select(v <= -1, zero(), select(v >= 1, v, number(0.25) * t * t));
      });
    case kSparseSigmoid:
      return map(x, y, n, [](V v) { return clamp_v(number(0.5) * v + number(0.5), 0, 1); });
    case kThreshold:
      return map(x, y, n, [=](V v) { return select(v > a, v, b); });
  }
}

void activation_backward(const Activation& act, const real* v, const real* dy, real* dx, Index n) {
  const V a = splat(act.a), b = splat(act.b), c = splat(act.c);
  // Where the derivative is 0 the result is 0 whatever dy is; a NaN in v passes dy on.
  switch (act.kind) {
    case kLinear:
      if (dx != dy) __builtin_memmove(dx, dy, sizeof(real) * static_cast<std::size_t>(n));
      return;
    case kRelu:
      if (act.a == 0 && act.b == static_cast<real>(kInfinity))
        return map2(v, dy, dx, n, [=](V y, V g) { return select(y <= c, zero(), g); });
      return map2(v, dy, dx, n,
                  [=](V y, V g) { return select(y <= c, a * g, select(y >= b, zero(), g)); });
    case kLeakyRelu:
      return map2(v, dy, dx, n, [=](V y, V g) { return select(y > 0, g, a * g); });
    case kElu:
      if (act.a < 0)
        return map2(v, dy, dx, n,
                    [=](V x, V g) { return select(x > 0, g, g * a * exp_v(min_v(zero(), x))); });
      return map2(v, dy, dx, n, [=](V y, V g) { return select(y > 0, g, g * (y + a)); });
    case kCelu:
      if (act.a < 0)
        return map2(v, dy, dx, n,
                    [=](V x, V g) { return select(x > 0, g, g * exp_v(min_v(zero(), x / a))); });
      return map2(v, dy, dx, n, [=](V y, V g) { return select(y > 0, g, g * (y / a + 1)); });
    case kSelu:
      return map2(v, dy, dx, n, [](V y, V g) {
        return g * select(y > 0, number(kSeluScale), y + number(kSeluScale * kSeluAlpha));
      });
    case kExponential:
      return map2(v, dy, dx, n, [](V y, V g) { return g * y; });
    case kGelu:
      return map2(v, dy, dx, n, [](V x, V g) {
        const V density = number(kInvSqrt2Pi) * exp_v(number(-0.5) * x * x);
        return g * (normal_cdf(x) + product_or_zero(x, density));
      });
    case kGeluTanh:
      return map2(v, dy, dx, n, [](V x, V g) {
        const V t = tanh_v(gelu_tanh_inner(x));
        const V inner = number(kSqrt2OverPi) * (1 + number(3 * kGeluCubic) * x * x);
        return g * (number(0.5) * (1 + t) + product_or_zero(number(0.5) * x * inner, 1 - t * t));
      });
    case kSigmoid:
      return map2(v, dy, dx, n, [](V y, V g) { return g * (y * (1 - y)); });
    case kHardSigmoid:
      return map2(v, dy, dx, n, [](V y, V g) {
        return select((y <= 0) | (y >= 1), zero(), g * number(1.0 / 6));
      });
    case kSilu:
      return map2(v, dy, dx, n, [](V x, V g) {
        const V s = sigmoid_v(x);
        return g * (s + product_or_zero(x, s * (1 - s)));
      });
    case kHardSilu:
      return map2(v, dy, dx, n, [](V x, V g) {
        const V middle = g * (x * number(1.0 / 3) + number(0.5));
        return select(x <= -3, zero(), select(x >= 3, g, middle));
      });
    case kHardTanh:
      return map2(v, dy, dx, n, [](V y, V g) { return select(abs_v(y) >= 1, zero(), g); });
    case kHardShrink:
    case kSoftShrink:
      if (act.a < 0) return activation_backward(Activation{}, v, dy, dx, n);
      return map2(v, dy, dx, n, [](V y, V g) { return select(y == 0, zero(), g); });
    case kTanh:
      return map2(v, dy, dx, n, [](V y, V g) { return g * (1 - y * y); });
    case kTanhShrink:
      return map2(v, dy, dx, n, [](V x, V g) {
        const V t = tanh_v(x);
        return g * (t * t);
      });
    case kSoftplus:  // sigmoid(x) = 1 - e^-y
      return map2(v, dy, dx, n, [](V y, V g) { return g * -expm1_v(-y); });
    case kSoftsign:
      return map2(v, dy, dx, n, [](V y, V g) {
        const V t = 1 - abs_v(y);
        return g * (t * t);
      });
    case kSquareplus:  // x = y - b / (4 y)
      if (act.a <= 0)
        return map2(v, dy, dx, n, [=](V x, V g) {
          const V s = sqrt_v(x * x + a);
          return g * (number(0.5) * (1 + select(s == 0, zero(), x / s)));
        });
      return map2(v, dy, dx, n, [=](V y, V g) {
        const V y2 = y * y;
        return g * (1 - number(0.25) * a / (y2 + number(0.25) * a));
      });
    case kLogSigmoid:  // sigmoid(-x) = 1 - e^y
      return map2(v, dy, dx, n, [](V y, V g) { return g * -expm1_v(y); });
    case kMish:
      return map2(v, dy, dx, n, [](V x, V g) {
        const V m = mish_n(x), rest = 2 / (m + 2), t = m / (m + 2);
        return g * (t + product_or_zero(x, rest * (1 + t) * sigmoid_v(x)));
      });
    case kSparsePlus:  // (x + 1) / 2 = sqrt y
      return map2(v, dy, dx, n,
                  [](V y, V g) { return select(y <= 0, zero(), g * sqrt_v(min_v(splat(1), y))); });
    case kSparseSigmoid:
      return map2(v, dy, dx, n,
                  [](V y, V g) { return select((y <= 0) | (y >= 1), zero(), number(0.5) * g); });
    case kThreshold:
      return map2(v, dy, dx, n, [=](V x, V g) { return select(x > a, g, zero()); });
  }
}

}  // namespace pyseq::PYSEQ_NS
