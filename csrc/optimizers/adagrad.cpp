// a += g^2, w -= lr g / sqrt(a + eps)    slots: a
#include "optimizers/update.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  real epsilon;
};

void plan(Plan& p) {
  p.slots(1);
  p.config<Config>() = {static_cast<real>(p.number("epsilon"))};
  if (static_cast<real>(p.number("epsilon")) > 0) p.rests(Plan::Rest::everything);
}

void update(const Update& u) noexcept {
  const Config& c = u.config<Config>();
  const real lr = static_cast<real>(u.lr);
  real* as = slot(u, 0);
  update_elements(u, [&](const Place& at, V w, V g) {
    const V a = at.load(as) + g * g;
    at.store(as, a);
    return w - lr * g / sqrt_v(a + c.epsilon);
  });
}

}  // namespace

extern const OptimizerDef optimizer_adagrad;
const OptimizerDef optimizer_adagrad{"adagrad", plan, true, update};

}  // namespace pyseq::PYSEQ_NS
