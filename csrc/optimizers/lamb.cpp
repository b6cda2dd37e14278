// m, v as in adam, s = m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + eps), w -= lr |w| / |s| s
// (the ratio is 1 where a norm is 0)    slots: m, v
// Y. You et al., "Large batch optimization for deep learning" (2019)
#include "optimizers/update.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  double beta_1, beta_2, epsilon;
};

void plan(Plan& p) {
  p.slots(2);
  p.config<Config>() = {p.number("beta_1"), p.number("beta_2"), p.number("epsilon")};
}

void update(const Update& u) noexcept {
  const Config& c = u.config<Config>();
  const real fm = static_cast<real>(1 / correction(c.beta_1, u.t));
  const real fv = static_cast<real>(1 / correction(c.beta_2, u.t));
  const real a = static_cast<real>(1 - c.beta_1), b = static_cast<real>(1 - c.beta_2);
  const real epsilon = static_cast<real>(c.epsilon);
  real *ms = slot(u, 0), *vs = slot(u, 1);
  const Inputs in(u);
  const auto step = [&](const Place& at) {
    return fm * at.load(ms) / (sqrt_v(fv * at.load(vs)) + epsilon);
  };
  const double steps = chunked_sum(u.pool, u.n, [&](const Place& at) {
    const V g = in.gradient(at);
    V m = at.load(ms), v = at.load(vs);
    m += a * (g - m);
    v += b * (g * g - v);
    at.store(ms, m);
    at.store(vs, v);
    at.store(in.w, in.variable(at));
    const V s = step(at);
    return s * s;
  });
  const double weights = chunked_sum(u.pool, u.n, [&](const Place& at) {
    const V w = at.load(in.w);
    return w * w;
  });
  const double ratio = weights > 0 && steps > 0 ? __builtin_sqrt(weights / steps) : 1;
  const real lr = static_cast<real>(u.lr * ratio);
  parallel_for(u.pool, u.n, 16384, [&](Index begin, Index end, int) {
    each_place(begin, end, [&](const Place& at) { at.store(in.w, at.load(in.w) - lr * step(at)); });
  });
}

}  // namespace

extern const OptimizerDef optimizer_lamb;
const OptimizerDef optimizer_lamb{"lamb", plan, false, update};

}  // namespace pyseq::PYSEQ_NS
