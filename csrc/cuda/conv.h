#pragma once
// The three passes of a convolution, channels last, all pointers in device memory. Shapes, groups and
// dilations as kernels/conv.h describes them; the same bits in every run.
#include "cuda/columns.h"
#include "cuda/cudnn_conv.h"

namespace pyseq::cuda {

// A product of matrices: every pixel on its own.
inline bool pointwise(const ConvShape& s) {
  bool p = s.groups == 1;
  for (const ConvAxis& a : s.axis) p = p && a.kernel == 1 && a.stride == 1 && a.pad == 0 && a.in == a.out;
  return p;
}

// Weights in cuDNN's order: room for conv_filter_size floats, already filled or not. Without them, and
// where cuDNN does not serve, own kernels do the work.
struct ConvFilters {
  float* at = nullptr;
  bool packed = false;
};
inline Index conv_filter_size(const ConvShape& s) { return pointwise(s) ? 0 : cudnn_filter_size(s); }
inline void conv_pack(DeviceStream* stream, const ConvShape& s, const float* w, float* filters) {
  cudnn_pack(stream, s, w, filters);
}

void conv_forward(DeviceStream* stream, const ConvShape& s, Index n, const float* x, const float* w,
                  const ConvTarget& y, const ConvFilters& filters = {});
// y (N, oD, oH, oW, F) -> x (N, D, H, W, C): the transpose of conv_forward in x.
void conv_data_gradient(DeviceStream* stream, const ConvShape& s, Index n, const float* y, const float* w,
                        const ConvTarget& x, const ConvFilters& filters = {});
// scratch: what kernels/conv.h's conv_weight_gradient_scratch(s).fixed says.
void conv_weight_gradient(DeviceStream* stream, const ConvShape& s, Index n, const float* x, const float* dy,
                          float* dw, float* scratch);

// to = from * act'(v): the gradient before the activation.
inline void before_activation(DeviceStream* stream, const Activation& activation, const float* v, const float* from,
                              Index n, float* to) {
  const Activation act = activation;
  for_each(stream, n, [=] __device__(Index i) { to[i] = activate_back(act, v[i], from[i]); });
}

inline bool is_plain_relu(const Activation& act) {
  return act.kind == kRelu && act.a == 0 && act.c == 0 && act.b > 3e38f;
}

// One axis of a pass as kernels/conv_pass.h has it, in 32 bits: output o reads inputs
// o * stride + first + t * step with the weights of tap w_first + t * w_step.
struct PassAxis {
  int in, out, stride, taps, first, step, w_first, w_step, out_first, out_step, out_size;
};

__device__ inline PassAxis forward_axis(const ConvAxis& c) {
  const int in = static_cast<int>(c.in), out = static_cast<int>(c.out);
  return {in,
          out,
          static_cast<int>(c.stride),
          static_cast<int>(c.kernel),
          -static_cast<int>(c.pad),
          static_cast<int>(c.dilation),
          0,
          1,
          0,
          1,
          out};
}

// Inputs i = phase + o * stride see every `period`-th tap alone.
__device__ inline PassAxis gradient_axis(const ConvAxis& axis, int phase) {
  const int stride = static_cast<int>(axis.stride), dilation = static_cast<int>(axis.dilation);
  const int kernel = static_cast<int>(axis.kernel), pad = static_cast<int>(axis.pad);
  const int in = static_cast<int>(axis.in);
  int g = stride;
  for (int rest = dilation; rest != 0;) {
    const int next = g % rest;
    g = rest;
    rest = next;
  }
  const int period = stride / g, residue = (phase + pad) % stride;
  int first = 0;
  while (first < period && first < kernel && first * dilation % stride != residue) ++first;
  const bool none = first >= period || first >= kernel;
  const int taps = none ? 0 : (kernel - 1 - first) / period + 1;
  const int last = first + (taps - 1) * period;
  return {static_cast<int>(axis.out),
          phase < in ? (in - 1 - phase) / stride + 1 : 0,
          1,
          taps,
          none ? 0 : (phase + pad - last * dilation) / stride,
          dilation / g,
          last,
          -period,
          phase,
          stride,
          in};
}

}  // namespace pyseq::cuda
