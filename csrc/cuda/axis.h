#pragma once
// Work along one axis of a value (outer, axis, inner): each line of the axis is a row of for_rows.
#include "cuda/divide.h"
#include "cuda/rows.h"

namespace pyseq::cuda {

struct Axis {
  Index outer, n, step;  // of one sample; elements of a line, and how far apart
  Divider by_step;

  // Where a line begins.
  __device__ Index begin(Index line) const { return line + by_step.quotient(line) * (n - 1) * step; }
};

// Axes [first, last] of a sample as one.
inline Axis make_axis(const Shape& x, int first, int last) {
  const Index step = x.size(last + 1, x.rank);
  return {x.size(0, first), x.size(first, last + 1), step, Divider(step)};
}

// Where lines lie side by side, a thread takes a line of its own if there are enough of them.
inline int lanes_for_line(const Axis& a, Index lines) {
  const int lanes = lanes_for_row(lines, a.n);
  return a.step >= 16 && (lines >= 132 * 64 || a.n <= 16) ? 1 : lanes;
}

// f(first element of the line, team).
template <class F>
struct LineKernel {
  Axis axis;
  F f;
  __device__ void operator()(Index line, const Team& team) const { f(axis.begin(line), team); }
};

template <class F>
void for_lines(DeviceStream* s, const Axis& a, Index n, F f) {
  const Index lines = n * a.outer * a.step;
  for_rows(s, lines, a.n, lanes_for_line(a, lines), LineKernel<F>{a, f});
}

}  // namespace pyseq::cuda
