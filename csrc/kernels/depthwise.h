#pragma once
#include "kernels/conv.h"

namespace pyseq::PYSEQ_NS {

// Depthwise convolution: one filter for each channel. x (N, D, H, W, C)  w (kD, kH, kW, C)
// y (N, oD, oH, oW, C). `channels` of the shape is C; `filters` and `groups` are not looked at.
void depthwise_forward(const ConvShape& s, Index n, const real* x, const real* w,
                       const ConvTarget& y, Pool* pool);
// The same in pieces: outputs come in groups of neighbouring rows.
struct DepthwiseRows {
  Index groups, pixels;  // of n images; the most of a group
};
DepthwiseRows depthwise_rows(const ConvShape& s, Index n);
// Groups [begin, end), written from y.y on: returns how many pixels those are. The first of them is
// number depthwise_first_pixel(begin).
Index depthwise_forward_rows(const ConvShape& s, Index begin, Index end, const real* x,
                             const real* w, const ConvTarget& y);
Index depthwise_first_pixel(const ConvShape& s, Index group);
void depthwise_data_gradient(const ConvShape& s, Index n, const real* dy, const real* w, real* dx,
                             Pool* pool);
Index depthwise_weight_gradient_scratch(const ConvShape& s);  // reals, shared
void depthwise_weight_gradient(const ConvShape& s, Index n, const real* x, const real* dy, real* dw,
                               real* scratch, Pool* pool);

}  // namespace pyseq::PYSEQ_NS
