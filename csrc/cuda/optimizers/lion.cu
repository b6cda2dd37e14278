// Slots: m
#include "cuda/update.h"

namespace pyseq::cuda {
namespace {

struct Lion : Rule {
  float beta_1, beta_2;
  struct Step {
    float lr;
  };

  __device__ Step step(double lr, double) const {
    return {static_cast<float>(lr)};
  }
  __device__ float operator()(const Step& k, const DeviceSegment& s, Index i, float w, float g) const {
    const float m = s.slot[0][i], d = beta_1 * m + (1 - beta_1) * g;
    s.slot[0][i] = beta_2 * m + (1 - beta_2) * g;
    return w - (d > 0 ? k.lr : d < 0 ? -k.lr : d);
  }
};

void plan(Plan& p) {
  Lion& c = p.config<Lion>();
  c.beta_1 = static_cast<float>(p.number("beta_1"));
  c.beta_2 = static_cast<float>(p.number("beta_2"));
}

void update(DeviceStream* s, const DeviceUpdates& u) { update_elements(s, u, u.config<Lion>()); }

}  // namespace

extern const DeviceOptimizerDef optimizer_lion;
const DeviceOptimizerDef optimizer_lion{"lion", plan, update};

}  // namespace pyseq::cuda
