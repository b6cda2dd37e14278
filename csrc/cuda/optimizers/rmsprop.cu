// Slots: v, [m], [a]
#include "cuda/update.h"

namespace pyseq::cuda {
namespace {

struct Rmsprop : Rule {
  float rho, momentum, epsilon;
  bool centered;
  struct Step {
    float lr;
  };

  __device__ Step step(double lr, double) const {
    return {static_cast<float>(lr)};
  }
  __device__ float operator()(const Step& k, const DeviceSegment& s, Index i, float w, float g) const {
    const float v = rho * s.slot[0][i] + (1 - rho) * g * g;
    s.slot[0][i] = v;
    float under = v;
    if (centered) {
      float& mean = s.slot[momentum > 0 ? 2 : 1][i];
      const float a = rho * mean + (1 - rho) * g;
      mean = a;
      under -= a * a;
    }
    float step = k.lr * g / sqrtf(under + epsilon);
    if (momentum > 0) s.slot[1][i] = step += momentum * s.slot[1][i];
    return w - step;
  }
};

void plan(Plan& p) {
  Rmsprop& c = p.config<Rmsprop>();
  c.rho = static_cast<float>(p.number("rho"));
  c.momentum = static_cast<float>(p.number("momentum", 0.0));
  c.epsilon = static_cast<float>(p.number("epsilon"));
  c.centered = p.flag("centered");
}

void update(DeviceStream* s, const DeviceUpdates& u) { update_elements(s, u, u.config<Rmsprop>()); }

}  // namespace

extern const DeviceOptimizerDef optimizer_rmsprop;
const DeviceOptimizerDef optimizer_rmsprop{"rmsprop", plan, update};

}  // namespace pyseq::cuda
