// max(max_k (1 - y) p - sum_k y p + 1, 0) over the last axis    p, y (N, ..., K)
#include "kernels/loss_util.h"

namespace pyseq::PYSEQ_NS {
namespace {

template <bool kGradient>
PYSEQ_INLINE void run(const Run& r) {
  const real *p = r.x(0), *y = r.x(1), *scale = r.x(2);
  real *value = r.y(), *dp = r.dx(0);
  const real lowest = static_cast<real>(-__builtin_inf());
  for_rows(r, r.config<Axis>(), [&](auto lines, Index at, Index row) {
    V right{}, wrong = splat(lowest);
    lines.each([&](Index i, int n, VI k) {
      const V q = lines.load(p + at + i, n), t = lines.load(y + at + i, n);
      right += q * t;
      // Lanes beyond the row repeat none of it.
      const V w = (1 - t) * q;
      wrong = max_v(wrong, select(k < static_cast<Lane>(r.config<Axis>().size), w, splat(lowest)));
    });
    const V top = lines.max(wrong);
    const V loss = max_v(V{}, top - lines.sum(right) + 1);
    lines.store_row(value + row, loss);
    if (!kGradient) return;
    // Classes that share the maximum share its gradient.
    V ties{};
    lines.each([&](Index i, int n, VI) {
      const V q = lines.load(p + at + i, n), t = lines.load(y + at + i, n);
      ties += lines.used(select((1 - t) * q == top, splat(1), V{}), n);
    });
    const V s = select(loss > 0, lines.load_row(scale + row), V{});
    const V share = 1 / max_v(splat(1), lines.sum(ties));
    lines.each([&](Index i, int n, VI) {
      const V q = lines.load(p + at + i, n), t = lines.load(y + at + i, n);
      const V worst = select((1 - t) * q == top, (1 - t) * share, V{});
      lines.store(dp + at + i, s * (worst - t), n);
    });
  });
}

void forward(const Run& r) noexcept {
  if (r.dx(0)) run<true>(r);
  else run<false>(r);
}

}  // namespace

extern const OpDef loss_categorical_hinge;
const OpDef loss_categorical_hinge{"categorical_hinge", plan_last_axis, forward, nullptr};

}  // namespace pyseq::PYSEQ_NS
