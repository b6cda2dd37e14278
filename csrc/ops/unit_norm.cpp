// y = x / max(|x|, 1e-12), |x| the Euclidean norm over the last `axes` dimensions (D elements)
// x (N, ..., D)  y (N, ..., D)
#include "core/op.h"
#include "kernels/columns.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr double kLargest = 1e12;

struct Config {
  Index outer, d;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0, 1);
  const int axes = static_cast<int>(p.integer("axes", 1, between(1, x.rank)));
  c.outer = x.size(0, x.rank - axes);
  c.d = x.size(x.rank - axes, x.rank);
  p.output(x);
  p.backward_reads_output(0);
  p.keep(c.outer);
  const double size = static_cast<double>(x.size());
  p.flops(4 * size, 5 * size);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* x = r.x();
  real *y = r.y(), *kept = r.kept();
  const Index d = c.d;
  parallel_for(r.pool, r.n * c.outer, 1 + 8192 / (d + 1), [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      const real* in = x + i * d;
      V square{};
      for_lanes(d, [&](Index j, auto l) {
        const V v = l.get(in + j);
        square += v * v;
      });
      const double norm = __builtin_sqrt(static_cast<double>(horizontal_sum(square)));
      const double inverse = norm > 1 / kLargest ? 1 / norm : kLargest;
      kept[i] = static_cast<real>(inverse);
      const V inv = splat(kept[i]);
      for_lanes(d, [&](Index j, auto l) { l.put(y + i * d + j, l.get(in + j) * inv); });
    }
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real *y = r.y(), *dy = r.dy(), *kept = r.kept();
  real* dx = r.dx();
  if (!dx) return;
  const Index d = c.d;
  parallel_for(r.pool, r.n * c.outer, 1 + 8192 / (d + 1), [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      const real *out = y + i * d, *g = dy + i * d;
      V product{};
      for_lanes(d, [&](Index j, auto l) { product += l.get(out + j) * l.get(g + j); });
      const bool limited = kept[i] == static_cast<real>(kLargest);
      const V along = splat(limited ? 0 : horizontal_sum(product)), inv = splat(kept[i]);
      for_lanes(d, [&](Index j, auto l) {
        l.put(dx + i * d + j, (l.get(g + j) - l.get(out + j) * along) * inv);
      });
    }
  });
}

}  // namespace

extern const OpDef op_unit_norm;
const OpDef op_unit_norm{"unit_norm", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
