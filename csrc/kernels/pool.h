#pragma once
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {

// One axis. Window o is [o * stride - pad, + size), or [floor(o in / out), ceil((o + 1) in / out))
// if `adaptive`; what lies outside [0, in) does not count.
struct PoolAxis {
  Index in = 1, out = 1, size = 1, stride = 1, pad = 0;
  bool adaptive = false;
};

// x (N, D, H, W, C)  y (N, oD, oH, oW, C)
struct PoolShape {
  PoolAxis axis[3];
  Index channels = 1;

  PYSEQ_INLINE Index taps() const { return axis[0].size * axis[1].size * axis[2].size; }
  // Values of one channel that all windows read together, or some more: adaptive windows overlap.
  PYSEQ_INLINE double covered() const {
    double n = 1;
    for (const PoolAxis& a : axis)
      n *= a.adaptive ? static_cast<double>(a.in) + static_cast<double>(a.out)
                      : static_cast<double>(a.out) * static_cast<double>(a.size);
    return n;
  }
  PYSEQ_INLINE Index in_pixels() const { return axis[0].in * axis[1].in * axis[2].in; }
  PYSEQ_INLINE Index out_pixels() const { return axis[0].out * axis[1].out * axis[2].out; }
};

// Reads pool_size, strides, pads_begin, pads_end; with `adaptive`, output_size.
PoolShape pool_shape_from(const Plan& plan, const Shape& x, bool adaptive);
Shape pool_output(const PoolShape& s, int rank);

// Reals a row for the positions of the maxima.
Index max_pool_kept(const PoolShape& s);
// NaN wins; of equal maxima the first. `kept` may be null.
void max_pool_forward(const PoolShape& s, Index n, const real* x, real* y, void* kept, Pool* pool);
void max_pool_backward(const PoolShape& s, Index n, const real* dy, const void* kept, real* dx,
                       Pool* pool);
void average_pool_forward(const PoolShape& s, Index n, const real* x, real* y, Pool* pool);
void average_pool_backward(const PoolShape& s, Index n, const real* dy, real* dx, Pool* pool);

}  // namespace pyseq::PYSEQ_NS
