// Slots: a, d
#include "cuda/update.h"

namespace pyseq::cuda {
namespace {

struct Adadelta : Rule {
  float rho, epsilon;
  struct Step {
    float lr;
  };

  __device__ Step step(double lr, double) const {
    return {static_cast<float>(lr)};
  }
  __device__ float operator()(const Step& k, const DeviceSegment& s, Index i, float w, float g) const {
    const float a = rho * s.slot[0][i] + (1 - rho) * g * g, d = s.slot[1][i];
    const float e = sqrtf(d + epsilon) * g / sqrtf(a + epsilon);
    s.slot[0][i] = a;
    s.slot[1][i] = rho * d + (1 - rho) * e * e;
    return w - k.lr * e;
  }
};

void plan(Plan& p) {
  Adadelta& c = p.config<Adadelta>();
  c.rho = static_cast<float>(p.number("rho"));
  c.epsilon = static_cast<float>(p.number("epsilon"));
}

void update(DeviceStream* s, const DeviceUpdates& u) { update_elements(s, u, u.config<Adadelta>()); }

}  // namespace

extern const DeviceOptimizerDef optimizer_adadelta;
const DeviceOptimizerDef optimizer_adadelta{"adadelta", plan, update};

}  // namespace pyseq::cuda
