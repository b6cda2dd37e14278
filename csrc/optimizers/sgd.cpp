// w -= lr g; with momentum: m = mu m - lr g, w += m (nesterov: w += mu m - lr g)    slots: [m]
#include "optimizers/update.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  real momentum;
  bool nesterov;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  c = {static_cast<real>(p.number("momentum", 0.0)), p.flag("nesterov")};
  p.slots(c.momentum == 0 ? 0 : 1);
  p.rests(c.momentum == 0 ? Plan::Rest::everything : Plan::Rest::where_state_is_zero);
}

void update(const Update& u) noexcept {
  const Config& c = u.config<Config>();
  const real lr = static_cast<real>(u.lr), mu = c.momentum;
  if (mu == 0) {
    update_elements(u, [&](const Place&, V w, V g) { return w - lr * g; });
    return;
  }
  real* ms = slot(u, 0);
  update_elements(u, [&](const Place& at, V w, V g) {
    const V step = lr * g, m = mu * at.load(ms) - step;
    at.store(ms, m);
    return c.nesterov ? w + (mu * m - step) : w + m;
  });
}

}  // namespace

extern const OptimizerDef optimizer_sgd;
const OptimizerDef optimizer_sgd{"sgd", plan, true, update};

}  // namespace pyseq::PYSEQ_NS
