#include "cuda/loss.h"

namespace pyseq::cuda {
namespace {

void plan(Plan& p) {
  check_same_size(p);
  p.config<Axis>() = plan_rows(p, p.integer("axis", -1));
}

void forward(const Run& r) noexcept {
  const float *p = r.x(0), *y = r.x(1), *scale = r.x(2);
  float *value = r.y(), *dp = r.dx(0);
  for_loss_rows(r, r.config<Axis>(), [=] __device__(Line line) {
    float pp = 0, yy = 0, py = 0;
    for (Index k = line.first; k < line.size; k += line.step()) {
      const float a = p[line.at(k)], b = y[line.at(k)];
      pp += a * a;
      yy += b * b;
      py += a * b;
    }
    // 1 / norm is cut at 1 / epsilon, where the norm has no gradient.
    const float norm = sqrtf(line.sum(pp));
    const float ip = 1 / fmaxf(kLossEpsilon, norm), iy = 1 / fmaxf(kLossEpsilon, sqrtf(line.sum(yy)));
    const float cosine = line.sum(py) * ip * iy;
    if (line.leads()) value[line.row] = -cosine;
    if (!dp) return;
    const float s = -scale[line.row] * ip, pull = norm > kLossEpsilon ? cosine * ip : 0;
    for (Index k = line.first; k < line.size; k += line.step())
      dp[line.at(k)] = s * (y[line.at(k)] * iy - p[line.at(k)] * pull);
  });
}

}  // namespace

extern const OpDef loss_cosine_similarity;
const OpDef loss_cosine_similarity{"cosine_similarity", plan, forward, nullptr};

}  // namespace pyseq::cuda
