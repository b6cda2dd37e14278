// mean w (1 - p_t)^gamma bce(p, y) along `axis`    p, y (N, ..., D)
// p_t = y p + (1 - y)(1 - p); w = alpha y + (1 - alpha)(1 - y) with apply_class_balancing, else 1
#include "kernels/loss_util.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Axis axis;
  bool from_logits, balanced;
  real smoothing, alpha, gamma;
};

struct Term {
  Config c;
  PYSEQ_INLINE V operator()(V x, V y, V* g) const {
    y = y * (1 - c.smoothing) + real(0.5) * c.smoothing;
    V p = x, bce, dbce, dp = splat(1);
    if (c.from_logits) {
      const V e = exp_v(-abs_v(x));
      p = select(x >= 0, splat(1), e) / (1 + e);
      bce = max_v(V{}, x) - y * x + log1p_v(e);
      dbce = p - y;
      dp = e / ((1 + e) * (1 + e));
    } else {
      const Clipped q = clip_probability(p);
      const V other = 1 - q.value;
      bce = -(y * log_v(q.value) + (1 - y) * log_v(other));
      dbce = select(q.inside, (q.value - y) / (q.value * other), V{});
    }
    // 1 - p_t, without cancellation where y is 0 or 1.
    const V miss = y * (1 - p) + (1 - y) * p;
    const V focus = pow_v(miss, c.gamma);
    const V weight = c.balanced ? y * c.alpha + (1 - y) * (1 - c.alpha) : splat(1);
    if (g) {
      const V slope = c.gamma == 0 ? V{} : c.gamma * pow_v(miss, c.gamma - 1);
      *g = weight * (focus * dbce + slope * (1 - 2 * y) * dp * bce);
    }
    return weight * focus * bce;
  }
};

void plan(Plan& p) {
  check_same_size(p);
  const Axis axis = plan_rows(p, p.integer("axis", -1));
  p.config<Config>() = {axis,
                        p.flag("from_logits"),
                        p.flag("apply_class_balancing"),
                        static_cast<real>(p.number("label_smoothing", 0.0)),
                        static_cast<real>(p.number("alpha", 0.25)),
                        static_cast<real>(p.number("gamma", 2.0))};
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  reduce_loss(r, c.axis, true, Term{c});
}

}  // namespace

extern const OpDef loss_binary_focal_crossentropy;
const OpDef loss_binary_focal_crossentropy{"binary_focal_crossentropy", plan, forward, nullptr};

}  // namespace pyseq::PYSEQ_NS
