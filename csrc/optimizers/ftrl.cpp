// n' = n + g^2, z += g + 2 shrink w - (n'^q - n^q) w / lr, q = -learning_rate_power
// w = (clip(z, -l1, l1) - z) / (n'^q / lr + 2 (l2 + beta / (2 lr)))    slots: n, z
// H. B. McMahan et al., "Ad click prediction: a view from the trenches" (2013)
#include "optimizers/update.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  double power, l1, l2, shrinkage, beta;
};

void plan(Plan& p) {
  p.slots(2);
  p.config<Config>() = {-p.number("learning_rate_power"), p.number("l1_regularization_strength"),
                        p.number("l2_regularization_strength"),
                        p.number("l2_shrinkage_regularization_strength"), p.number("beta")};
}

void update(const Update& u) noexcept {
  const Config& c = u.config<Config>();
  const real inverse = static_cast<real>(1 / u.lr), l1 = static_cast<real>(c.l1);
  const real l2 = static_cast<real>(2 * (c.l2 + c.beta / (2 * u.lr)));
  const real shrink = static_cast<real>(2 * c.shrinkage), q = static_cast<real>(c.power);
  real *ns = slot(u, 0), *zs = slot(u, 1);
  const auto raised = [&](V n) {
    if (q == real(0.5)) return sqrt_v(n);
    if (q == 0) return splat(1);
    if constexpr (!kFloat)
      return detail::per_lane(n, [&](double v) { return power(v, static_cast<double>(q)); });
    return select(n == 0, V{}, exp_v(q * log_v(n)));
  };
  update_elements(u, [&](const Place& at, V w, V g) {
    const V n = at.load(ns), n1 = n + g * g, p1 = raised(n1);
    const V z = at.load(zs) + g + shrink * w - (p1 - raised(n)) * inverse * w;
    at.store(ns, n1);
    at.store(zs, z);
    return (clamp_v(z, -l1, l1) - z) / (p1 * inverse + l2);
  });
}

}  // namespace

extern const OptimizerDef optimizer_ftrl;
const OptimizerDef optimizer_ftrl{"ftrl", plan, true, update};

}  // namespace pyseq::PYSEQ_NS
