// Slots: a
#include "cuda/update.h"

namespace pyseq::cuda {
namespace {

struct Adagrad : Rule {
  float epsilon;
  struct Step {
    float lr;
  };

  __device__ Step step(double lr, double) const {
    return {static_cast<float>(lr)};
  }
  __device__ float operator()(const Step& k, const DeviceSegment& s, Index i, float w, float g) const {
    const float a = s.slot[0][i] + g * g;
    s.slot[0][i] = a;
    return w - k.lr * g / sqrtf(a + epsilon);
  }
};

void plan(Plan& p) {
  p.config<Adagrad>().epsilon = static_cast<float>(p.number("epsilon"));
}

void update(DeviceStream* s, const DeviceUpdates& u) { update_elements(s, u, u.config<Adagrad>()); }

}  // namespace

extern const DeviceOptimizerDef optimizer_adagrad;
const DeviceOptimizerDef optimizer_adagrad{"adagrad", plan, update};

}  // namespace pyseq::cuda
