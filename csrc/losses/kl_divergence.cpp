// sum y ln(y / p) over the last axis, both cut to [eps, 1]    p, y (N, ..., K)
#include "kernels/loss_util.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Term {
  PYSEQ_INLINE V operator()(V p, V y, V* g) const {
    const V q = clamp_v(p, kLossEpsilon, 1), t = clamp_v(y, kLossEpsilon, 1);
    if (g) *g = select((p >= kLossEpsilon) & (p <= 1), -t / q, V{});
    return t * log_v(t / q);
  }
};

void forward(const Run& r) noexcept { reduce_loss(r, r.config<Axis>(), false, Term{}); }

}  // namespace

extern const OpDef loss_kl_divergence;
const OpDef loss_kl_divergence{"kl_divergence", plan_last_axis, forward, nullptr};

}  // namespace pyseq::PYSEQ_NS
