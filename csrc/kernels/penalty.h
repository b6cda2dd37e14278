#pragma once
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {

// Weight regularizer: l1 sum|w| + l2 sum w^2 + orthogonal * mean |cos| between different rows (or
// columns) of a matrix. Adds the gradient to g (w's shape; may be null) and returns the value. The
// same bits for every number of workers.
double penalty(Pool* pool, double l1, double l2, double orthogonal, bool rows, const Shape& shape,
               const void* w, void* g);

}  // namespace pyseq::PYSEQ_NS
