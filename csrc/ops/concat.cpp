// y = x_0, x_1, ... one after another along an axis    x_i (N, ..., d_i, ...)  y (N, ..., sum d_i,
// ...)
#include "core/op.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr int kMaxInputs = 64;

struct Config {
  int inputs;
  Index outer, inner, width;  // per row: outer pieces of width elements
  Index begin[kMaxInputs + 1];
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  c.inputs = p.inputs();
  if (c.inputs < 1 || c.inputs > kMaxInputs)
    p.fail("expected 1 to %d inputs, got %d", kMaxInputs, c.inputs);
  Shape y = p.input(0);
  const int axis = p.axis("axis", y.rank, -1);
  c.outer = y.size(0, axis);
  c.inner = y.size(axis + 1, y.rank);
  y[axis] = 0;
  for (int k = 0; k < c.inputs; ++k) {
    const Shape x = p.input(k);
    if (x.rank != y.rank) p.fail("expected inputs of one rank");
    for (int d = 0; d < y.rank; ++d)
      if (d != axis && x[d] != y[d]) p.fail("expected inputs that differ along one axis only");
    c.begin[k] = y[axis] * c.inner;
    y[axis] += x[axis];
    p.product(c.outer, y[axis], c.inner);
  }
  c.begin[c.inputs] = c.width = y[axis] * c.inner;
  p.output(y);
  p.flops(0, 0);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  real* y = r.y();
  parallel_for(r.pool, r.n * c.outer, 16384 / (c.width + 1) + 1, [&](Index begin, Index end, int) {
    for (Index o = begin; o < end; ++o)
      for (int k = 0; k < c.inputs; ++k) {
        const Index size = c.begin[k + 1] - c.begin[k];
        __builtin_memcpy(y + o * c.width + c.begin[k], static_cast<const real*>(r.x(k)) + o * size,
                         size * sizeof(real));
      }
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* dy = r.dy();
  parallel_for(r.pool, r.n * c.outer, 16384 / (c.width + 1) + 1, [&](Index begin, Index end, int) {
    for (Index o = begin; o < end; ++o)
      for (int k = 0; k < c.inputs; ++k) {
        real* dx = r.dx(k);
        const Index size = c.begin[k + 1] - c.begin[k];
        if (dx) __builtin_memcpy(dx + o * size, dy + o * c.width + c.begin[k], size * sizeof(real));
      }
  });
}

}  // namespace

extern const OpDef op_concat;
const OpDef op_concat{"concat", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
