// m, v as in adam, w -= lr m_hat / (sqrt(v / (1 - beta_2^t)) + eps)    slots: m, v
// mu_t = beta_1 (1 - 0.96^t / 2), P_t = prod mu_1..t
// m_hat = mu_t+1 m / (1 - P_t+1) + (1 - mu_t) g / (1 - P_t)    T. Dozat (2016)
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
  const double t = static_cast<double>(u.t), now = c.beta_1 * (1 - 0.5 * power(0.96, t));
  const double later = c.beta_1 * (1 - 0.5 * power(0.96, t + 1));
  // After 1000 steps 1 - 0.96^t / 2 is 1 to the last bit.
  double product = power(c.beta_1, t), decay = 1;
  for (Index i = 1; i <= u.t && i <= 1000; ++i) product *= 1 - 0.5 * (decay *= 0.96);
  const real fm = static_cast<real>(u.lr * later / (1 - product * later));
  const real fg = static_cast<real>(u.lr * (1 - now) / (1 - product));
  const real fv = static_cast<real>(1 / correction(c.beta_2, u.t));
  const real a = static_cast<real>(1 - c.beta_1), b = static_cast<real>(1 - c.beta_2);
  const real epsilon = static_cast<real>(c.epsilon);
  real *ms = slot(u, 0), *vs = slot(u, 1);
  update_elements(u, [&](const Place& at, V w, V g) {
    V m = at.load(ms), v = at.load(vs);
    m += a * (g - m);
    v += b * (g * g - v);
    at.store(ms, m);
    at.store(vs, v);
    return w - (fm * m + fg * g) / (sqrt_v(fv * v) + epsilon);
  });
}

}  // namespace

extern const OptimizerDef optimizer_nadam;
const OptimizerDef optimizer_nadam{"nadam", plan, true, update};

}  // namespace pyseq::PYSEQ_NS
