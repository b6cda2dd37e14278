// argmax p == y over the last axis    p (N, ..., K)  y (N, ...) labels
#include "kernels/ranking.h"

namespace pyseq::PYSEQ_NS {
namespace {

void plan(Plan& p) {
  const Axis axis = plan_rows(p, -1);
  check_labels(p, axis);
  p.config<Axis>() = axis;
}

void forward(const Run& r) noexcept {
  count_rows(r, r.config<Axis>(), 1, [](const real* p, const real* y, Index k) {
    return static_cast<real>(first_largest(p, k)) == *y;
  });
}

}  // namespace

extern const OpDef loss_sparse_categorical_accuracy;
const OpDef loss_sparse_categorical_accuracy{"sparse_categorical_accuracy", plan, forward, nullptr};

}  // namespace pyseq::PYSEQ_NS
