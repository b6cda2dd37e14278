// mean ln cosh(p - y) over the last axis    p, y (N, ..., D)
#include "kernels/loss_util.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Term {
  PYSEQ_INLINE V operator()(V p, V y, V* g) const {
    const V e = p - y, a = abs_v(e);
    if (g) *g = tanh_v(e);
    // Even, and e^-2a cannot overflow.
    return a + log1p_v(exp_v(-2 * a)) - real(0.69314718055994530942);
  }
};

void forward(const Run& r) noexcept { reduce_loss(r, r.config<Axis>(), true, Term{}); }

}  // namespace

extern const OpDef loss_log_cosh;
const OpDef loss_log_cosh{"log_cosh", plan_last_axis, forward, nullptr};

}  // namespace pyseq::PYSEQ_NS
