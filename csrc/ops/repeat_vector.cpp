// y[t] = x    x (N, D)  y (N, T, D)    attribute n: T
#include "core/op.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Index t, d;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0, 1, 1);
  c.t = p.integer("n", at_least(1));
  c.d = x[0];
  Shape y;
  y.push(c.t);
  y.push(c.d);
  p.output(y);
  p.flops(static_cast<double>(c.t * c.d), static_cast<double>(c.t * c.d));
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* x = r.x();
  real* y = r.y();
  parallel_for(r.pool, r.n * c.t, 1 + 16384 / (c.d + 1), [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i)
      __builtin_memcpy(y + i * c.d, x + i / c.t * c.d,
                       static_cast<std::size_t>(c.d) * sizeof(real));
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  real* dx = r.dx();
  if (!dx) return;
  const real* dy = r.dy();
  parallel_for(r.pool, r.n, 1 + 16384 / (c.t * c.d + 1), [&](Index begin, Index end, int) {
    for (Index n = begin; n < end; ++n) {
      real* out = dx + n * c.d;
      for (Index j = 0; j < c.d; ++j) out[j] = 0;
      for (Index t = 0; t < c.t; ++t) {
        const real* in = dy + (n * c.t + t) * c.d;
        for (Index j = 0; j < c.d; ++j) out[j] += in[j];
      }
    }
  });
}

}  // namespace

extern const OpDef op_repeat_vector;
const OpDef op_repeat_vector{"repeat_vector", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
