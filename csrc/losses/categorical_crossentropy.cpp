// -sum y ln p along `axis`    p, y (N, ..., K)
// from_logits: p = softmax(z), exactly sum(y) lse(z) - sum(y z) with derivative p sum(y) - y
#include "kernels/loss_util.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr real kLowest = static_cast<real>(-__builtin_inf());

struct Config {
  Axis axis;
  bool from_logits;
  real keep, spread;  // smoothing s: labels become keep y + spread
};

template <bool kGradient>
PYSEQ_INLINE void run(const Run& r) {
  const Config& c = r.config<Config>();
  const real *x = r.x(0), *y = r.x(1), *scale = r.x(2);
  real *value = r.y(), *dx = r.dx(0);
  const real keep = c.keep, spread = c.spread;
  if (c.from_logits) {
    for_rows(r, c.axis, [&](auto lines, Index at, Index row) {
      V top = splat(kLowest);
      lines.each([&](Index i, int n, VI) { top = max_v(top, lines.load(x + at + i, n, kLowest)); });
      top = lines.max(top);
      V all{}, labels{}, score{};
      lines.each([&](Index i, int n, VI) {
        const V z = lines.load(x + at + i, n) - top;
        const V t = lines.used(lines.load(y + at + i, n) * keep + spread, n);
        const V e = lines.used(exp_v(z), n);
        all += e;
        labels += t;
        // A class that is impossible and not wanted costs nothing.
        score += select(t == 0, V{}, t * z);
        if (kGradient) lines.store(dx + at + i, e, n);
      });
      all = lines.sum(all);
      labels = lines.sum(labels);
      lines.store_row(value + row, labels * log_v(all) - lines.sum(score));
      if (!kGradient) return;
      const V s = lines.load_row(scale + row), f = labels / all;
      lines.each([&](Index i, int n, VI) {
        const V t = lines.load(y + at + i, n) * keep + spread;
        lines.store(dx + at + i, s * (lines.load(dx + at + i, n) * f - t), n);
      });
    });
    return;
  }
  for_rows(r, c.axis, [&](auto lines, Index at, Index row) {
    V total{};
    lines.each([&](Index i, int n, VI) { total += lines.load(x + at + i, n); });
    const V inverse = 1 / lines.sum(total);
    V loss{}, back{};
    lines.each([&](Index i, int n, VI) {
      const V u = lines.load(x + at + i, n) * inverse;
      const Clipped q = clip_probability(u);
      const V t = lines.used(lines.load(y + at + i, n) * keep + spread, n);
      loss -= t * log_v(q.value);
      back += select(q.inside, t * u / q.value, V{});
    });
    lines.store_row(value + row, lines.sum(loss));
    if (!kGradient) return;
    back = lines.sum(back);
    const V s = lines.load_row(scale + row) * inverse;
    lines.each([&](Index i, int n, VI) {
      const Clipped q = clip_probability(lines.load(x + at + i, n) * inverse);
      const V t = lines.load(y + at + i, n) * keep + spread;
      lines.store(dx + at + i, s * (back - select(q.inside, t / q.value, V{})), n);
    });
  });
}

void plan(Plan& p) {
  check_same_size(p);
  const Axis axis = plan_rows(p, p.integer("axis", -1));
  const Shape shape = p.input(0);
  const double smoothing = p.number("label_smoothing", 0.0);
  // Keras counts the classes along the last axis, whatever `axis` is.
  const double classes = static_cast<double>(shape.rank > 0 ? shape[-1] : 1);
  p.config<Config>() = {axis, p.flag("from_logits"), static_cast<real>(1 - smoothing),
                        static_cast<real>(smoothing / classes)};
}

void forward(const Run& r) noexcept {
  if (r.dx(0)) run<true>(r);
  else run<false>(r);
}

}  // namespace

extern const OpDef loss_categorical_crossentropy;
const OpDef loss_categorical_crossentropy{"categorical_crossentropy", plan, forward, nullptr};

}  // namespace pyseq::PYSEQ_NS
