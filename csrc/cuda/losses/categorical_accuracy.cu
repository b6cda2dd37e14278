#include "cuda/ranking.h"

namespace pyseq::cuda {
namespace {

void forward(const Run& r) noexcept {
  const float *p = r.x(0), *y = r.x(1);
  float* value = r.y();
  for_loss_rows(r, r.config<Axis>(), [=] __device__(Line line) {
    const bool same = first_largest(line, p + line.begin) == first_largest(line, y + line.begin);
    if (line.leads()) value[line.row] = same ? 1 : 0;
  });
}

}  // namespace

extern const OpDef loss_categorical_accuracy;
const OpDef loss_categorical_accuracy{"categorical_accuracy", plan_last_axis, forward, nullptr};

}  // namespace pyseq::cuda
