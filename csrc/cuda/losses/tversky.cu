#include "cuda/overlap.h"

namespace pyseq::cuda {
namespace {

struct Tversky {
  double alpha, beta;
  __device__ Overlap operator()(const Sums& s) const {
    const double d = s.yp + alpha * (s.y - s.yp) + beta * (s.p - s.yp) + 1e-7, own = s.yp / (d * d);
    return {1 - s.yp / d, own * (1 - alpha - beta) - 1 / d, own * beta};
  }
};

struct Config {
  OverlapAxes axes;
  Tversky loss;
};

void plan(Plan& p) {
  const OverlapAxes axes = plan_overlap(p);
  p.config<Config>() = {axes, {p.number("alpha", 0.5), p.number("beta", 0.5)}};
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  overlap_loss(r, c.axes, c.loss);
}

}  // namespace

extern const OpDef loss_tversky;
const OpDef loss_tversky{"tversky", plan, forward, nullptr};

}  // namespace pyseq::cuda
