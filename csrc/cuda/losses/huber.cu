#include "cuda/loss.h"

namespace pyseq::cuda {
namespace {

struct Term {
  float delta;
  __device__ float operator()(float p, float y, float* g) const {
    const float e = p - y, a = fabsf(e);
    const bool near = a <= delta;
    *g = near ? e : delta * sign(e);
    return near ? 0.5f * e * e : delta * a - 0.5f * delta * delta;
  }
};

struct Config {
  Axis axis;
  Term term;
};

void plan(Plan& p) {
  check_same_size(p);
  const Axis axis = plan_rows(p, -1);
  p.config<Config>() = {axis, {static_cast<float>(p.number("delta", 1.0))}};
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  reduce_loss(r, c.axis, true, c.term);
}

}  // namespace

extern const OpDef loss_huber;
const OpDef loss_huber{"huber", plan, forward, nullptr};

}  // namespace pyseq::cuda
