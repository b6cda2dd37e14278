// mean p - y ln(p + eps) over the last axis    p, y (N, ..., D)
#include "kernels/loss_util.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Term {
  PYSEQ_INLINE V operator()(V p, V y, V* g) const {
    const V q = p + kLossEpsilon;
    if (g) *g = 1 - y / q;
    return p - y * log_v(q);
  }
};

void forward(const Run& r) noexcept { reduce_loss(r, r.config<Axis>(), true, Term{}); }

}  // namespace

extern const OpDef loss_poisson;
const OpDef loss_poisson{"poisson", plan_last_axis, forward, nullptr};

}  // namespace pyseq::PYSEQ_NS
