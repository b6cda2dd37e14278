#pragma once
#include "cuda/activation.h"
#include "kernels/gemm.h"

namespace pyseq::cuda {

// g as kernels/gemm.h describes it, all pointers in device memory; `count` products side by side, each
// operand moving on by its step (0: shared).
struct Batch {
  Index count = 1, a_step = 0, b_step = 0, c_step = 0;
};
void gemm(DeviceStream* s, const Gemm& g, const Batch& batch = {});

}  // namespace pyseq::cuda
