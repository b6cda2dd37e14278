// The mean over the part of the window that lies inside.
#include "cuda/pool.h"

namespace pyseq::cuda {
namespace {

void plan(Plan& p) {
  PoolShape& s = p.config<PoolShape>();
  const Shape x = p.input(0);
  s = pool_shape_from(p, x, false);
  p.output(pool_output(s, x.rank - 1));
}

void forward(const Run& r) noexcept {
  average_pool_forward(r.stream, r.config<PoolShape>(), r.n, r.x(), r.y());
}

void backward(const Run& r) noexcept {
  if (r.dx()) average_pool_backward(r.stream, r.config<PoolShape>(), r.n, r.dy(), r.dx());
}

}  // namespace

extern const OpDef op_average_pool;
const OpDef op_average_pool{"average_pool", plan, forward, backward};

}  // namespace pyseq::cuda
