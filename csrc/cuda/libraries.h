#pragma once
// What streams hold of CUDA's libraries.
#include "cuda/cuda.h"

namespace pyseq::cuda {

// 3: float32, 2: TF32, 1: bfloat16; what the core was told.
int matmul_precision();

void open_blas(Stream* s);
void close_blas(Stream* s);
// cuDNN starts with the first convolution.
void close_convolutions(Stream* s);

}  // namespace pyseq::cuda
