// m += (1 - beta_1)(g - m), u = max(beta_2 u, |g|)
// w -= lr m / ((1 - beta_1^t)(u + eps))    slots: m, u
#include "optimizers/update.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  double beta_1, beta_2, epsilon;
};

void plan(Plan& p) {
  p.slots(2);
  p.config<Config>() = {p.number("beta_1"), p.number("beta_2"), p.number("epsilon")};
  if (static_cast<real>(p.number("epsilon")) > 0) p.rests(Plan::Rest::where_state_is_zero);
}

void update(const Update& u) noexcept {
  const Config& c = u.config<Config>();
  const real lr = static_cast<real>(u.lr / correction(c.beta_1, u.t));
  const real a = static_cast<real>(1 - c.beta_1), b = static_cast<real>(c.beta_2);
  const real epsilon = static_cast<real>(c.epsilon);
  real *ms = slot(u, 0), *us = slot(u, 1);
  update_elements(u, [&](const Place& at, V w, V g) {
    V m = at.load(ms);
    m += a * (g - m);
    const V top = max_v(b * at.load(us), abs_v(g));
    at.store(ms, m);
    at.store(us, top);
    return w - lr * m / (top + epsilon);
  });
}

}  // namespace

extern const OptimizerDef optimizer_adamax;
const OptimizerDef optimizer_adamax{"adamax", plan, true, update};

}  // namespace pyseq::PYSEQ_NS
