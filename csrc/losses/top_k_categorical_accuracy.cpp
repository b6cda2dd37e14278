// fewer than k of p above p[argmax y] over the last axis    p, y (N, ..., K)
#include "kernels/ranking.h"

namespace pyseq::PYSEQ_NS {
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
  count_rows(r, c.axis, c.axis.size, [&](const real* p, const real* y, Index n) {
    return in_top(p, n, static_cast<real>(first_largest(y, n)), c.k);
  });
}

}  // namespace

extern const OpDef loss_top_k_categorical_accuracy;
const OpDef loss_top_k_categorical_accuracy{"top_k_categorical_accuracy", plan, forward, nullptr};

}  // namespace pyseq::PYSEQ_NS
