#pragma once
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {

// Projects a variable after an update. kind: 0 max_norm, 1 unit_norm, 2 min_max_norm, 3 non_neg.
// Norms are L2 norms over `axes` (0 <= axis < rank; none means over a scalar axis: |w|).
void constrain(Pool* pool, int kind, double min_value, double max_value, double rate,
               const int* axes, int axis_count, const Shape& shape, void* w);

}  // namespace pyseq::PYSEQ_NS
