// Slots: m, v, [largest v]
#include "cuda/adam.h"

namespace pyseq::cuda {
namespace {

void plan(Plan& p) {
  Adam& c = p.config<Adam>();
  c.beta_1 = p.number("beta_1");
  c.beta_2 = p.number("beta_2");
  c.epsilon = p.number("epsilon");
  c.rate = 1;
  c.amsgrad = p.flag("amsgrad");
}

void update(DeviceStream* s, const DeviceUpdates& u) { update_elements(s, u, u.config<Adam>()); }

}  // namespace

extern const DeviceOptimizerDef optimizer_adam;
const DeviceOptimizerDef optimizer_adam{"adam", plan, update};

}  // namespace pyseq::cuda
