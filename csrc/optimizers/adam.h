#pragma once
#include "optimizers/update.h"

namespace pyseq::PYSEQ_NS {
namespace {

// m += (1 - beta_1)(g - m), v += (1 - beta_2)(g^2 - v), w -= alpha m / (sqrt(v) + eps),
// alpha = lr sqrt(1 - beta_2^t) / (1 - beta_1^t); amsgrad: the largest v so far.
// D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization" (2015), with epsilon outside
// the correction of v.
struct Adam {
  double beta_1, beta_2, epsilon;
  bool amsgrad;
};

PYSEQ_INLINE void adam_update(const Adam& c, const Update& u, double lr) {
  const real alpha =
      static_cast<real>(lr * __builtin_sqrt(correction(c.beta_2, u.t)) / correction(c.beta_1, u.t));
  const real a = static_cast<real>(1 - c.beta_1), b = static_cast<real>(1 - c.beta_2);
  const real epsilon = static_cast<real>(c.epsilon);
  real *ms = slot(u, 0), *vs = slot(u, 1), *top = c.amsgrad ? slot(u, 2) : nullptr;
  const auto moments = [&](const Place& at, V g, V* m, V* v) {
    *m = at.load(ms);
    *v = at.load(vs);
    *m += a * (g - *m);
    *v += b * (g * g - *v);
    at.store(ms, *m);
    at.store(vs, *v);
  };
  if (!top) {
    update_elements(u, [&](const Place& at, V w, V g) {
      V m, v;
      moments(at, g, &m, &v);
      return w - alpha * m / (sqrt_v(v) + epsilon);
    });
    return;
  }
  update_elements(u, [&](const Place& at, V w, V g) {
    V m, v;
    moments(at, g, &m, &v);
    v = max_v(at.load(top), v);
    at.store(top, v);
    return w - alpha * m / (sqrt_v(v) + epsilon);
  });
}

}  // namespace
}  // namespace pyseq::PYSEQ_NS
