#include "cuda/hinge.h"

namespace pyseq::cuda {
namespace {

struct Term {
  const float* other;
  __device__ float operator()(float p, float y, float* g) const {
    if (*other == 0) y = 2 * y - 1;
    const float m = fmaxf(0.0f, 1 - y * p);
    *g = m > 0 ? -y : 0;
    return m;
  }
};

void forward(const Run& r) noexcept {
  reduce_loss(r, r.config<Axis>(), true, Term{other_labels(r)});
}

}  // namespace

extern const OpDef loss_hinge;
const OpDef loss_hinge{"hinge", plan_hinge, forward, nullptr};

}  // namespace pyseq::cuda
