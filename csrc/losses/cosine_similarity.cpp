// -cos(p, y) along `axis`    p, y (N, ..., D)
#include "kernels/loss_util.h"

namespace pyseq::PYSEQ_NS {
namespace {

void plan(Plan& p) {
  check_same_size(p);
  p.config<Axis>() = plan_rows(p, p.integer("axis", -1));
}

template <bool kGradient>
PYSEQ_INLINE void run(const Run& r) {
  const real *p = r.x(0), *y = r.x(1), *scale = r.x(2);
  real *value = r.y(), *dp = r.dx(0);
  for_rows(r, r.config<Axis>(), [&](auto lines, Index at, Index row) {
    V pp{}, yy{}, py{};
    lines.each([&](Index i, int n, VI) {
      const V a = lines.load(p + at + i, n), b = lines.load(y + at + i, n);
      pp += a * a;
      yy += b * b;
      py += a * b;
    });
    // 1 / norm is cut at 1 / epsilon, where the norm has no gradient.
    const V norm = sqrt_v(lines.sum(pp));
    const VI open = norm > kLossEpsilon;
    const V ip = 1 / max_v(splat(kLossEpsilon), norm);
    const V iy = 1 / max_v(splat(kLossEpsilon), sqrt_v(lines.sum(yy)));
    const V cosine = lines.sum(py) * ip * iy;
    lines.store_row(value + row, -cosine);
    if (!kGradient) return;
    const V s = -lines.load_row(scale + row) * ip;
    const V pull = select(open, cosine * ip, V{});
    lines.each([&](Index i, int n, VI) {
      const V a = lines.load(p + at + i, n), b = lines.load(y + at + i, n);
      lines.store(dp + at + i, s * (b * iy - a * pull), n);
    });
  });
}

void forward(const Run& r) noexcept {
  if (r.dx(0)) run<true>(r);
  else run<false>(r);
}

}  // namespace

extern const OpDef loss_cosine_similarity;
const OpDef loss_cosine_similarity{"cosine_similarity", plan, forward, nullptr};

}  // namespace pyseq::PYSEQ_NS
