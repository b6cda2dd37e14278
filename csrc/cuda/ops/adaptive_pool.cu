#include "cuda/pool.h"

namespace pyseq::cuda {
namespace {

struct Config {
  PoolShape shape;
  bool max, keeps;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  c.max = __builtin_strcmp(p.text("mode"), "max") == 0;
  c.shape = pool_shape_from(p, x, true);
  p.output(pool_output(c.shape, x.rank - 1));
  c.keeps = c.max && p.training();
  if (c.keeps) p.keep(max_pool_kept(c.shape));
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (c.max) max_pool_forward(r.stream, c.shape, r.n, r.x(), r.y(), c.keeps ? r.kept().p : nullptr);
  else average_pool_forward(r.stream, c.shape, r.n, r.x(), r.y());
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (!r.dx()) return;
  if (c.max) max_pool_backward(r.stream, c.shape, r.n, r.dy(), r.kept().p, r.dx());
  else average_pool_backward(r.stream, c.shape, r.n, r.dy(), r.dx());
}

}  // namespace

extern const OpDef op_adaptive_pool;
const OpDef op_adaptive_pool{"adaptive_pool", plan, forward, backward};

}  // namespace pyseq::cuda
