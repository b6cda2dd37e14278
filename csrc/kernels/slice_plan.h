#pragma once
// x[begin : : step] of `size` elements along every dimension of a sample.
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {

struct SliceWalk {
  int rank;
  Index x_size, y_size, offset;          // elements of a sample; where the first one lies in x
  Index dim[kMaxRank], stride[kMaxRank];  // of y, and their strides in x

  // y is x.
  PYSEQ_INLINE bool copies_all() const {
    bool all = y_size == x_size;
    for (int i = 0; i < rank; ++i) all = all && (dim[i] == 1 || stride[i] > 0);
    return all;
  }
};

namespace {

PYSEQ_INLINE SliceWalk make_slice(const Plan& p, Shape& y) {
  const Shape x = p.input(0);
  Index begin[kMaxRank], size[kMaxRank], step[kMaxRank];
  if (p.integers("begin", begin, kMaxRank) != x.rank ||
      p.integers("size", size, kMaxRank, at_least(0)) != x.rank || p.integers("step", step, kMaxRank) != x.rank)
    p.fail("expected begin, size and step for each of %d dimensions", x.rank);
  SliceWalk w{};
  w.rank = x.rank;
  y = Shape{};
  Index stride = 1;
  for (int i = x.rank; i-- > 0;) {
    const Index d = x.dim[i], by = step[i];
    const bool inside = by != 0 && begin[i] < d && begin[i] >= 0;
    // Divided, not multiplied: nothing can overflow.
    if (size[i] != 0 &&
        (!inside || size[i] - 1 > (by > 0 ? (d - 1 - begin[i]) / by : begin[i] / -by)))
      p.fail("expected a slice inside %lld elements along dimension %d, got %lld from %lld by %lld",
             static_cast<long long>(d), i, static_cast<long long>(size[i]),
             static_cast<long long>(begin[i]), static_cast<long long>(step[i]));
    w.dim[i] = size[i];
    w.stride[i] = size[i] > 1 ? by * stride : stride;
    if (size[i] > 0) w.offset += begin[i] * stride;
    stride *= d;
  }
  for (int i = 0; i < x.rank; ++i) y.push(size[i]);
  w.x_size = stride;
  w.y_size = y.size();
  return w;
}

}  // namespace
}  // namespace pyseq::PYSEQ_NS
