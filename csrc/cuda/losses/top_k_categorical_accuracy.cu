#include "cuda/ranking.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Axis axis;
  Index k;
};

void plan(Plan& p) {
  check_same_size(p);
  const Axis axis = plan_rows(p, -1);
  p.config<Config>() = {axis, p.integer("k", 5)};
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const float *p = r.x(0), *y = r.x(1);
  float* value = r.y();
  const Index most = c.k;
  for_loss_rows(r, c.axis, [=] __device__(Line line) {
    const Index label = first_largest(line, y + line.begin);
    const bool in = in_top(line, p + line.begin, static_cast<float>(label), most);
    if (line.leads()) value[line.row] = in ? 1 : 0;
  });
}

}  // namespace

extern const OpDef loss_top_k_categorical_accuracy;
const OpDef loss_top_k_categorical_accuracy{"top_k_categorical_accuracy", plan, forward, nullptr};

}  // namespace pyseq::cuda
