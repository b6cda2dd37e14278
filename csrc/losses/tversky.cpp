// 1 - I / (I + alpha (Y - I) + beta (P - I) + eps), sums over `axis` as in dice    p, y (N, ...)
#include "kernels/overlap.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Tversky {
  double alpha, beta;
  PYSEQ_INLINE Overlap operator()(const Sums& s) const {
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

void forward(const Run& r) noexcept { overlap_loss(r, r.config<Config>().loss); }

}  // namespace

extern const OpDef loss_tversky;
const OpDef loss_tversky{"tversky", plan, forward, nullptr};

}  // namespace pyseq::PYSEQ_NS
