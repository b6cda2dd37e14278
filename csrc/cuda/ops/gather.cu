#include "cuda/divide.h"
#define PYSEQ_NS cuda
#include "kernels/gather_plan.h"

namespace pyseq::cuda {
namespace {

void plan(Plan& p) {
  GatherWalk& w = p.config<GatherWalk>();
  Shape y;
  w = make_gather(p, y);
  p.output(y);
  if (w.source == GatherWalk::kAlong) p.backward_reads_input(1);
}

// Where element (k, column) of y comes from along the axis.
struct Picks {
  GatherWalk walk;
  const float* index;  // a variable, or one for each element of y; null: listed
  Divider by_inner, by_count;

  __device__ Index place(Index y, Index k) const {
    if (walk.source == GatherWalk::kAlong) return place_of(index[y], walk.axis);
    return index ? place_of(index[k], walk.axis) : walk.index[k];
  }
};

Picks picks(const Run& r, const GatherWalk& w) {
  const float* index = nullptr;
  if (w.source == GatherWalk::kVariable) index = r.param(0);
  if (w.source == GatherWalk::kAlong) index = r.x(1);
  return {w, index, Divider(w.inner), Divider(w.count)};
}

void forward(const Run& r) noexcept {
  const GatherWalk& w = r.config<GatherWalk>();
  const Picks p = picks(r, w);
  const float* x = r.x();
  float* y = r.y();
  for_each(r.stream, r.n * w.y_size(), [=] __device__(Index i) {
    const Index line = p.by_inner.quotient(i), o = p.by_count.quotient(line);
    const Index j = i - line * p.walk.inner, k = line - o * p.walk.count;
    y[i] = x[(o * p.walk.axis + p.place(i, k)) * p.walk.inner + j];
  });
}

// Enough columns to give a thread each; else a thread for each element looks for who took it.
constexpr Index kManyColumns = 132 * 16;

void backward(const Run& r) noexcept {
  const GatherWalk& w = r.config<GatherWalk>();
  if (w.source == GatherWalk::kAlong && r.dx(1)) zero_floats(r.stream, r.dx(1), r.n * w.y_size());
  if (!r.dx()) return;
  const Picks p = picks(r, w);
  const float* dy = r.dy();
  float* dx = r.dx();
  const Index columns = r.n * w.outer * w.inner;
  if (columns >= kManyColumns) {
    zero_floats(r.stream, dx, r.n * w.x_size());
    for_each(r.stream, columns, [=] __device__(Index c) {
      const Index o = p.by_inner.quotient(c), j = c - o * p.walk.inner;
      for (Index k = 0; k < p.walk.count; ++k) {
        const Index y = (o * p.walk.count + k) * p.walk.inner + j;
        dx[(o * p.walk.axis + p.place(y, k)) * p.walk.inner + j] += dy[y];
      }
    });
    return;
  }
  const Divider by_axis(w.axis);
  for_each(r.stream, r.n * w.x_size(), [=] __device__(Index i) {
    const Index line = p.by_inner.quotient(i), o = by_axis.quotient(line);
    const Index j = i - line * p.walk.inner, own = line - o * p.walk.axis;
    float sum = 0;
    for (Index k = 0; k < p.walk.count; ++k) {
      const Index y = (o * p.walk.count + k) * p.walk.inner + j;
      if (p.place(y, k) == own) sum += dy[y];
    }
    dx[i] = sum;
  });
}

}  // namespace

extern const OpDef op_gather;
const OpDef op_gather{"gather", plan, forward, backward};

}  // namespace pyseq::cuda
