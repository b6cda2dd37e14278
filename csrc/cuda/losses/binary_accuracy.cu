#include "cuda/loss.h"

namespace pyseq::cuda {
namespace {

struct Term {
  float threshold;
  __device__ float operator()(float p, float y, float*) const {
    return y == (p > threshold ? 1.0f : 0.0f) ? 1.0f : 0.0f;
  }
};

struct Config {
  Axis axis;
  Term term;
};

void plan(Plan& p) {
  check_same_size(p);
  const Axis axis = plan_rows(p, -1);
  p.config<Config>() = {axis, {static_cast<float>(p.number("threshold", 0.5))}};
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  reduce_loss(r, c.axis, true, c.term);
}

}  // namespace

extern const OpDef loss_binary_accuracy;
const OpDef loss_binary_accuracy{"binary_accuracy", plan, forward, nullptr};

}  // namespace pyseq::cuda
