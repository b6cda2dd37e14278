#pragma once
// Convolutions by cuDNN. Each function is false if cuDNN does not serve here and nothing was enqueued.
#include "cuda/gemm.h"
#include "kernels/conv.h"

namespace pyseq::cuda {

// Floats of the weights as cuDNN reads them; 0 if it never serves this shape.
Index cudnn_filter_size(const ConvShape& s);
// w (kD, kH, kW, C / groups, F) to `filters`.
void cudnn_pack(DeviceStream* stream, const ConvShape& s, const float* w, float* filters);

// `filters`: room for cudnn_filter_size floats, or with w null what cudnn_pack made.
bool cudnn_forward(DeviceStream* stream, const ConvShape& s, Index n, const float* x, const float* w,
                   float* filters, float* y);
bool cudnn_data_gradient(DeviceStream* stream, const ConvShape& s, Index n, const float* dy, const float* w,
                         float* filters, float* dx);
// `filters`: such room, for the gradient before it is brought into the order of w.
bool cudnn_weight_gradient(DeviceStream* stream, const ConvShape& s, Index n, const float* x, const float* dy,
                           float* dw, float* filters);

}  // namespace pyseq::cuda
