// y = the K steps before x, then x; they are kept in v    x (N, T, ...)  v (rows, K, ...)  y (N, K + T, ...)
#include "core/op.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Index rows, kept, steps, inner;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  Shape x = p.input(0, 1);
  const Shape v = p.param(0, "steps to keep", x.rank + 1, x.rank + 1);
  c.rows = v[0], c.kept = v[1], c.steps = x[0], c.inner = x.size(1, x.rank);
  Shape expected = Shape::of(c.rows, c.kept);
  for (int i = 1; i < x.rank; ++i) expected.push(x[i]);
  p.param(0, expected, "steps to keep");
  x[0] += c.kept;
  p.output(x);
  p.writes_param(0);
  p.flops(static_cast<double>(x.size()), static_cast<double>(x.size()));
}

void copy(real* to, const real* from, Index n) {
  __builtin_memmove(to, from, static_cast<std::size_t>(n) * sizeof(real));
}

// Rows beyond those of the variable begin with zeros.
void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real *x = r.x(), *v = r.param(0);
  real* y = r.y();
  const Index kept = c.kept * c.inner, row = c.steps * c.inner;
  parallel_for(r.pool, r.n, 16384 / (kept + row) + 1, [&](Index begin, Index end, int) {
    for (Index n = begin; n < end; ++n) {
      real* to = y + n * (kept + row);
      if (n < c.rows) copy(to, v + n * kept, kept);
      else __builtin_memset(to, 0, static_cast<std::size_t>(kept) * sizeof(real));
      copy(to + kept, x + n * row, row);
    }
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index kept = c.kept * c.inner, row = c.steps * c.inner;
  const real* dy = r.dy();
  if (real* dx = r.dx(); dx)
    for (Index n = 0; n < r.n; ++n) copy(dx + n * row, dy + n * (kept + row) + kept, row);
  if (real* dv = r.dparam(0); dv) {
    __builtin_memset(dv, 0, static_cast<std::size_t>(c.rows * kept) * sizeof(real));
    for (Index n = 0; n < r.n && n < c.rows; ++n) copy(dv + n * kept, dy + n * (kept + row), kept);
  }
}

void after(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* x = r.x();
  real* v = r.param(0);
  const Index kept = c.kept * c.inner, row = c.steps * c.inner;
  for (Index n = 0; n < r.n && n < c.rows; ++n) {
    real* to = v + n * kept;
    if (row < kept) copy(to, to + row, kept - row);
    const Index fresh = row < kept ? row : kept;
    copy(to + kept - fresh, x + n * row + row - fresh, fresh);
  }
}

}  // namespace

extern const OpDef op_delay;
const OpDef op_delay{"delay", plan, forward, backward, nullptr, after};

}  // namespace pyseq::PYSEQ_NS
