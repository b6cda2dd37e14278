#include "cuda/loss.h"

namespace pyseq::cuda {
namespace {

void forward(const Run& r) noexcept {
  const float *p = r.x(0), *y = r.x(1), *scale = r.x(2);
  float *value = r.y(), *dp = r.dx(0);
  for_loss_rows(r, r.config<Axis>(), [=] __device__(Line line) {
    float right = 0, wrong = -INFINITY;
    for (Index k = line.first; k < line.size; k += line.step()) {
      const float q = p[line.at(k)], t = y[line.at(k)];
      right += q * t;
      wrong = fmaxf(wrong, (1 - t) * q);
    }
    const float top = line.max(wrong), loss = fmaxf(0.0f, top - line.sum(right) + 1);
    if (line.leads()) value[line.row] = loss;
    // Classes that share the maximum share its gradient.
    float ties = 0;
    for (Index k = line.first; k < line.size; k += line.step())
      ties += (1 - y[line.at(k)]) * p[line.at(k)] == top ? 1 : 0;
    ties = line.sum(ties);
    if (!dp) return;
    const float s = loss > 0 ? scale[line.row] : 0, share = 1 / fmaxf(1.0f, ties);
    for (Index k = line.first; k < line.size; k += line.step()) {
      const float q = p[line.at(k)], t = y[line.at(k)];
      dp[line.at(k)] = s * (((1 - t) * q == top ? (1 - t) * share : 0) - t);
    }
  });
}

}  // namespace

extern const OpDef loss_categorical_hinge;
const OpDef loss_categorical_hinge{"categorical_hinge", plan_last_axis, forward, nullptr};

}  // namespace pyseq::cuda
