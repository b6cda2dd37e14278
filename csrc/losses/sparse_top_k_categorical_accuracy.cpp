// fewer than k of p above p[y] over the last axis    p (N, ..., K)  y (N, ...) labels
// from_sorted_ids: p holds class ids, best first, and y is among the first k
#include "kernels/ranking.h"

namespace pyseq::PYSEQ_NS {
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
  count_rows(r, c.axis, 1, [&](const real* p, const real* y, Index n) {
    if (!c.sorted_ids) return in_top(p, n, *y, c.k);
    for (Index i = 0; i < n && i < c.k; ++i)
      if (p[i] == *y) return true;
    return false;
  });
}

}  // namespace

extern const OpDef loss_sparse_top_k_categorical_accuracy;
const OpDef loss_sparse_top_k_categorical_accuracy{"sparse_top_k_categorical_accuracy", plan,
                                                   forward, nullptr};

}  // namespace pyseq::PYSEQ_NS
