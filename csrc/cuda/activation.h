#pragma once
// Element-wise activations of kernels/activation.h, one element at a time.
#define PYSEQ_NS cuda
#include "kernels/activation.h"

#include "cuda/cuda.h"

namespace pyseq::cuda {
namespace activations {

__device__ inline float softplus(float x) { return fmaxf(0.0f, x) + log1pf(expf(-fabsf(x))); }
__device__ inline float sigmoid(float x) {
  const float e = expf(-fabsf(x));
  return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}
__device__ inline float normal_cdf(float x) { return 0.5f * (1 + erff(x * 0.70710678118654752f)); }
__device__ inline float gelu_tanh_inner(float x) {
  return 0.79788456080286536f * (x + 0.044715f * x * x * x);
}
__device__ inline float mish_n(float x) {
  const float e = expf(fminf(40.0f, x));
  return e * (e + 2);
}
// x * f where f may be 0 and x infinite.
__device__ inline float product_or_zero(float x, float f) { return f == 0 ? 0 : x * f; }
__device__ inline float clamp(float x, float low, float high) { return fminf(high, fmaxf(low, x)); }
__device__ inline float hard_sigmoid(float x) { return clamp(x * (1.0f / 6) + 0.5f, 0, 1); }

// Klambauer et al., "Self-normalizing neural networks", 2017.
inline constexpr float kSeluAlpha = 1.6732632423543772f, kSeluScale = 1.0507009873554805f;

}  // namespace activations

__device__ inline float activate(const Activation& act, float v) {
  using namespace activations;
  const float a = act.a, b = act.b, c = act.c;
  switch (act.kind) {
    case kLinear: return v;
    // A NaN goes through: comparisons with it are false.
    case kRelu: return v <= c ? (a == 0 ? 0 : a * (v - c)) : (v > b ? b : v);
    case kLeakyRelu: return v > 0 ? v : a * v;
    case kElu: return v > 0 ? v : a * expm1f(v);
    case kCelu: return v > 0 ? v : a * expm1f(v / a);
    case kSelu: return v > 0 ? kSeluScale * v : kSeluAlpha * kSeluScale * expm1f(v);
    case kExponential: return expf(v);
    case kGelu: return product_or_zero(v, normal_cdf(v));
    case kGeluTanh: return product_or_zero(v, 0.5f * (1 + tanhf(gelu_tanh_inner(v))));
    case kSigmoid: return sigmoid(v);
    case kHardSigmoid: return isnan(v) ? v : hard_sigmoid(v);
    case kSilu: return product_or_zero(v, sigmoid(v));
    case kHardSilu: return isnan(v) ? v : product_or_zero(v, hard_sigmoid(v));
    case kHardTanh: return isnan(v) ? v : clamp(v, -1, 1);
    case kHardShrink: return fabsf(v) <= a ? 0 : v;
    case kSoftShrink: return fabsf(v) <= a ? 0 : v - copysignf(a, v);
    case kTanh: return tanhf(v);
    case kTanhShrink: return v - tanhf(v);
    case kSoftplus: return softplus(v);
    case kSoftsign: return v / (1 + fabsf(v));
    case kSquareplus: {
      const float s = sqrtf(v * v + a);
      return 0.5f * (v < 0 ? a / (s - v) : v + s);
    }
    case kLogSigmoid: return -softplus(-v);
    case kMish: {
      const float m = mish_n(v);
      return product_or_zero(v, m / (m + 2));
    }
    case kSparsePlus: return v <= -1 ? 0 : v >= 1 ? v : 0.25f * (v + 1) * (v + 1);
    case kSparseSigmoid: return isnan(v) ? v : clamp(0.5f * v + 0.5f, 0, 1);
    case kThreshold: return v > a ? v : b;
  }
  return v;
}

// g * act'(.); v is y where activation_backward_uses_y(act), else x. Where the derivative is 0 the
// result is 0 whatever g is.
__device__ inline float activate_back(const Activation& act, float v, float g) {
  using namespace activations;
  const float a = act.a, b = act.b, c = act.c;
  switch (act.kind) {
    case kLinear: return g;
    case kRelu: return v <= c ? (a == 0 ? 0 : a * g) : v >= b ? 0 : g;
    case kLeakyRelu: return v > 0 ? g : a * g;
    case kElu: return v > 0 ? g : a < 0 ? g * a * expf(v) : g * (v + a);
    case kCelu: return v > 0 ? g : a < 0 ? g * expf(v / a) : g * (v / a + 1);
    case kSelu: return g * (v > 0 ? kSeluScale : v + kSeluScale * kSeluAlpha);
    case kExponential: return g * v;
    case kGelu:
      return g * (normal_cdf(v) + product_or_zero(v, 0.39894228040143268f * expf(-0.5f * v * v)));
    case kGeluTanh: {
      const float t = tanhf(gelu_tanh_inner(v));
      const float inner = 0.79788456080286536f * (1 + 3 * 0.044715f * v * v);
      return g * (0.5f * (1 + t) + product_or_zero(0.5f * v * inner, 1 - t * t));
    }
    case kSigmoid: return g * (v * (1 - v));
    case kHardSigmoid: return v <= 0 || v >= 1 ? 0 : g * (1.0f / 6);
    case kSilu: {
      const float s = sigmoid(v);
      return g * (s + product_or_zero(v, s * (1 - s)));
    }
    case kHardSilu: return v <= -3 ? 0 : v >= 3 ? g : g * (v * (1.0f / 3) + 0.5f);
    case kHardTanh: return fabsf(v) >= 1 ? 0 : g;
    case kHardShrink:
    case kSoftShrink: return a < 0 ? g : v == 0 ? 0 : g;
    case kTanh: return g * (1 - v * v);
    case kTanhShrink: {
      const float t = tanhf(v);
      return g * (t * t);
    }
    case kSoftplus: return g * -expm1f(-v);
    case kSoftsign: {
      const float t = 1 - fabsf(v);
      return g * (t * t);
    }
    case kSquareplus: {
      if (a <= 0) {
        const float s = sqrtf(v * v + a);
        return g * (0.5f * (1 + (s == 0 ? 0 : v / s)));
      }
      return g * (1 - 0.25f * a / (v * v + 0.25f * a));
    }
    case kLogSigmoid: return g * -expm1f(v);
    case kMish: {
      const float m = mish_n(v), rest = 2 / (m + 2), t = m / (m + 2);
      return g * (t + product_or_zero(v, rest * (1 + t) * sigmoid(v)));
    }
    case kSparsePlus: return v <= 0 ? 0 : g * sqrtf(fminf(1.0f, v));
    case kSparseSigmoid: return v <= 0 || v >= 1 ? 0 : 0.5f * g;
    case kThreshold: return v > a ? g : 0;
  }
  return g;
}

}  // namespace pyseq::cuda
