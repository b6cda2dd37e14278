#include "cuda/loss.h"

namespace pyseq::cuda {
namespace {

struct Term {
  __device__ float operator()(float p, float y, float* g) const {
    const float q = p + kLossEpsilon;
    *g = 1 - y / q;
    return p - y * logf(q);
  }
};

void forward(const Run& r) noexcept { reduce_loss(r, r.config<Axis>(), true, Term{}); }

}  // namespace

extern const OpDef loss_poisson;
const OpDef loss_poisson{"poisson", plan_last_axis, forward, nullptr};

}  // namespace pyseq::cuda
