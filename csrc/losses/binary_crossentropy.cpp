// mean -y ln p - (1 - y) ln(1 - p) along `axis`    p, y (N, ..., D)
// from_logits: p = sigmoid(z), exactly softplus(z) - y z with derivative p - y
#include "kernels/loss_util.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Axis axis;
  bool from_logits;
  real smoothing;
};

struct Logits {
  real smoothing;
  PYSEQ_INLINE V operator()(V z, V y, V* g) const {
    y = y * (1 - smoothing) + real(0.5) * smoothing;
    const V e = exp_v(-abs_v(z));
    if (g) *g = select(z >= 0, splat(1), e) / (1 + e) - y;
    return max_v(V{}, z) - y * z + log1p_v(e);
  }
};

struct Probabilities {
  real smoothing;
  PYSEQ_INLINE V operator()(V p, V y, V* g) const {
    y = y * (1 - smoothing) + real(0.5) * smoothing;
    const Clipped q = clip_probability(p);
    const V other = 1 - q.value;
    if (g) *g = select(q.inside, (q.value - y) / (q.value * other), V{});
    return -(y * log_v(q.value) + (1 - y) * log_v(other));
  }
};

void plan(Plan& p) {
  check_same_size(p);
  const Axis axis = plan_rows(p, p.integer("axis", -1));
  p.config<Config>() = {axis, p.flag("from_logits"),
                        static_cast<real>(p.number("label_smoothing", 0.0))};
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (c.from_logits) reduce_loss(r, c.axis, true, Logits{c.smoothing});
  else reduce_loss(r, c.axis, true, Probabilities{c.smoothing});
}

}  // namespace

extern const OpDef loss_binary_crossentropy;
const OpDef loss_binary_crossentropy{"binary_crossentropy", plan, forward, nullptr};

}  // namespace pyseq::PYSEQ_NS
