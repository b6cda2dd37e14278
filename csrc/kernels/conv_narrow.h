#pragma once
// Few output channels: vectors run along the contraction instead of along the channels.
#include "kernels/conv_pass.h"

namespace pyseq::PYSEQ_NS {

constexpr int kNarrowFilters = 4;  // output channels of one register tile

// Whether it pays: contiguous runs of `length` reals, `filters` output channels of a group.
PYSEQ_INLINE bool narrow_pass(Index length, Index filters) {
  return filters <= kLanes / 2 && length >= kLanes;
}

// Runs of the contraction: `length` reals of a pixel row from offset x[s], rows from row[s] of the
// packed weights.
struct Segments {
  Index count, length;
  const Index* x;
  const Index* row;
};

struct NarrowStore {
  real* y;
  const Index* offset;
  const real* bias;  // kNarrowFilters values
  bool relu;
};

// y[offset[i] + f] = sum over segments s and k of x[pixel[i] + s.x + k] w[f][s.row + k] + bias[f]
// for `pixels` pixels and `filters` <= kNarrowFilters filters, whose weights are `depth` apart.
void narrow_tiles(const real* x, const Index* pixel, Index pixels, const Segments& segments,
                  const real* w, Index depth, int filters, const NarrowStore& out);

}  // namespace pyseq::PYSEQ_NS
