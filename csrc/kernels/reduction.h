#pragma once
#include "kernels/functions.h"
#include "kernels/reduction_plan.h"

namespace pyseq::PYSEQ_NS {

// Scratch in reals, as Plan::scratch takes it.
struct ReductionScratch {
  Index per_row, fixed;
};
ReductionScratch reduction_scratch(const Reduction& r);

// y = x reduced by kSumOf, kMeanOf, kMaxOf, kMinOf or kProductOf; x (n, ...), y (n, ...). With
// r.batch the result is written once. In fixed chunks, added in order: the same bits for every
// number of threads. NaN wins in max and min.
void reduce(Pool* pool, const Reduction& r, Reducer f, Index n, const real* x, real* y,
            real* scratch);

}  // namespace pyseq::PYSEQ_NS
