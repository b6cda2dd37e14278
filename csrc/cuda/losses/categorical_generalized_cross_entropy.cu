#include "cuda/loss.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Axis axis;
  float q;
};

void plan(Plan& p) {
  const Axis axis = plan_rows(p, -1);
  check_labels(p, axis);
  p.config<Config>() = {axis, static_cast<float>(p.number("q", 0.5))};
}

void forward(const Run& r) noexcept {
  const Config c = r.config<Config>();
  const float *x = r.x(0), *y = r.x(1), *scale = r.x(2);
  float *value = r.y(), *dx = r.dx(0);
  for_loss_rows(r, c.axis, [=] __device__(Line line) {
    const Index wanted = known_class(y[line.row], c.axis.size);
    const float p = wanted >= 0 ? x[line.at(wanted)] : 0;
    if (line.leads()) value[line.row] = (1 - power(p, c.q)) / c.q;
    if (!dx) return;
    const float slope = -scale[line.row] * power(p, c.q - 1);
    for (Index k = line.first; k < line.size; k += line.step()) dx[line.at(k)] = k == wanted ? slope : 0;
  });
}

}  // namespace

extern const OpDef loss_categorical_generalized_cross_entropy;
const OpDef loss_categorical_generalized_cross_entropy{
    "categorical_generalized_cross_entropy", plan, forward, nullptr};

}  // namespace pyseq::cuda
