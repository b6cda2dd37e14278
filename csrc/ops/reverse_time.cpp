// y_t = x_{T-1-t}    x (N, T, ...)  y (N, T, ...)
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
  p.output(x);
  p.flops(0, 0);
}

void reverse(const Run& r, const real* x, real* y) {
  const Config& c = r.config<Config>();
  const Index row = c.t * c.inner;
  parallel_for(r.pool, r.n, 16384 / (row + 1) + 1, [&](Index begin, Index end, int) {
    for (Index n = begin; n < end; ++n)
      for (Index t = 0; t < c.t; ++t)
        __builtin_memcpy(y + n * row + t * c.inner, x + n * row + (c.t - 1 - t) * c.inner,
                         c.inner * sizeof(real));
  });
}

void forward(const Run& r) noexcept { reverse(r, r.x(), r.y()); }
void backward(const Run& r) noexcept {
  if (r.dx()) reverse(r, r.dy(), r.dx());
}

}  // namespace

extern const OpDef op_reverse_time;
const OpDef op_reverse_time{"reverse_time", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
