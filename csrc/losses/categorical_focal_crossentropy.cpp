// -sum alpha (1 - p)^gamma y ln p along `axis`    p, y (N, ..., K)
// p is normalised to sum 1, then cut to [eps, 1 - eps]; from_logits: p = softmax(z).
#include "kernels/loss_util.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr real kLowest = static_cast<real>(-__builtin_inf());
constexpr int kMaxClasses = 4096;  // with a weight each

struct Config {
  Axis axis;
  bool from_logits;
  int weights;  // 1, or one for each class
  real keep, spread, gamma;
  double alpha[kMaxClasses];
};

struct Focal {
  V value, slope;  // of one class, by its probability
};

PYSEQ_INLINE Focal focal(V u, V t, V alpha, real gamma) {
  const Clipped q = clip_probability(u);
  const V miss = 1 - q.value, focus = pow_v(miss, gamma), l = log_v(q.value);
  const V bend = gamma == 0 ? V{} : gamma * pow_v(miss, gamma - 1) * l;
  return {-alpha * focus * t * l, select(q.inside, alpha * t * (bend - focus / q.value), V{})};
}

template <bool kGradient>
PYSEQ_INLINE void run(const Run& r) {
  const Config& c = r.config<Config>();
  const real *x = r.x(0), *y = r.x(1), *scale = r.x(2);
  real *value = r.y(), *dx = r.dx(0);
  const auto weight = [&](VI k, int n) {
    V a = splat(static_cast<real>(c.alpha[0]));
    if (c.weights > 1)
      for (int i = 0; i < n; ++i)
        if (k[i] < c.weights) a[i] = static_cast<real>(c.alpha[k[i]]);
    return a;
  };
  for_rows(r, c.axis, [&](auto lines, Index at, Index row) {
    V top{}, total{};
    if (c.from_logits) {
      top = splat(kLowest);
      lines.each([&](Index i, int n, VI) { top = max_v(top, lines.load(x + at + i, n, kLowest)); });
      top = lines.max(top);
    }
    const auto probability = [&](Index i, int n) {
      const V v = lines.load(x + at + i, n);
      return lines.used(c.from_logits ? exp_v(v - top) : v, n);
    };
    lines.each([&](Index i, int n, VI) { total += probability(i, n); });
    const V inverse = 1 / lines.sum(total);
    V loss{}, back{};
    lines.each([&](Index i, int n, VI k) {
      const V u = probability(i, n) * inverse;
      const V t = lines.used(lines.load(y + at + i, n) * c.keep + c.spread, n);
      const Focal f = focal(u, t, weight(k, n), c.gamma);
      loss += f.value;
      back += f.slope * u;
    });
    lines.store_row(value + row, lines.sum(loss));
    if (!kGradient) return;
    back = lines.sum(back);
    const V s = lines.load_row(scale + row);
    lines.each([&](Index i, int n, VI k) {
      const V u = probability(i, n) * inverse;
      const V t = lines.load(y + at + i, n) * c.keep + c.spread;
      const Focal f = focal(u, t, weight(k, n), c.gamma);
      lines.store(dx + at + i, s * (f.slope - back) * (c.from_logits ? u : inverse), n);
    });
  });
}

void plan(Plan& p) {
  check_same_size(p);
  const Axis axis = plan_rows(p, p.integer("axis", -1));
  const Shape shape = p.input(0);
  const double smoothing = p.number("label_smoothing", 0.0);
  const double classes = static_cast<double>(shape.rank > 0 ? shape[-1] : 1);
  Config& c = p.config<Config>();
  c.axis = axis;
  c.from_logits = p.flag("from_logits");
  c.keep = static_cast<real>(1 - smoothing);
  c.spread = static_cast<real>(smoothing / classes);
  c.gamma = static_cast<real>(p.number("gamma", 2.0));
  c.weights = 1;
  c.alpha[0] = 0.25;
  if (p.has("alpha")) c.weights = p.numbers("alpha", c.alpha, kMaxClasses);
  if (c.weights != 1 && c.weights != axis.size)
    p.fail("expected one alpha, or one for each of %lld classes, got %d",
           static_cast<long long>(axis.size), c.weights);
}

void forward(const Run& r) noexcept {
  if (r.dx(0)) run<true>(r);
  else run<false>(r);
}

}  // namespace

extern const OpDef loss_categorical_focal_crossentropy;
const OpDef loss_categorical_focal_crossentropy{"categorical_focal_crossentropy", plan, forward,
                                                nullptr};

}  // namespace pyseq::PYSEQ_NS
