// y = x[begin : : step], `size` elements along each axis    x (N, ...)  y (N, ...)
// Attributes begin, size, step: one number for each axis of a sample; step may be negative.
#include "kernels/slice_plan.h"

namespace pyseq::PYSEQ_NS {
namespace {

void plan(Plan& p) {
  SliceWalk& w = p.config<SliceWalk>();
  Shape y;
  w = make_slice(p, y);
  p.output(y);
  if (w.copies_all()) p.alias();
  p.flops(static_cast<double>(w.y_size), static_cast<double>(w.x_size));
}

// f(first of y, first of x, how many, step in x) for the runs of the last axis of one sample.
template <class F>
PYSEQ_INLINE void for_slice_runs(const SliceWalk& w, F&& f) {
  if (w.rank == 0 || w.y_size == 0) {
    if (w.y_size > 0) f(0, 0, 1, 1);
    return;
  }
  const int last = w.rank - 1;
  Index at[kMaxRank] = {};
  Index from = w.offset;
  for (Index to = 0; to < w.y_size; to += w.dim[last]) {
    f(to, from, w.dim[last], w.stride[last]);
    for (int k = last - 1; k >= 0; --k) {
      from += w.stride[k];
      if (++at[k] < w.dim[k]) break;
      from -= at[k] * w.stride[k];
      at[k] = 0;
    }
  }
}

void forward(const Run& r) noexcept {
  const SliceWalk& w = r.config<SliceWalk>();
  parallel_for(r.pool, r.n, 1 + 16384 / (w.y_size + 1), [&](Index begin, Index end, int) {
    for (Index n = begin; n < end; ++n) {
      const real* x = static_cast<const real*>(r.x()) + n * w.x_size;
      real* y = static_cast<real*>(r.y()) + n * w.y_size;
      for_slice_runs(w, [&](Index to, Index from, Index count, Index step) {
        if (step == 1)
          __builtin_memcpy(y + to, x + from, static_cast<std::size_t>(count) * sizeof(real));
        else
          for (Index i = 0; i < count; ++i) y[to + i] = x[from + i * step];
      });
    }
  });
}

void backward(const Run& r) noexcept {
  const SliceWalk& w = r.config<SliceWalk>();
  if (!r.dx()) return;
  parallel_for(r.pool, r.n, 1 + 16384 / (w.x_size + 1), [&](Index begin, Index end, int) {
    for (Index n = begin; n < end; ++n) {
      const real* dy = static_cast<const real*>(r.dy()) + n * w.y_size;
      real* dx = static_cast<real*>(r.dx()) + n * w.x_size;
      if (w.y_size != w.x_size)
        __builtin_memset(dx, 0, static_cast<std::size_t>(w.x_size) * sizeof(real));
      for_slice_runs(w, [&](Index from, Index to, Index count, Index step) {
        if (step == 1)
          __builtin_memcpy(dx + to, dy + from, static_cast<std::size_t>(count) * sizeof(real));
        else
          for (Index i = 0; i < count; ++i) dx[to + i * step] = dy[from + i];
      });
    }
  });
}

}  // namespace

extern const OpDef op_slice;
const OpDef op_slice{"slice", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
