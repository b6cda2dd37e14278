// y[..., k, ...] = x[..., index[k], ...] along one axis    x (N, ...)  y (N, ...)
// Attribute axis. Indices: attribute `indices`, or a variable (K), or a second input of x's shape
// but for the axis, whose elements are then taken one by one. Gradients of an element that is taken
// several times add up, in the order of the indices.
#include "kernels/gather_plan.h"

namespace pyseq::PYSEQ_NS {
namespace {

void plan(Plan& p) {
  GatherWalk& w = p.config<GatherWalk>();
  Shape y;
  w = make_gather(p, y);
  p.output(y);
  if (w.source == GatherWalk::kAlong) p.backward_reads_input(1);
  p.flops(static_cast<double>(w.y_size()), static_cast<double>(w.x_size() + w.y_size()));
}

// f(first of x, first of y, place, count): runs of elements that move together, for sample and
// outer dimensions [begin, end).
template <class F>
PYSEQ_INLINE void for_picks(const Run& r, const GatherWalk& w, Index begin, Index end, F&& f) {
  const real *variable = nullptr, *along = nullptr;
  if (w.source == GatherWalk::kVariable) variable = r.param(0);
  if (w.source == GatherWalk::kAlong) along = r.x(1);
  for (Index o = begin; o < end; ++o) {
    const Index x = o * w.axis * w.inner, y = o * w.count * w.inner;
    for (Index k = 0; k < w.count; ++k) {
      const Index at = y + k * w.inner;
      if (along) {
        for (Index j = 0; j < w.inner; ++j)
          f(x + place_of(along[at + j], w.axis) * w.inner + j, at + j, Index{1});
        continue;
      }
      const Index i = variable ? place_of(variable[k], w.axis) : w.index[k];
      f(x + i * w.inner, at, w.inner);
    }
  }
}

void forward(const Run& r) noexcept {
  const GatherWalk& w = r.config<GatherWalk>();
  const real* x = r.x();
  real* y = r.y();
  const Index grain = 1 + 8192 / (w.count * w.inner + 1);
  parallel_for(r.pool, r.n * w.outer, grain, [&](Index begin, Index end, int) {
    for_picks(r, w, begin, end, [&](Index from, Index to, Index count) {
      if (count == 1) y[to] = x[from];
      else __builtin_memcpy(y + to, x + from, static_cast<std::size_t>(count) * sizeof(real));
    });
  });
}

void backward(const Run& r) noexcept {
  const GatherWalk& w = r.config<GatherWalk>();
  if (w.source == GatherWalk::kAlong && r.dx(1))
    __builtin_memset(r.dx(1), 0, static_cast<std::size_t>(r.n * w.y_size()) * sizeof(real));
  if (!r.dx()) return;
  const real* dy = r.dy();
  real* dx = r.dx();
  const Index row = w.axis * w.inner, grain = 1 + 8192 / (row + w.count * w.inner + 1);
  parallel_for(r.pool, r.n * w.outer, grain, [&](Index begin, Index end, int) {
    const auto bytes = static_cast<std::size_t>((end - begin) * row) * sizeof(real);
    __builtin_memset(dx + begin * row, 0, bytes);
    for_picks(r, w, begin, end, [&](Index to, Index from, Index count) {
      for (Index j = 0; j < count; ++j) dx[to + j] += dy[from + j];
    });
  });
}

}  // namespace

extern const OpDef op_gather;
const OpDef op_gather{"gather", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
