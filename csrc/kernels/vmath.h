#pragma once
// Vectorised elementary functions on arrays: y == x allowed; NaN, inf and saturation behave as
// libm's.
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {

void vexp(const real* x, real* y, Index n);
void vlog(const real* x, real* y, Index n);
void vtanh(const real* x, real* y, Index n);
void vsigmoid(const real* x, real* y, Index n);
void verf(const real* x, real* y, Index n);
// Sum in an order that depends on n alone; max.
real vsum(const real* x, Index n);
double vsum_double(const real* x, Index n);
real vmax(const real* x, Index n);

}  // namespace pyseq::PYSEQ_NS
