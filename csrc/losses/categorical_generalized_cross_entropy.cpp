// (1 - p[y]^q) / q over the last axis    p (N, ..., K)  y (N, ...) labels
// p[y] = 0 if y is no class.
#include "kernels/loss_util.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Axis axis;
  real q;
};

template <bool kGradient>
PYSEQ_INLINE void run(const Run& r) {
  const Config& c = r.config<Config>();
  const real *x = r.x(0), *y = r.x(1), *scale = r.x(2);
  real *value = r.y(), *dx = r.dx(0);
  const real classes = static_cast<real>(c.axis.size);
  for_rows(r, c.axis, [&](auto lines, Index at, Index row) {
    const V label = lines.load_row(y + row);
    const VI known = (label > -1) & (label < classes);
    const VI wanted = __builtin_convertvector(select(known, label, splat(-1)), VI);
    V chosen{};
    lines.each([&](Index i, int n, VI k) {
      chosen += select(k == wanted, lines.load(x + at + i, n), V{});
    });
    const V p = lines.sum(chosen);
    lines.store_row(value + row, (1 - pow_v(p, c.q)) / c.q);
    if (!kGradient) return;
    const V slope = -lines.load_row(scale + row) * pow_v(p, c.q - 1);
    lines.each([&](Index i, int n, VI k) {
      lines.store(dx + at + i, select(k == wanted, slope, V{}), n);
    });
  });
}

void plan(Plan& p) {
  const Axis axis = plan_rows(p, -1);
  check_labels(p, axis);
  p.config<Config>() = {axis, static_cast<real>(p.number("q", 0.5))};
}

void forward(const Run& r) noexcept {
  if (r.dx(0)) run<true>(r);
  else run<false>(r);
}

}  // namespace

extern const OpDef loss_categorical_generalized_cross_entropy;
const OpDef loss_categorical_generalized_cross_entropy{"categorical_generalized_cross_entropy",
                                                       plan, forward, nullptr};

}  // namespace pyseq::PYSEQ_NS
