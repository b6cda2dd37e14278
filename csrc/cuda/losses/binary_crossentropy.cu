#include "cuda/loss.h"

namespace pyseq::cuda {
namespace {

struct Term {
  bool from_logits;
  float smoothing;
  __device__ float operator()(float x, float y, float* g) const {
    y = y * (1 - smoothing) + 0.5f * smoothing;
    if (from_logits) {
      const float e = expf(-fabsf(x));
      *g = (x >= 0 ? 1 : e) / (1 + e) - y;
      return fmaxf(0.0f, x) - y * x + log1pf(e);
    }
    const Clipped q = clip_probability(x);
    const float other = 1 - q.value;
    *g = q.inside ? (q.value - y) / (q.value * other) : 0;
    return -(y * logf(q.value) + (1 - y) * logf(other));
  }
};

struct Config {
  Axis axis;
  Term term;
};

void plan(Plan& p) {
  check_same_size(p);
  const Axis axis = plan_rows(p, p.integer("axis", -1));
  p.config<Config>() = {
      axis, {p.flag("from_logits"), static_cast<float>(p.number("label_smoothing", 0.0))}};
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  reduce_loss(r, c.axis, true, c.term);
}

}  // namespace

extern const OpDef loss_binary_crossentropy;
const OpDef loss_binary_crossentropy{"binary_crossentropy", plan, forward, nullptr};

}  // namespace pyseq::cuda
