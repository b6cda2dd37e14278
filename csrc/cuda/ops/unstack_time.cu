#include "cuda/time_steps.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Index t, inner;
};

void plan(Plan& p) {
  const Shape x = p.input(0);
  if (x.rank < 1) p.fail("expected an input with a time dimension");
  Config& c = p.config<Config>();
  c.t = x[0];
  c.inner = x.size(1, x.rank);
  Shape y;
  for (int d = 1; d < x.rank; ++d) y.push(x[d]);
  for (Index t = 0; t < c.t; ++t) p.output(y);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  unstack_steps(r.stream, r.n, c.t, c.inner, r.x(), r.y_);
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (r.dx()) stack_steps(r.stream, r.n, c.t, c.inner, r.dy_, r.dx());
}

}  // namespace

extern const OpDef op_unstack_time;
const OpDef op_unstack_time{"unstack_time", plan, forward, backward};

}  // namespace pyseq::cuda
