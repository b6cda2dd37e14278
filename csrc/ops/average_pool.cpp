// y = mean over the part of the window that lies inside x   x (N, ..., C)  y (N, ..., C)
#include "kernels/pool.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  PoolShape shape;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  c.shape = pool_shape_from(p, x, false);
  const Shape y = pool_output(c.shape, x.rank - 1);
  p.output(y);
  p.flops(static_cast<double>(y.size()) * static_cast<double>(c.shape.taps()),
          static_cast<double>(y.size()) * static_cast<double>(c.shape.taps()));
}

void forward(const Run& r) noexcept {
  average_pool_forward(r.config<Config>().shape, r.n, r.x(), r.y(), r.pool);
}

void backward(const Run& r) noexcept {
  if (r.dx()) average_pool_backward(r.config<Config>().shape, r.n, r.dy(), r.dx(), r.pool);
}

}  // namespace

extern const OpDef op_average_pool;
const OpDef op_average_pool{"average_pool", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
