#pragma once
// The functions of cuDNN 9 that convolutions need, found at run time: where the library is not
// installed, own kernels do the work. Signatures and numbers are those of cudnn_ops.h and cudnn_cnn.h.
#include <cstddef>

#include "cuda/cuda.h"

namespace pyseq::cuda {

struct CudnnHandle;
struct CudnnTensor;
struct CudnnFilter;
struct CudnnConvolution;

inline constexpr int kCudnnSuccess = 0;
inline constexpr int kCudnnFloat = 0;
inline constexpr int kCudnnChannelsLast = 1;
inline constexpr int kCudnnCrossCorrelation = 1;
inline constexpr int kCudnnDefaultMath = 0;  // TF32 where the GPU has it
inline constexpr int kCudnnTensorMath = 1;
inline constexpr int kCudnnFmaMath = 3;  // float32
inline constexpr int kCudnnDeterministic = 1;

// What a heuristic proposes; `memory` is the workspace in bytes.
struct CudnnAlgorithm {
  int algo, status;
  float time;
  std::size_t memory;
  int determinism, math, reserved[3];
};

// Dimensions are listed as N, C, then space, whatever the layout.
struct Cudnn {
  int (*create)(CudnnHandle**);
  int (*destroy)(CudnnHandle*);
  int (*set_stream)(CudnnHandle*, cudaStream_t);

  int (*create_tensor)(CudnnTensor**);
  int (*destroy_tensor)(CudnnTensor*);
  int (*set_tensor)(CudnnTensor*, int layout, int type, int rank, const int* size);
  int (*create_filter)(CudnnFilter**);
  int (*destroy_filter)(CudnnFilter*);
  int (*set_filter)(CudnnFilter*, int type, int layout, int rank, const int* size);
  int (*create_convolution)(CudnnConvolution**);
  int (*destroy_convolution)(CudnnConvolution*);
  int (*set_convolution)(CudnnConvolution*, int rank, const int* pad, const int* stride, const int* dilation,
                         int mode, int type);
  int (*set_groups)(CudnnConvolution*, int groups);
  int (*set_math)(CudnnConvolution*, int math);

  // Best first, without running anything.
  int (*propose_forward)(CudnnHandle*, CudnnTensor* x, CudnnFilter* w, CudnnConvolution*, CudnnTensor* y,
                         int most, int* count, CudnnAlgorithm*);
  int (*propose_data)(CudnnHandle*, CudnnFilter* w, CudnnTensor* dy, CudnnConvolution*, CudnnTensor* dx,
                      int most, int* count, CudnnAlgorithm*);
  int (*propose_weights)(CudnnHandle*, CudnnTensor* x, CudnnTensor* dy, CudnnConvolution*, CudnnFilter* dw,
                         int most, int* count, CudnnAlgorithm*);

  // result = *alpha * convolution + *beta * result
  int (*forward)(CudnnHandle*, const void* alpha, CudnnTensor*, const void* x, CudnnFilter*, const void* w,
                 CudnnConvolution*, int algo, void* workspace, std::size_t bytes, const void* beta,
                 CudnnTensor*, void* y);
  int (*data)(CudnnHandle*, const void* alpha, CudnnFilter*, const void* w, CudnnTensor*, const void* dy,
              CudnnConvolution*, int algo, void* workspace, std::size_t bytes, const void* beta, CudnnTensor*,
              void* dx);
  int (*weights)(CudnnHandle*, const void* alpha, CudnnTensor*, const void* x, CudnnTensor*, const void* dy,
                 CudnnConvolution*, int algo, void* workspace, std::size_t bytes, const void* beta,
                 CudnnFilter*, void* dw);
};

// Null: there is none, or PYSEQ_CUDNN=0.
const Cudnn* cudnn();

}  // namespace pyseq::cuda
