#pragma once
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {

// See KernelTable in core/isa.h.
void add(Pool* pool, const void* src, void* dst, Index n);
void blend(Pool* pool, const void* src, void* dst, Index n, double a, double b);
double sum_squares(Pool* pool, const void* x, Index n, double* partial);
bool all_finite(Pool* pool, const void* x, Index n);

}  // namespace pyseq::PYSEQ_NS
