// share of y == (p > threshold) over the last axis    p, y (N, ..., D)
#include "kernels/loss_util.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Axis axis;
  real threshold;
};

struct Term {
  real threshold;
  PYSEQ_INLINE V operator()(V p, V y, V*) const {
    return select(y == select(p > threshold, splat(1), V{}), splat(1), V{});
  }
};

void plan(Plan& p) {
  check_same_size(p);
  const Axis axis = plan_rows(p, -1);
  p.config<Config>() = {axis, static_cast<real>(p.number("threshold", 0.5))};
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  reduce_rows<false>(r, c.axis, true, Term{c.threshold});
}

}  // namespace

extern const OpDef loss_binary_accuracy;
const OpDef loss_binary_accuracy{"binary_accuracy", plan, forward, nullptr};

}  // namespace pyseq::PYSEQ_NS
