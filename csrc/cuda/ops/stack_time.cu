#include "cuda/time_steps.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Index t, inner;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  c.t = p.inputs();
  c.inner = x.size();
  if (x.rank + 1 > kMaxRank) p.fail("expected at most %d dimensions", kMaxRank - 1);
  Shape y;
  y.push(c.t);
  for (int d = 0; d < x.rank; ++d) y.push(x[d]);
  p.output(y);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  stack_steps(r.stream, r.n, c.t, c.inner, r.x_, r.y());
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  unstack_steps(r.stream, r.n, c.t, c.inner, r.dy(), r.dx_);
}

}  // namespace

extern const OpDef op_stack_time;
const OpDef op_stack_time{"stack_time", plan, forward, backward};

}  // namespace pyseq::cuda
