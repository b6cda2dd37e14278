#pragma once
// One pass of a convolution as a sum over taps: its packed weights, and the run over its boxes.
#include "kernels/conv_pass.h"

namespace pyseq::PYSEQ_NS {

struct PassWeights {
  const real* w;
  Index kernel_h, kernel_w;
  Index channels, filters, group_filters;  // of w: (taps, channels, filters)
  bool transposed;                         // contract over filters
};

PYSEQ_INLINE Index packed_columns(Index fg) { return round_to(fg, kLanes); }

// Sizes of the packed weights of a pass do not depend on the number of rows.
PYSEQ_INLINE Index packed_reals(const Pass& p) {
  return round_to(p.a[0].taps * p.a[1].taps * p.a[2].taps * p.cg * p.groups * packed_columns(p.fg),
                  kLanes);
}

// Weights as run_pass reads them; `scale`, unless null, multiplies each output channel.
void pack_pass(Pool* pool, Pass p, const PassWeights& w, const real* scale, real* packed);

// Reals of shared scratch that a pass of so many taps needs before its packed weights.
PYSEQ_INLINE Index segment_reals(Index taps) {
  return round_to(2 * taps * static_cast<Index>(sizeof(Index) / sizeof(real)), kLanes);
}

// With `kept`, weights as pack_pass left them, w is not read.
void run_pass(Pass& p, const ConvSource& src, const PassWeights& w, const ConvTarget& target,
              const ConvWork& work, const real* kept = nullptr);

}  // namespace pyseq::PYSEQ_NS
