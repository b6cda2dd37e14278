#pragma once
// What streams hold of CUDA's libraries.
#include "cuda/cuda.h"

namespace pyseq::cuda {

// 3: float32, 2: TF32, 1: bfloat16; what the core was told.
int matmul_precision();

void open_blas(DeviceStream* s);
void close_blas(DeviceStream* s);
// cuDNN starts with the first convolution.
void close_convolutions(DeviceStream* s);

}  // namespace pyseq::cuda
