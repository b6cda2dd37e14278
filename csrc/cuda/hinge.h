#pragma once
// What the hinge losses share: labels 0 and 1 throughout a batch count as -1 and 1.
#include "cuda/loss.h"

namespace pyseq::cuda {
namespace {

void plan_hinge(Plan& p) {
  plan_last_axis(p);
  p.scratch(0, 1);
}

// A number in device memory that is 0 if all labels are 0 or 1.
const float* other_labels(const Run& r) {
  float* other = r.scratch();
  const float* y = r.x(1);
  const Axis& axis = r.config<Axis>();
  zero_floats(r.stream, other, 1);
  for_each(r.stream, r.n * axis.rows() * axis.size, [=] __device__(Index i) {
    if (y[i] != 0 && y[i] != 1) *other = 1;
  });
  return other;
}

}  // namespace
}  // namespace pyseq::cuda
