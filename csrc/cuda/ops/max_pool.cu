// Of equal maxima the first has the gradient.
#include "cuda/pool.h"

namespace pyseq::cuda {
namespace {

struct Config {
  PoolShape shape;
  bool keeps;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  c.shape = pool_shape_from(p, x, false);
  p.output(pool_output(c.shape, x.rank - 1));
  c.keeps = p.training();
  if (c.keeps) p.keep(max_pool_kept(c.shape));
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  max_pool_forward(r.stream, c.shape, r.n, r.x(), r.y(), c.keeps ? r.kept().p : nullptr);
}

void backward(const Run& r) noexcept {
  if (r.dx()) max_pool_backward(r.stream, r.config<Config>().shape, r.n, r.dy(), r.kept().p, r.dx());
}

}  // namespace

extern const OpDef op_max_pool;
const OpDef op_max_pool{"max_pool", plan, forward, backward};

}  // namespace pyseq::cuda
