// y = w, z and x = (y - (1 - beta_1) z) / beta_1 are the iterates    slots: z, v
// v as in adam; z' = z - lr min(t / warmup, 1) g / (sqrt(v / (1 - beta_2^t)) + eps)
// x' = (1 - 1/t) x + z'/t; w = (1 - beta_1) z' + beta_1 x'
// A. Defazio et al., "The road less scheduled" (2024)
#include "optimizers/update.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  double beta_1, beta_2, epsilon, warmup;
};

void plan(Plan& p) {
  p.slots(2);
  p.config<Config>() = {p.number("beta_1"), p.number("beta_2"), p.number("epsilon"),
                        p.number("warmup_steps")};
}

void update(const Update& u) noexcept {
  const Config& c = u.config<Config>();
  const double t = static_cast<double>(u.t);
  const real lr = static_cast<real>(t < c.warmup ? u.lr * t / c.warmup : u.lr);
  const real fv = static_cast<real>(1 / correction(c.beta_2, u.t));
  const real a = static_cast<real>(1 - c.beta_1), b = static_cast<real>(1 - c.beta_2);
  const real inverse = static_cast<real>(1 / c.beta_1), share = static_cast<real>(1 / t);
  const real beta_1 = static_cast<real>(c.beta_1), epsilon = static_cast<real>(c.epsilon);
  real *zs = slot(u, 0), *vs = slot(u, 1);
  update_elements(u, [&](const Place& at, V w, V g) {
    const V old = at.load(zs);
    V v = at.load(vs);
    v += b * (g * g - v);
    const V z = old - lr * g / (sqrt_v(fv * v) + epsilon);
    const V x = (1 - share) * ((w - a * old) * inverse) + share * z;
    at.store(vs, v);
    at.store(zs, z);
    return a * z + beta_1 * x;
  });
}

}  // namespace

extern const OptimizerDef optimizer_schedule_free_adamw;
const OptimizerDef optimizer_schedule_free_adamw{"schedule_free_adamw", plan, true, update};

}  // namespace pyseq::PYSEQ_NS
