#include "cuda/ranking.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Axis axis;
  Index k;
  bool sorted_ids;
};

void plan(Plan& p) {
  const Axis axis = plan_rows(p, -1);
  check_labels(p, axis);
  p.config<Config>() = {axis, p.integer("k", 5), p.flag("from_sorted_ids")};
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const float *p = r.x(0), *y = r.x(1);
  float* value = r.y();
  const Index most = c.k;
  if (!c.sorted_ids) {
    for_loss_rows(r, c.axis, [=] __device__(Line line) {
      const bool in = in_top(line, p + line.begin, y[line.row], most);
      if (line.leads()) value[line.row] = in ? 1 : 0;
    });
    return;
  }
  for_loss_rows(r, c.axis, [=] __device__(Line line) {
    float found = 0;
    for (Index k = line.first; k < line.size && k < most; k += line.step())
      if (p[line.begin + k] == y[line.row]) found = 1;
    found = line.sum(found);
    if (line.leads()) value[line.row] = found > 0 ? 1 : 0;
  });
}

}  // namespace

extern const OpDef loss_sparse_top_k_categorical_accuracy;
const OpDef loss_sparse_top_k_categorical_accuracy{
    "sparse_top_k_categorical_accuracy", plan, forward, nullptr};

}  // namespace pyseq::cuda
