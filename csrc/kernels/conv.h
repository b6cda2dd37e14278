#pragma once
#include "kernels/activation.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {

// One axis: y[o] += x[o * stride + t * dilation - pad] w[t]; x is 0 outside [0, in).
struct ConvAxis {
  Index in = 1, out = 1, kernel = 1, stride = 1, dilation = 1, pad = 0;
};

// x (N, D, H, W, C)  w (kD, kH, kW, C / groups, F)  y (N, oD, oH, oW, F); block j of F / groups
// filters sees block j of C / groups channels.
struct ConvShape {
  ConvAxis axis[3];
  Index channels = 1, filters = 1, groups = 1;

  PYSEQ_INLINE Index taps() const { return axis[0].kernel * axis[1].kernel * axis[2].kernel; }
  PYSEQ_INLINE Index depth() const { return taps() * (channels / groups); }
  PYSEQ_INLINE Index in_pixels() const { return axis[0].in * axis[1].in * axis[2].in; }
  PYSEQ_INLINE Index out_pixels() const { return axis[0].out * axis[1].out * axis[2].out; }
};

// An operand: p itself, or with `act` the gradient p * act'(v) before the activation.
struct ConvSource {
  const real* p = nullptr;
  const real* v = nullptr;
  const Activation* act = nullptr;
};

// y = act(sum + bias); z, where not null, receives what goes into the activation.
struct ConvTarget {
  real* y = nullptr;
  real* z = nullptr;
  const real* bias = nullptr;
  const Activation* act = nullptr;
};

// Scratch in reals: a shared part and a part of each worker; upper bounds for any number of rows.
struct ConvScratch {
  Index fixed = 0, per_worker = 0;

  PYSEQ_INLINE void cover(const ConvScratch& o) {
    if (o.fixed > fixed) fixed = o.fixed;
    if (o.per_worker > per_worker) per_worker = o.per_worker;
  }
};
struct ConvWork {
  Pool* pool;
  real* fixed;
  real* worker;
  Index worker_stride;
};

// `packed`: for calls with packed weights only.
ConvScratch conv_forward_scratch(const ConvShape& s, bool packed = false);
ConvScratch conv_data_gradient_scratch(const ConvShape& s, bool packed = false);
ConvScratch conv_weight_gradient_scratch(const ConvShape& s);

// Weights as conv_forward or conv_data_gradient (`gradient`) read them, kept from call to call.
struct ConvPacking {
  Index size;  // reals
  int tile;    // of Winograd's algorithm, 0 for none, at the matmul precision of now
};
ConvPacking conv_packing(const ConvShape& s, bool gradient);
// `scale`, unless null, multiplies the weights of each channel that the pass produces. `tile` as
// conv_packing gave it: the precision may have changed since, and only tiles that fit are used.
void conv_pack(Pool* pool, const ConvShape& s, bool gradient, int tile, const real* w,
               const real* scale, real* packed);
// True if the precision changed so that `packed` has to be made anew.
bool conv_pack_stale(const ConvShape& s, bool gradient, int tile, const real* packed);

// Bits of all three do not depend on the number of workers. With `packed`, w is not read.
void conv_forward(const ConvShape& s, Index n, const ConvSource& x, const real* w,
                  const ConvTarget& y, const ConvWork& work, const real* packed = nullptr);
// y (N, oD, oH, oW, F) -> x (N, D, H, W, C): the transpose of conv_forward in x.
void conv_data_gradient(const ConvShape& s, Index n, const ConvSource& y, const real* w,
                        const ConvTarget& x, const ConvWork& work, const real* packed = nullptr);
// dw, and the sum of y over all pixels if `db` is not null.
void conv_weight_gradient(const ConvShape& s, Index n, const ConvSource& x, const ConvSource& y,
                          real* dw, real* db, const ConvWork& work);

// out[c] = sum over rows of src (rows, cols); same scratch rules.
ConvScratch conv_bias_gradient_scratch(Index cols);
void conv_bias_gradient(const ConvSource& src, Index rows, Index cols, real* out,
                        const ConvWork& work);

// Reads strides, dilations, pads_begin, pads_end (one number for each spatial axis) for a kernel
// (k..., channels / groups, filters) and an input of the spatial rank + 1; fails on nonsense.
ConvShape conv_shape_from(const Plan& plan, const Shape& x, const Shape& kernel);

}  // namespace pyseq::PYSEQ_NS
