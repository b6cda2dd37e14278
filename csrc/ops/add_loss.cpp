// y = x; loss += scale sum x    x (N, ...)  y (N, ...)
// Attributes: scale (1); once: x is the same in all rows, the first one counts.
#include "kernels/reduction.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Index size;
  double scale;
  bool once;
  Reduction sum;
  int scratch;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  bool all[kMaxRank];
  for (int i = 0; i < kMaxRank; ++i) all[i] = true;
  c.size = x.size();
  c.scale = p.number("scale", 1);
  c.once = p.flag("once");
  c.sum = make_reduction(x, all, true);
  p.output(x);
  p.in_place();
  p.adds_loss();
  const ReductionScratch s = reduction_scratch(c.sum);
  c.scratch = p.scratch(s.per_row, s.fixed + 1);
  p.flops(static_cast<double>(c.size), static_cast<double>(c.size));
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* x = r.x();
  real *y = r.y(), *sum = r.scratch(c.scratch);
  reduce(r.pool, c.sum, kSumOf, c.once ? 1 : r.n, x, sum, sum + 1);
  *r.loss = c.scale * static_cast<double>(*sum);
  if (x == y) return;
  parallel_for(r.pool, r.n * c.size, 65536, [&](Index b, Index e, int) {
    __builtin_memcpy(y + b, x + b, static_cast<std::size_t>(e - b) * sizeof(real));
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  real* dx = r.dx();
  if (!dx) return;
  const real* dy = r.dy();
  const real scale = static_cast<real>(c.scale);
  const Index counted = c.once ? c.size : r.n * c.size;
  parallel_for(r.pool, r.n * c.size, 16384, [&](Index b, Index e, int) {
    for (Index i = b; i < e; ++i) dx[i] = (dy ? dy[i] : 0) + (i < counted ? scale : 0);
  });
}

}  // namespace

extern const OpDef op_add_loss;
const OpDef op_add_loss{"add_loss", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
