#include "cuda/overlap.h"

namespace pyseq::cuda {
namespace {

struct Dice {
  __device__ Overlap operator()(const Sums& s) const {
    const double d = s.y + s.p + 1e-7;
    // dI/dp = y, dP/dp = 1
    return {1 - 2 * s.yp / d, -2 / d, 2 * s.yp / (d * d)};
  }
};

void plan(Plan& p) { plan_overlap(p); }
void forward(const Run& r) noexcept { overlap_loss(r, r.config<OverlapAxes>(), Dice{}); }

}  // namespace

extern const OpDef loss_dice;
const OpDef loss_dice{"dice", plan, forward, nullptr};

}  // namespace pyseq::cuda
