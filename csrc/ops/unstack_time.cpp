// y_t = x[:, t] as T outputs    x (N, T, ...)  y_t (N, ...)
#include "core/op.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Index t, inner;
};

void plan(Plan& p) {
  const Shape x = p.input(0, 1);
  Config& c = p.config<Config>();
  c.t = x[0];
  c.inner = x.size(1, x.rank);
  Shape y;
  for (int d = 1; d < x.rank; ++d) y.push(x[d]);
  for (Index t = 0; t < c.t; ++t) p.output(y);
  p.flops(0, 0);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* x = r.x();
  for (int t = 0; t < c.t; ++t) {
    real* y = r.y(t);
    for (Index n = 0; n < r.n; ++n)
      __builtin_memcpy(y + n * c.inner, x + (n * c.t + t) * c.inner, c.inner * sizeof(real));
  }
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  real* dx = r.dx();
  if (!dx) return;
  for (int t = 0; t < c.t; ++t) {
    const real* dy = r.dy(t);
    for (Index n = 0; n < r.n; ++n) {
      real* to = dx + (n * c.t + t) * c.inner;
      if (dy) __builtin_memcpy(to, dy + n * c.inner, c.inner * sizeof(real));
      else __builtin_memset(to, 0, c.inner * sizeof(real));
    }
  }
}

}  // namespace

extern const OpDef op_unstack_time;
const OpDef op_unstack_time{"unstack_time", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
