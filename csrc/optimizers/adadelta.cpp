// a = rho a + (1 - rho) g^2, e = -sqrt(d + eps) g / sqrt(a + eps)
// d = rho d + (1 - rho) e^2, w += lr e    slots: a, d
#include "optimizers/update.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  real rho, epsilon;
};

void plan(Plan& p) {
  p.slots(2);
  p.config<Config>() = {static_cast<real>(p.number("rho")), static_cast<real>(p.number("epsilon"))};
  if (static_cast<real>(p.number("epsilon")) > 0) p.rests(Plan::Rest::where_state_is_zero);
}

void update(const Update& u) noexcept {
  const Config& c = u.config<Config>();
  const real lr = static_cast<real>(u.lr), rho = c.rho, rest = 1 - c.rho;
  real *as = slot(u, 0), *ds = slot(u, 1);
  update_elements(u, [&](const Place& at, V w, V g) {
    const V a = rho * at.load(as) + rest * g * g, d = at.load(ds);
    const V e = sqrt_v(d + c.epsilon) * g / sqrt_v(a + c.epsilon);
    at.store(as, a);
    at.store(ds, rho * d + rest * e * e);
    return w - lr * e;
  });
}

}  // namespace

extern const OptimizerDef optimizer_adadelta;
const OptimizerDef optimizer_adadelta{"adadelta", plan, true, update};

}  // namespace pyseq::PYSEQ_NS
