#pragma once
// Elements of x along one axis, by index: the same for all samples, or one for each element of y.
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {

constexpr int kMaxIndices = 256;  // of an attribute; more come as a variable

struct GatherWalk {
  Index outer, axis, inner;  // of a sample of x
  Index count;               // of y along the axis
  enum Source : int { kListed, kVariable, kAlong } source;
  std::int32_t index[kMaxIndices];

  PYSEQ_DEVICE PYSEQ_INLINE Index x_size() const { return outer * axis * inner; }
  PYSEQ_DEVICE PYSEQ_INLINE Index y_size() const { return outer * count * inner; }
};

// A place inside the axis: negative indices count from its end, others are cut to what there is.
template <class T>
PYSEQ_DEVICE PYSEQ_INLINE Index place_of(T index, Index axis) {
  const T n = static_cast<T>(axis);
  const T i = index < 0 ? index + n : index;
  return i >= n ? axis - 1 : i > 0 ? static_cast<Index>(i) : 0;
}

namespace {

PYSEQ_INLINE GatherWalk make_gather(const Plan& p, Shape& y) {
  GatherWalk w{};
  y = p.input(0);
  const int axis = p.axis("axis", y.rank);
  w.outer = y.size(0, axis), w.axis = y.dim[axis], w.inner = y.size(axis + 1, y.rank);
  if (w.axis < 1) p.fail("expected at least one element along the axis");
  if (p.inputs() == 2) {
    const Shape of = p.input(1);
    bool fits = of.rank == y.rank;
    for (int i = 0; fits && i < y.rank; ++i) fits = i == axis || of.dim[i] == y.dim[i];
    if (!fits) p.fail("expected indices of the input's shape but for the axis");
    w.source = GatherWalk::kAlong;
    w.count = of.dim[axis];
  } else if (p.params() == 1) {
    w.source = GatherWalk::kVariable;
    w.count = p.param(0, "a list of indices", 1, 1)[0];
  } else {
    Index list[kMaxIndices];
    w.source = GatherWalk::kListed;
    w.count = p.integers("indices", list, kMaxIndices);
    for (Index i = 0; i < w.count; ++i) {
      if (list[i] < -w.axis || list[i] >= w.axis)
        p.fail("expected indices below %lld, got %lld", static_cast<long long>(w.axis),
               static_cast<long long>(list[i]));
      w.index[i] = static_cast<std::int32_t>(place_of(list[i], w.axis));
    }
  }
  y.dim[axis] = w.count;
  return w;
}

}  // namespace
}  // namespace pyseq::PYSEQ_NS
