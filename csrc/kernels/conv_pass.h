#pragma once
// Geometry that the three passes of a convolution share: a walk over boxes of output pixels, each
// of which reads its inputs in place or from a zero-padded copy that stays in the L2 cache.
#include "kernels/conv.h"
#include "kernels/simd.h"

namespace pyseq::PYSEQ_NS {

// One axis of a pass: pixel o reads inputs o * stride + first + t * step, t in [0, taps), with the
// weights of tap w_first + t * w_step, and is stored at out_first + o * out_step.
struct PassAxis {
  Index in, out, stride, taps, first, step, w_first, w_step, out_first, out_step, out_size;
};

constexpr Index kBoxPixels = 336;       // a multiple of the pixels of one register tile
constexpr Index kBoxReals = 64 * 1024;  // footprint of a box's inputs
constexpr int kMaxTilePixels = 14;

struct Pass {
  Index n;
  PassAxis a[3];
  Index in_c, out_c;     // channels of one pixel
  Index groups, cg, fg;  // contracted and produced channels of one group
  // Derived by `plan_pass`:
  Index segments, length;  // contraction = segments of `length` contiguous reals of an input row
  bool merged;             // a segment runs over all taps along W
  bool copy;               // boxes are copied
  Index box[4];            // N, D, H, W of a box of outputs
  Index count[4];          // boxes along each axis
  Index extent[3];         // inputs that a box reads along each axis
  Index xs[4];             // strides of N, D, H, W in what the tiles read
  Index skew;              // reals added to each copied pixel

  PYSEQ_INLINE Index boxes() const { return count[0] * count[1] * count[2] * count[3]; }
  PYSEQ_INLINE Index copy_reals() const { return copy ? box[0] * xs[0] : 0; }
  PYSEQ_INLINE Index depth() const { return segments * length; }
};

// Pixels [begin, end) of a box for which taps [first[i], last[i]) of axis i lie inside the input.
struct PixelClass {
  Index begin, end;
  Index first[3], last[3];
};
constexpr int kMaxClasses = 27;

// Pixels of one box.
struct BoxPixels {
  Index begin[4], size[4];
  Index pixels;
  int classes;
  PixelClass of_class[kMaxClasses];
  // Offsets from the box's first input and from the output's first real, padded with copies of the
  // last one so that a register tile may run over the end.
  Index x[kBoxPixels + kMaxTilePixels], y[kBoxPixels + kMaxTilePixels];
};

void plan_pass(Pass& p, bool force_copy);
Pass forward_pass(const ConvShape& s, Index n);
// Inputs i = phase + o * stride of one axis: taps t with t * dilation = i + pad (mod stride) read
// outputs (i + pad - t * dilation) / stride, here in ascending order of those.
PassAxis gradient_axis(const ConvAxis& c, Index phase);
// Offsets of the segments of taps [first, last) in what the tiles read, and, unless null, of their
// first rows in the packed weights; returns how many there are.
Index pass_segments(const Pass& p, const Index* first, const Index* last, Index* x, Index* row);
// With `classes`, pixels at a border are put together where that saves multiplying by zeros; the
// pixels of a class, and all without `classes`, are in row-major order.
void box_pixels(const Pass& p, Index index, bool classes, BoxPixels& b);
// Where the tiles of box `b` find their inputs: `buffer`, filled from `src`, or `src` itself.
const real* load_box(const Pass& p, const ConvSource& src, const BoxPixels& b, real* buffer);

PYSEQ_INLINE Index round_to(Index n, Index unit) { return (n + unit - 1) / unit * unit; }
PYSEQ_INLINE Index least(Index a, Index b) { return a < b ? a : b; }
PYSEQ_INLINE Index most(Index a, Index b) { return a > b ? a : b; }
PYSEQ_INLINE Index pieces(Index n, Index unit) { return (n + unit - 1) / unit; }

}  // namespace pyseq::PYSEQ_NS
