// Slots: n, z
#include "cuda/update.h"

namespace pyseq::cuda {
namespace {

struct Ftrl : Rule {
  double power, l1, l2, shrinkage, beta;
  struct Step {
    float inverse, l1, l2, shrink, power;
  };

  __device__ static float raised(float n, float q) {
    return q == 0.5f ? sqrtf(n) : q == 0 ? 1.0f : n == 0 ? 0.0f : powf(n, q);
  }
  __device__ Step step(double lr, double) const {
    return {static_cast<float>(1 / lr), static_cast<float>(l1),
            static_cast<float>(2 * (l2 + beta / (2 * lr))), static_cast<float>(2 * shrinkage),
            static_cast<float>(power)};
  }
  __device__ float operator()(const Step& k, const DeviceSegment& s, Index i, float w, float g) const {
    const float n = s.slot[0][i], n1 = n + g * g, p1 = raised(n1, k.power);
    const float z = s.slot[1][i] + g + k.shrink * w - (p1 - raised(n, k.power)) * k.inverse * w;
    s.slot[0][i] = n1;
    s.slot[1][i] = z;
    const float inside = z < -k.l1 ? -k.l1 : z > k.l1 ? k.l1 : z;
    return (inside - z) / (p1 * k.inverse + k.l2);
  }
};

void plan(Plan& p) {
  Ftrl& c = p.config<Ftrl>();
  c.power = -p.number("learning_rate_power");
  c.l1 = p.number("l1_regularization_strength");
  c.l2 = p.number("l2_regularization_strength");
  c.shrinkage = p.number("l2_shrinkage_regularization_strength");
  c.beta = p.number("beta");
}

void update(DeviceStream* s, const DeviceUpdates& u) { update_elements(s, u, u.config<Ftrl>()); }

}  // namespace

extern const DeviceOptimizerDef optimizer_ftrl;
const DeviceOptimizerDef optimizer_ftrl{"ftrl", plan, update};

}  // namespace pyseq::cuda
