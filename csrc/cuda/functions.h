#pragma once
// The functions of kernels/functions.h, one element at a time.
#define PYSEQ_NS cuda
#include "kernels/functions.h"

#include "cuda/cuda.h"

namespace pyseq::cuda {

__device__ inline float flag(bool b) { return b ? 1.0f : 0.0f; }
__device__ inline float sign_of(float x) { return x > 0 ? 1.0f : x < 0 ? -1.0f : x == 0 ? 0.0f : x; }

__device__ inline float value(Unary f, float x) {
  switch (f) {
    case kNegative: return -x;
    case kAbs: return fabsf(x);
    case kSign: return sign_of(x);
    case kSquare: return x * x;
    case kSqrt: return sqrtf(x);
    case kRsqrt: return 1 / sqrtf(x);
    case kReciprocal: return 1 / x;
    case kExp: return expf(x);
    case kExpm1: return expm1f(x);
    case kLog: return logf(x);
    case kLog1p: return log1pf(x);
    case kLog2: return log2f(x);
    case kLog10: return log10f(x);
    case kSin: return sinf(x);
    case kCos: return cosf(x);
    case kTan: return tanf(x);
    case kArcsin: return asinf(x);
    case kArccos: return acosf(x);
    case kArctan: return atanf(x);
    case kSinh: return sinhf(x);
    case kCosh: return coshf(x);
    case kArcsinh: return asinhf(x);
    case kArccosh: return acoshf(x);
    case kArctanh: return atanhf(x);
    case kErf: return erff(x);
    case kErfinv: {
      // Giles, "Approximating the erfinv function", GPU Computing Gems, 2010; fabsf(x) = 1 by hand.
      if (fabsf(x) == 1) return x * INFINITY;
      const float w = -logf((1 - x) * (1 + x)), u = w < 5 ? w - 2.5f : sqrtf(w) - 3;
      const float c[] = {2.81022636e-08f, 3.43273939e-07f, -3.5233877e-06f, -4.39150654e-06f, 0.00021858087f,
                         -0.00125372503f, -0.00417768164f, 0.246640727f,    1.50140941f};
      const float t[] = {-0.000200214257f, 0.000100950558f, 0.00134934322f, -0.00367342844f, 0.00573950773f,
                         -0.0076224613f,   0.00943887047f,  1.00167406f,    2.83297682f};
      float p = w < 5 ? c[0] : t[0];
      for (int i = 1; i < 9; ++i) p = p * u + (w < 5 ? c[i] : t[i]);
      return p * x;
    }
    case kFloor: return floorf(x);
    case kCeil: return ceilf(x);
    case kRound: return rintf(x);
    case kTrunc: return truncf(x);
    case kIsNan: return flag(x != x);
    case kIsFinite: return flag(fabsf(x) < INFINITY);
    case kIsInf: return flag(fabsf(x) == INFINITY);
    case kLogicalNot: return flag(x == 0);
    default: return x;
  }
}

// dy/dx from x, or from y where slope_needs says so.
__device__ inline float slope(Unary f, float u) {
  switch (f) {
    case kNegative: return -1;
    case kAbs: return sign_of(u);
    case kSquare: return u + u;
    case kSqrt: return 0.5f / u;
    case kRsqrt: return -0.5f * u * u * u;
    case kReciprocal: return -u * u;
    case kExp: return u;
    case kExpm1: return expf(u);
    case kLog: return 1 / u;
    case kLog1p: return 1 / (1 + u);
    case kLog2: return 1.4426950408889634f / u;
    case kLog10: return 0.43429448190325182f / u;
    case kSin: return cosf(u);
    case kCos: return -sinf(u);
    case kTan: return 1 + u * u;
    case kArcsin: return 1 / sqrtf((1 - u) * (1 + u));
    case kArccos: return -1 / sqrtf((1 - u) * (1 + u));
    case kArctan: return 1 / (1 + u * u);
    case kSinh: return coshf(u);
    case kCosh: return sinhf(u);
    case kArcsinh: return 1 / sqrtf(1 + u * u);
    case kArccosh: return 1 / sqrtf((u - 1) * (u + 1));
    case kArctanh: return 1 / ((1 - u) * (1 + u));
    case kErf: return 1.1283791670955126f * expf(-u * u);
    case kErfinv: return 0.88622692545275801f * expf(u * u);
    default: return 0;
  }
}

// With the divisor's sign, as in Python.
__device__ inline float modulo(float a, float b) {
  const float r = fmodf(a, b);
  if (r == 0) return copysignf(0.0f, b);
  return (r < 0) != (b < 0) ? r + b : r;
}
// From the exact remainder, so that the quotient's rounding cannot miss a whole number.
__device__ inline float floor_divide(float a, float b) {
  if (b == 0) return a / b;
  const float r = modulo(a, b);
  return r != r ? r : rintf((a - r) / b);
}
__device__ inline float power(float a, float b) { return b == 2 ? a * a : powf(a, b); }

__device__ inline float value(Binary f, float a, float b) {
  switch (f) {
    case kAdd: return a + b;
    case kSubtract: return a - b;
    case kMultiply: return a * b;
    case kDivide: return a / b;
    case kPower: return power(a, b);
    case kMaximum: return a != a || a > b ? a : b;
    case kMinimum: return a != a || a < b ? a : b;
    case kMod: return modulo(a, b);
    case kFloorDivide: return floor_divide(a, b);
    case kArctan2: return atan2f(a, b);
    case kEqual: return flag(a == b);
    case kNotEqual: return flag(a != b);
    case kLess: return flag(a < b);
    case kLessEqual: return flag(a <= b);
    case kGreater: return flag(a > b);
    case kGreaterEqual: return flag(a >= b);
    case kLogicalAnd: return flag(a != 0 && b != 0);
    case kLogicalOr: return flag(a != 0 || b != 0);
    default: return flag((a != 0) != (b != 0));
  }
}

// A term of the gradient with respect to the left or the right operand.
__device__ inline float term(Binary f, bool left, float a, float b, float dy) {
  switch (f) {
    case kAdd: return dy;
    case kSubtract: return left ? dy : -dy;
    case kMultiply: return dy * (left ? b : a);
    case kDivide: return left ? dy / b : -dy * ((a / b) / b);
    case kPower:
      if (left) return b == 0 ? 0.0f : dy * b * power(a, b - 1);
      // 0^b does not change with b >= 0.
      return a == 0 && b >= 0 ? 0.0f : dy * power(a, b) * logf(a);
    case kMaximum: case kMinimum: {
      if (a == b) return 0.5f * dy;
      const bool won = (f == kMaximum) == left ? a > b : a < b;
      return won || (left ? a != a : b != b) ? dy : 0.0f;
    }
    case kMod: return left ? dy : -dy * floor_divide(a, b);
    case kArctan2: return dy * (left ? b : -a) / (a * a + b * b);
    default: return 0;
  }
}

}  // namespace pyseq::cuda
