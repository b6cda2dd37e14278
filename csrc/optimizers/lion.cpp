// w -= lr sign(beta_1 m + (1 - beta_1) g), m = beta_2 m + (1 - beta_2) g    slots: m
// X. Chen et al., "Symbolic discovery of optimization algorithms" (2023)
#include "optimizers/update.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  real beta_1, beta_2;
};

void plan(Plan& p) {
  p.slots(1);
  p.config<Config>() = {static_cast<real>(p.number("beta_1")),
                        static_cast<real>(p.number("beta_2"))};
  p.rests(Plan::Rest::where_state_is_zero);
}

void update(const Update& u) noexcept {
  const Config& c = u.config<Config>();
  const real lr = static_cast<real>(u.lr);
  real* ms = slot(u, 0);
  update_elements(u, [&](const Place& at, V w, V g) {
    const V m = at.load(ms), d = c.beta_1 * m + (1 - c.beta_1) * g;
    at.store(ms, c.beta_2 * m + (1 - c.beta_2) * g);
    return w - select(d > 0, splat(lr), select(d < 0, splat(-lr), d));
  });
}

}  // namespace

extern const OptimizerDef optimizer_lion;
const OptimizerDef optimizer_lion{"lion", plan, true, update};

}  // namespace pyseq::PYSEQ_NS
