#include "cuda/loss.h"

namespace pyseq::cuda {
namespace {

struct Term {
  __device__ float operator()(float p, float y, float* g) const {
    const float e = p - y;
    *g = sign(e);
    return fabsf(e);
  }
};

void forward(const Run& r) noexcept { reduce_loss(r, r.config<Axis>(), true, Term{}); }

}  // namespace

extern const OpDef loss_mean_absolute_error;
const OpDef loss_mean_absolute_error{"mean_absolute_error", plan_last_axis, forward, nullptr};

}  // namespace pyseq::cuda
