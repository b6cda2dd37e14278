#include "cuda/loss.h"

namespace pyseq::cuda {
namespace {

struct Term {
  __device__ float operator()(float p, float y, float* g) const {
    const float scale = 100 / fmaxf(kLossEpsilon, fabsf(y)), e = p - y;
    *g = sign(e) * scale;
    return fabsf(e) * scale;
  }
};

void forward(const Run& r) noexcept { reduce_loss(r, r.config<Axis>(), true, Term{}); }

}  // namespace

extern const OpDef loss_mean_absolute_percentage_error;
const OpDef loss_mean_absolute_percentage_error{
    "mean_absolute_percentage_error", plan_last_axis, forward, nullptr};

}  // namespace pyseq::cuda
