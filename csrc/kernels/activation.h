#pragma once
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {

enum ActivationKind : int {
  kLinear,
  kRelu,       // a = negative_slope, b = max_value (may be infinite), c = threshold
  kLeakyRelu,  // a = negative_slope
  kElu,        // a = alpha
  kCelu,       // a = alpha
  kSelu,
  kExponential,
  kGelu,
  kGeluTanh,  // gelu(approximate=True)
  kSigmoid,
  kHardSigmoid,
  kSilu,
  kHardSilu,
  kHardTanh,
  kHardShrink,  // a = threshold
  kSoftShrink,  // a = threshold
  kTanh,
  kTanhShrink,
  kSoftplus,
  kSoftsign,
  kSquareplus,  // a = b
  kLogSigmoid,
  kMish,
  kSparsePlus,
  kSparseSigmoid,
  kThreshold,  // a = threshold, b = default_value
};

// Element-wise activations that a kernel can apply in its epilogue.
struct Activation {
  int kind = kLinear;
  real a = 0, b = 0, c = 0;
};

// Reads attributes `attribute` (Keras name, default "linear") and `args` (numbers in the
// order of the Keras function's arguments, missing ones at their defaults; max_value None = inf).
Activation activation_from(const Plan& plan, const char* attribute = "activation",
                           const char* args = "activation_args");
// True if backward can be computed from y alone (relu, tanh, sigmoid, elu, softplus, ...).
bool activation_backward_uses_y(const Activation& act);
// y[i] = act(x[i]); x == y allowed.
void activation_forward(const Activation& act, const real* x, real* y, Index n);
// dx[i] = dy[i] * act'(.): `v` is y where activation_backward_uses_y, else x. dx == dy allowed.
void activation_backward(const Activation& act, const real* v, const real* dy, real* dx, Index n);

}  // namespace pyseq::PYSEQ_NS
