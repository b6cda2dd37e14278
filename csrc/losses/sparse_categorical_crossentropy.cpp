// -ln p[y] along `axis`    p (N, ..., K, ...)  y (N, ...) labels
// from_logits: p = softmax(z), exactly lse(z) - z[y] with derivative p - onehot(y)
// Rows of label ignore_class give 0; a label outside [0, K) gives NaN and no gradient.
#include "kernels/loss_util.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr real kLowest = static_cast<real>(-__builtin_inf());

struct Config {
  Axis axis;
  bool from_logits, ignores;
  real ignored;
};

// What to report for rows whose label is not a class.
PYSEQ_INLINE V settle(const Config& c, V label, VI known, V loss) {
  loss = select(known, loss, splat(static_cast<real>(__builtin_nan(""))));
  return c.ignores ? select(label == c.ignored, V{}, loss) : loss;
}

template <bool kGradient>
PYSEQ_INLINE void run(const Run& r) {
  const Config& c = r.config<Config>();
  const real *x = r.x(0), *y = r.x(1), *scale = r.x(2);
  real *value = r.y(), *dx = r.dx(0);
  const real classes = static_cast<real>(c.axis.size);
  for_rows(r, c.axis, [&](auto lines, Index at, Index row) {
    const V label = lines.load_row(y + row);
    VI known = (label > -1) & (label < classes);
    if (c.ignores) known = known & (label != c.ignored);
    const VI wanted = __builtin_convertvector(select(known, label, splat(-1)), VI);
    const V s = kGradient ? select(known, lines.load_row(scale + row), V{}) : V{};
    if (c.from_logits) {
      V top = splat(kLowest);
      lines.each([&](Index i, int n, VI) { top = max_v(top, lines.load(x + at + i, n, kLowest)); });
      top = lines.max(top);
      V all{}, score{};
      lines.each([&](Index i, int n, VI k) {
        const V z = lines.load(x + at + i, n) - top;
        const V e = lines.used(exp_v(z), n);
        all += e;
        score += select(k == wanted, z, V{});
        if (kGradient) lines.store(dx + at + i, e, n);
      });
      all = lines.sum(all);
      lines.store_row(value + row, settle(c, label, known, log_v(all) - lines.sum(score)));
      if (!kGradient) return;
      const V f = 1 / all;
      lines.each([&](Index i, int n, VI k) {
        const V p = lines.load(dx + at + i, n) * f;
        lines.store(dx + at + i, s * select(k == wanted, p - 1, p), n);
      });
      return;
    }
    V total{}, chosen{};
    lines.each([&](Index i, int n, VI k) {
      const V p = lines.load(x + at + i, n);
      total += p;
      chosen += select(k == wanted, p, V{});
    });
    const V inverse = 1 / lines.sum(total), u = lines.sum(chosen) * inverse;
    const Clipped q = clip_probability(u);
    lines.store_row(value + row, settle(c, label, known, -log_v(q.value)));
    if (!kGradient) return;
    const V slope = select(q.inside, s * inverse / q.value, V{});
    lines.each([&](Index i, int n, VI k) {
      lines.store(dx + at + i, select(k == wanted, slope * (u - 1), slope * u), n);
    });
  });
}

void plan(Plan& p) {
  const Axis axis = plan_rows(p, p.integer("axis", -1));
  check_labels(p, axis);
  p.config<Config>() = {axis, p.flag("from_logits"), p.has("ignore_class"),
                        static_cast<real>(p.number("ignore_class", 0.0))};
}

void forward(const Run& r) noexcept {
  if (r.dx(0)) run<true>(r);
  else run<false>(r);
}

}  // namespace

extern const OpDef loss_sparse_categorical_crossentropy;
const OpDef loss_sparse_categorical_crossentropy{"sparse_categorical_crossentropy", plan, forward,
                                                 nullptr};

}  // namespace pyseq::PYSEQ_NS
