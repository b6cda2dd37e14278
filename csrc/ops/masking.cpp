// mask = any(x != value), y = x mask    x (N, ..., D)  y (N, ..., D)  mask (N, ...)
#include "core/op.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  real value;
  Index steps, d;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0, 1);
  c.value = static_cast<real>(p.number("mask_value"));
  c.d = x[-1];
  c.steps = x.size(0, x.rank - 1);
  Shape mask = x;
  mask.rank -= 1;
  p.output(x);
  p.output(mask);
  p.backward_reads_output(1);
  p.flops(2.0 * static_cast<double>(x.size()), static_cast<double>(x.size()));
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* x = r.x();
  real *y = r.y(), *mask = r.y(1);
  parallel_for(r.pool, r.n * c.steps, 1 + 16384 / (c.d + 1), [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      const real* in = x + i * c.d;
      bool any = false;
      for (Index j = 0; j < c.d; ++j) any |= in[j] != c.value;
      mask[i] = any;
      for (Index j = 0; j < c.d; ++j) y[i * c.d + j] = any ? in[j] : 0;
    }
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  real* dx = r.dx();
  if (!dx) return;
  const real *dy = r.dy(), *mask = r.y(1);
  parallel_for(r.pool, r.n * c.steps, 1 + 16384 / (c.d + 1), [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i)
      for (Index j = 0; j < c.d; ++j) dx[i * c.d + j] = mask[i] != 0 && dy ? dy[i * c.d + j] : 0;
  });
}

}  // namespace

extern const OpDef op_masking;
const OpDef op_masking{"masking", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
