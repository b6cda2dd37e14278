// v = rho v + (1 - rho) g^2, w -= lr g / sqrt(v + eps)    slots: v, [m], [a]
// momentum: m = mu m + step, w -= m; centered: a = rho a + (1 - rho) g, sqrt(v - a^2 + eps)
#include "optimizers/update.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  real rho, momentum, epsilon;
  bool centered;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  c = {static_cast<real>(p.number("rho")), static_cast<real>(p.number("momentum", 0.0)),
       static_cast<real>(p.number("epsilon")), p.flag("centered")};
  p.slots(1 + (c.momentum > 0) + c.centered);
  if (c.epsilon > 0) p.rests(Plan::Rest::where_state_is_zero);
}

void update(const Update& u) noexcept {
  const Config& c = u.config<Config>();
  const real lr = static_cast<real>(u.lr), rho = c.rho, rest = 1 - c.rho;
  real *vs = slot(u, 0), *ms = c.momentum > 0 ? slot(u, 1) : nullptr;
  real* as = c.centered ? slot(u, ms ? 2 : 1) : nullptr;
  update_elements(u, [&](const Place& at, V w, V g) {
    const V v = rho * at.load(vs) + rest * g * g;
    at.store(vs, v);
    V under = v;
    if (as) {
      const V a = rho * at.load(as) + rest * g;
      at.store(as, a);
      under -= a * a;
    }
    V step = lr * g / sqrt_v(under + c.epsilon);
    if (ms) {
      step += c.momentum * at.load(ms);
      at.store(ms, step);
    }
    return w - step;
  });
}

}  // namespace

extern const OptimizerDef optimizer_rmsprop;
const OptimizerDef optimizer_rmsprop{"rmsprop", plan, true, update};

}  // namespace pyseq::PYSEQ_NS
