#pragma once
// Pooling windows: shapes as kernels/pool.h has them, divisions ready for kernels.
#include "cuda/divide.h"

namespace pyseq::cuda {

// One axis. Window o is [o * stride - pad, + size), or [floor(o in / out), ceil((o + 1) in / out)) if
// `adaptive`; what lies outside [0, in) does not count.
struct PoolAxis {
  int in = 1, out = 1, size = 1, stride = 1, pad = 0;
  bool adaptive = false;
  Divider by_in, by_out, by_stride;
};

struct PoolShape {
  PoolAxis axis[3];
  Index channels = 1;
  Divider by_channels;

  PYSEQ_DEVICE Index taps() const { return static_cast<Index>(axis[0].size) * axis[1].size * axis[2].size; }
  PYSEQ_DEVICE Index in_size() const { return channels * axis[0].in * axis[1].in * axis[2].in; }
  PYSEQ_DEVICE Index out_size() const { return channels * axis[0].out * axis[1].out * axis[2].out; }
  bool small_positions() const { return taps() <= 256; }
};

PoolShape pool_shape_from(const Plan& plan, const Shape& x, bool adaptive);
Shape pool_output(const PoolShape& s, int rank);
// Floats of one sample for the positions of the maxima.
Index max_pool_kept(const PoolShape& s);

// `kept` may be null.
void max_pool_forward(DeviceStream* stream, const PoolShape& s, Index n, const float* x, float* y, void* kept);
void max_pool_backward(DeviceStream* stream, const PoolShape& s, Index n, const float* dy, const void* kept,
                       float* dx);
void average_pool_forward(DeviceStream* stream, const PoolShape& s, Index n, const float* x, float* y);
void average_pool_backward(DeviceStream* stream, const PoolShape& s, Index n, const float* dy, float* dx);

}  // namespace pyseq::cuda
