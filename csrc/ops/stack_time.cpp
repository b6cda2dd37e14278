// y[:, t] = x_t    T inputs x_t (N, ...)  y (N, T, ...)
#include "core/op.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Index t, inner;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0, 0, kMaxRank - 1);
  c.t = p.inputs();
  c.inner = x.size();
  Shape y;
  y.push(c.t);
  for (int d = 0; d < x.rank; ++d) y.push(x[d]);
  for (int t = 1; t < c.t; ++t)
    if (p.input(t).size() != c.inner) p.fail("expected inputs of one shape");
  p.output(y);
  p.flops(0, 0);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  real* y = r.y();
  for (int t = 0; t < c.t; ++t) {
    const real* x = r.x(t);
    for (Index n = 0; n < r.n; ++n)
      __builtin_memcpy(y + (n * c.t + t) * c.inner, x + n * c.inner, c.inner * sizeof(real));
  }
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* dy = r.dy();
  for (int t = 0; t < c.t; ++t) {
    real* dx = r.dx(t);
    for (Index n = 0; dx && n < r.n; ++n)
      __builtin_memcpy(dx + n * c.inner, dy + (n * c.t + t) * c.inner, c.inner * sizeof(real));
  }
}

}  // namespace

extern const OpDef op_stack_time;
const OpDef op_stack_time{"stack_time", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
