// argmax p == argmax y over the last axis    p, y (N, ..., K)
#include "kernels/ranking.h"

namespace pyseq::PYSEQ_NS {
namespace {

void plan(Plan& p) { plan_last_axis(p); }

void forward(const Run& r) noexcept {
  const Axis& axis = r.config<Axis>();
  count_rows(r, axis, axis.size, [](const real* p, const real* y, Index k) {
    return first_largest(p, k) == first_largest(y, k);
  });
}

}  // namespace

extern const OpDef loss_categorical_accuracy;
const OpDef loss_categorical_accuracy{"categorical_accuracy", plan, forward, nullptr};

}  // namespace pyseq::PYSEQ_NS
