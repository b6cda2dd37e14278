#include "cuda/loss.h"

namespace pyseq::cuda {
namespace {

struct Term {
  __device__ float operator()(float p, float y, float* g) const {
    const float q = 1 + fmaxf(kLossEpsilon, p), e = logf(q) - logf(1 + fmaxf(kLossEpsilon, y));
    *g = p > kLossEpsilon ? 2 * e / q : 0;
    return e * e;
  }
};

void forward(const Run& r) noexcept { reduce_loss(r, r.config<Axis>(), true, Term{}); }

}  // namespace

extern const OpDef loss_mean_squared_logarithmic_error;
const OpDef loss_mean_squared_logarithmic_error{
    "mean_squared_logarithmic_error", plan_last_axis, forward, nullptr};

}  // namespace pyseq::cuda
