// Slots: m, u
#include "cuda/update.h"

namespace pyseq::cuda {
namespace {

struct Adamax : Rule {
  double beta_1, beta_2, epsilon;
  struct Step {
    float lr, a, b, epsilon;
  };

  __device__ Step step(double lr, double t) const {
    return {static_cast<float>(lr / correction(beta_1, t)), static_cast<float>(1 - beta_1),
            static_cast<float>(beta_2), static_cast<float>(epsilon)};
  }
  __device__ float operator()(const Step& k, const DeviceSegment& s, Index i, float w, float g) const {
    const float m = s.slot[0][i] + k.a * (g - s.slot[0][i]);
    const float top = fmaxf(k.b * s.slot[1][i], fabsf(g));
    s.slot[0][i] = m;
    s.slot[1][i] = top;
    return w - k.lr * m / (top + k.epsilon);
  }
};

void plan(Plan& p) {
  Adamax& c = p.config<Adamax>();
  c.beta_1 = p.number("beta_1");
  c.beta_2 = p.number("beta_2");
  c.epsilon = p.number("epsilon");
}

void update(DeviceStream* s, const DeviceUpdates& u) { update_elements(s, u, u.config<Adamax>()); }

}  // namespace

extern const DeviceOptimizerDef optimizer_adamax;
const DeviceOptimizerDef optimizer_adamax{"adamax", plan, update};

}  // namespace pyseq::cuda
