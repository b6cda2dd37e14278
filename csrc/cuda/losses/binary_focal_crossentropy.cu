#include "cuda/loss.h"

namespace pyseq::cuda {
namespace {

struct Term {
  bool from_logits, balanced;
  float smoothing, alpha, gamma;
  __device__ float operator()(float x, float y, float* g) const {
    y = y * (1 - smoothing) + 0.5f * smoothing;
    float p = x, bce, dbce, dp = 1;
    if (from_logits) {
      const float e = expf(-fabsf(x));
      p = (x >= 0 ? 1 : e) / (1 + e);
      bce = fmaxf(0.0f, x) - y * x + log1pf(e);
      dbce = p - y;
      dp = e / ((1 + e) * (1 + e));
    } else {
      const Clipped q = clip_probability(p);
      const float other = 1 - q.value;
      bce = -(y * logf(q.value) + (1 - y) * logf(other));
      dbce = q.inside ? (q.value - y) / (q.value * other) : 0;
    }
    // 1 - p_t, without cancellation where y is 0 or 1.
    const float miss = y * (1 - p) + (1 - y) * p, focus = power(miss, gamma);
    const float weight = balanced ? y * alpha + (1 - y) * (1 - alpha) : 1;
    const float slope = gamma == 0 ? 0 : gamma * power(miss, gamma - 1);
    *g = weight * (focus * dbce + slope * (1 - 2 * y) * dp * bce);
    return weight * focus * bce;
  }
};

struct Config {
  Axis axis;
  Term term;
};

void plan(Plan& p) {
  check_same_size(p);
  const Axis axis = plan_rows(p, p.integer("axis", -1));
  p.config<Config>() = {axis,
                        {p.flag("from_logits"), p.flag("apply_class_balancing"),
                         static_cast<float>(p.number("label_smoothing", 0.0)),
                         static_cast<float>(p.number("alpha", 0.25)),
                         static_cast<float>(p.number("gamma", 2.0))}};
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  reduce_loss(r, c.axis, true, c.term);
}

}  // namespace

extern const OpDef loss_binary_focal_crossentropy;
const OpDef loss_binary_focal_crossentropy{"binary_focal_crossentropy", plan, forward, nullptr};

}  // namespace pyseq::cuda
