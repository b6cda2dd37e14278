#pragma once
// Batch normalization by moving statistics, folded into the linear op before it while that op packs
// its weights: (z - mean) / sqrt(var + eps) gamma + beta = z scale + shift.
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct FoldedNorm {
  bool present, gamma, beta;
  int first;  // number of the first variable: [gamma] [beta] mean variance
  Index channels;
  double epsilon;
};

struct NormAttributes {
  const char *present = "norm", *scale = "norm_scale", *center = "norm_center",
             *epsilon = "norm_epsilon";
};

PYSEQ_INLINE FoldedNorm folded_norm_from(const Plan& p, int first, Index channels,
                                         const NormAttributes& names = {}) {
  FoldedNorm f{};
  f.present = p.flag(names.present);
  if (!f.present) return f;
  if (p.training()) p.fail("expected a folded normalization at inference only");
  f.gamma = p.flag(names.scale, true), f.beta = p.flag(names.center, true);
  f.first = first, f.channels = channels, f.epsilon = p.number(names.epsilon);
  const int count = f.gamma + f.beta + 2;
  for (int i = first; i < first + count; ++i) p.param(i, channels, "a variable of a normalization");
  return f;
}

// Variables of the normalization.
PYSEQ_INLINE int norm_params(const FoldedNorm& f) { return f.present ? f.gamma + f.beta + 2 : 0; }

// scale (channels), shift (channels), with `bias` (or null) of the op itself in the shift.
PYSEQ_INLINE void fold_norm(const Run& r, const FoldedNorm& f, const real* bias, real* scale,
                            real* shift) {
  int at = f.first;
  const real* gamma = f.gamma ? static_cast<const real*>(r.param(at++)) : nullptr;
  const real* beta = f.beta ? static_cast<const real*>(r.param(at++)) : nullptr;
  const real *mean = r.param(at), *variance = r.param(at + 1);
  for (Index j = 0; j < f.channels; ++j) {
    const double s = (gamma ? static_cast<double>(gamma[j]) : 1.0) /
                     __builtin_sqrt(static_cast<double>(variance[j]) + f.epsilon);
    const double b = bias ? static_cast<double>(bias[j]) : 0.0;
    scale[j] = static_cast<real>(s);
    shift[j] = static_cast<real>((b - static_cast<double>(mean[j])) * s +
                                 (beta ? static_cast<double>(beta[j]) : 0.0));
  }
}

}  // namespace
}  // namespace pyseq::PYSEQ_NS
