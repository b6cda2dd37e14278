#include "cuda/loss.h"

namespace pyseq::cuda {
namespace {

struct Term {
  __device__ float operator()(float p, float y, float* g) const {
    const float q = p < kLossEpsilon ? kLossEpsilon : p > 1 ? 1 : p;
    const float t = y < kLossEpsilon ? kLossEpsilon : y > 1 ? 1 : y;
    *g = p >= kLossEpsilon && p <= 1 ? -t / q : 0;
    return t * logf(t / q);
  }
};

void forward(const Run& r) noexcept { reduce_loss(r, r.config<Axis>(), false, Term{}); }

}  // namespace

extern const OpDef loss_kl_divergence;
const OpDef loss_kl_divergence{"kl_divergence", plan_last_axis, forward, nullptr};

}  // namespace pyseq::cuda
