// mean (ln(1 + p) - ln(1 + y))^2 over the last axis, both at least eps    p, y (N, ..., D)
#include "kernels/loss_util.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Term {
  PYSEQ_INLINE V operator()(V p, V y, V* g) const {
    const V q = 1 + max_v(splat(kLossEpsilon), p);
    const V e = log_v(q) - log_v(1 + max_v(splat(kLossEpsilon), y));
    if (g) *g = select(p > kLossEpsilon, 2 * e / q, V{});
    return e * e;
  }
};

void forward(const Run& r) noexcept { reduce_loss(r, r.config<Axis>(), true, Term{}); }

}  // namespace

extern const OpDef loss_mean_squared_logarithmic_error;
const OpDef loss_mean_squared_logarithmic_error{"mean_squared_logarithmic_error", plan_last_axis,
                                                forward, nullptr};

}  // namespace pyseq::PYSEQ_NS
