// mean 100 |p - y| / max(|y|, eps) over the last axis    p, y (N, ..., D)
#include "kernels/loss_util.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Term {
  PYSEQ_INLINE V operator()(V p, V y, V* g) const {
    const V scale = 100 / max_v(splat(kLossEpsilon), abs_v(y));
    const V e = p - y;
    if (g) *g = sign_v(e) * scale;
    return abs_v(e) * scale;
  }
};

void forward(const Run& r) noexcept { reduce_loss(r, r.config<Axis>(), true, Term{}); }

}  // namespace

extern const OpDef loss_mean_absolute_percentage_error;
const OpDef loss_mean_absolute_percentage_error{"mean_absolute_percentage_error", plan_last_axis,
                                                forward, nullptr};

}  // namespace pyseq::PYSEQ_NS
