// mean max(1 - y p, 0) over the last axis    p, y (N, ..., D)
// Labels 0 and 1 throughout a batch count as -1 and 1.
#include "kernels/loss_util.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Term {
  bool binary;
  PYSEQ_INLINE V operator()(V p, V y, V* g) const {
    if (binary) y = 2 * y - 1;
    const V m = max_v(V{}, 1 - y * p);
    if (g) *g = select(m > 0, -y, V{});
    return m;
  }
};

bool binary_labels(const real* y, Index n) {
  for (Index i = 0; i < n; ++i)
    if (y[i] != 0 && y[i] != 1) return false;
  return true;
}

void forward(const Run& r) noexcept {
  const Axis& axis = r.config<Axis>();
  const bool binary = binary_labels(r.x(1), r.n * axis.rows() * axis.size);
  reduce_loss(r, axis, true, Term{binary});
}

}  // namespace

extern const OpDef loss_hinge;
const OpDef loss_hinge{"hinge", plan_last_axis, forward, nullptr};

}  // namespace pyseq::PYSEQ_NS
