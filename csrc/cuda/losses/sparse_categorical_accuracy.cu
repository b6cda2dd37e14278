#include "cuda/ranking.h"

namespace pyseq::cuda {
namespace {

void plan(Plan& p) {
  const Axis axis = plan_rows(p, -1);
  check_labels(p, axis);
  p.config<Axis>() = axis;
}

void forward(const Run& r) noexcept {
  const float *p = r.x(0), *y = r.x(1);
  float* value = r.y();
  for_loss_rows(r, r.config<Axis>(), [=] __device__(Line line) {
    const Index best = first_largest(line, p + line.begin);
    if (line.leads()) value[line.row] = static_cast<float>(best) == y[line.row] ? 1 : 0;
  });
}

}  // namespace

extern const OpDef loss_sparse_categorical_accuracy;
const OpDef loss_sparse_categorical_accuracy{"sparse_categorical_accuracy", plan, forward, nullptr};

}  // namespace pyseq::cuda
