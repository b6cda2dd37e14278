#pragma once
// What the passes of a depthwise convolution share.
#include "kernels/conv_pass.h"
#include "kernels/depthwise.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Range {
  Index begin, end;
};

PYSEQ_INLINE Index ceil_div(Index a, Index b) { return a > 0 ? (a + b - 1) / b : -(-a / b); }

// Taps of axis `a` that fall inside the input for output o.
PYSEQ_INLINE Range valid_taps(const PassAxis& a, Index o) {
  const Index at = o * a.stride + a.first;
  Range r{most(0, ceil_div(-at, a.step)), least(a.taps, ceil_div(a.in - at, a.step))};
  if (r.end < r.begin) r.end = r.begin;
  return r;
}

// Outputs of axis `a` for which every tap falls inside the input.
PYSEQ_INLINE Range whole_outputs(const PassAxis& a) {
  const Index span = (a.taps - 1) * a.step;
  Range r{most(0, ceil_div(-a.first, a.stride)),
          least(a.out, ceil_div(a.in - a.first - span, a.stride))};
  if (a.taps == 0 || r.end < r.begin) r = {0, 0};
  return r;
}

PYSEQ_INLINE bool three_neighbours(const PassAxis& a) {
  return a.taps == 3 && a.step == 1 && a.stride <= 2;
}

PYSEQ_INLINE PassAxis forward_axis(const ConvAxis& c) {
  return {c.in, c.out, c.stride, c.kernel, -c.pad, c.dilation, 0, 1, 0, 1, c.out};
}

template <bool Partial>
PYSEQ_INLINE V get(const real* p, int lanes) {
  return Partial ? load_partial(p, lanes) : load(p);
}

}  // namespace
}  // namespace pyseq::PYSEQ_NS
