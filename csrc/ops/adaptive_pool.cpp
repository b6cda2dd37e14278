// y[i] = max or mean (attribute `mode`) over x[floor(i L / o), ceil((i + 1) L / o)) along each axis
// x (N, ..., C)  y (N, ..., C)
#include "kernels/pool.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  PoolShape shape;
  bool max;
  int kept;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  const char* mode = p.text("mode");
  c.max = __builtin_strcmp(mode, "max") == 0;
  if (!c.max && __builtin_strcmp(mode, "average") != 0)
    p.fail("expected `mode` to be max or average, got %s", mode);
  c.shape = pool_shape_from(p, x, true);
  const Shape y = pool_output(c.shape, x.rank - 1);
  p.output(y);
  c.kept = c.max && p.training() ? p.keep(max_pool_kept(c.shape)) : -1;
  const double work = c.shape.covered() * static_cast<double>(c.shape.channels);
  p.flops(work, work);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (c.max) {
    void* kept = c.kept >= 0 && r.kept_ ? static_cast<real*>(r.kept(c.kept)) : nullptr;
    max_pool_forward(c.shape, r.n, r.x(), r.y(), kept, r.pool);
  } else {
    average_pool_forward(c.shape, r.n, r.x(), r.y(), r.pool);
  }
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (!r.dx()) return;
  if (c.max) {
    const real* kept = r.kept(c.kept);
    max_pool_backward(c.shape, r.n, r.dy(), kept, r.dx(), r.pool);
  } else {
    average_pool_backward(c.shape, r.n, r.dy(), r.dx(), r.pool);
  }
}

}  // namespace

extern const OpDef op_adaptive_pool;
const OpDef op_adaptive_pool{"adaptive_pool", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
