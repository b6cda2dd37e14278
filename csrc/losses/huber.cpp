// mean h(p - y) over the last axis    p, y (N, ..., D)
// h(e) = e^2 / 2 for |e| <= delta, else delta |e| - delta^2 / 2
#include "kernels/loss_util.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Axis axis;
  real delta;
};

struct Term {
  real delta;
  PYSEQ_INLINE V operator()(V p, V y, V* g) const {
    const V e = p - y, a = abs_v(e);
    const VI near = a <= delta;
    if (g) *g = select(near, e, delta * sign_v(e));
    return select(near, real(0.5) * e * e, delta * a - real(0.5) * delta * delta);
  }
};

void plan(Plan& p) {
  check_same_size(p);
  const Axis axis = plan_rows(p, -1);
  p.config<Config>() = {axis, static_cast<real>(p.number("delta", 1.0))};
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  reduce_loss(r, c.axis, true, Term{c.delta});
}

}  // namespace

extern const OpDef loss_huber;
const OpDef loss_huber{"huber", plan, forward, nullptr};

}  // namespace pyseq::PYSEQ_NS
