// y = max over the window of x   x (N, ..., C)  y (N, ..., C); of equal maxima the first has the
// gradient.
#include "kernels/pool.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  PoolShape shape;
  int kept;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  c.shape = pool_shape_from(p, x, false);
  const Shape y = pool_output(c.shape, x.rank - 1);
  p.output(y);
  c.kept = p.training() ? p.keep(max_pool_kept(c.shape)) : -1;
  p.flops(static_cast<double>(y.size()) * static_cast<double>(c.shape.taps()), static_cast<double>(x.size() + y.size()));
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  void* kept = c.kept >= 0 && r.kept_ ? static_cast<real*>(r.kept(c.kept)) : nullptr;
  max_pool_forward(c.shape, r.n, r.x(), r.y(), kept, r.pool);
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (!r.dx()) return;
  const real* kept = r.kept(c.kept);
  max_pool_backward(c.shape, r.n, r.dy(), kept, r.dx(), r.pool);
}

}  // namespace

extern const OpDef op_max_pool;
const OpDef op_max_pool{"max_pool", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
