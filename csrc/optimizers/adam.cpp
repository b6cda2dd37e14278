// See adam.h    slots: m, v, [largest v]
#include "optimizers/adam.h"

namespace pyseq::PYSEQ_NS {
namespace {

void plan(Plan& p) {
  Adam& c = p.config<Adam>();
  c = {p.number("beta_1"), p.number("beta_2"), p.number("epsilon"), p.flag("amsgrad")};
  p.slots(c.amsgrad ? 3 : 2);
  if (static_cast<real>(c.epsilon) > 0) p.rests(Plan::Rest::where_state_is_zero);
}

void update(const Update& u) noexcept { adam_update(u.config<Adam>(), u, u.lr); }

}  // namespace

extern const OptimizerDef optimizer_adam;
const OptimizerDef optimizer_adam{"adam", plan, true, update};

}  // namespace pyseq::PYSEQ_NS
