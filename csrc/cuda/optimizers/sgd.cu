// Slots: [m]
#include "cuda/update.h"

namespace pyseq::cuda {
namespace {

struct Sgd : Rule {
  float momentum;
  bool nesterov;
  struct Step {
    float lr;
  };

  __device__ Step step(double lr, double) const {
    return {static_cast<float>(lr)};
  }
  __device__ float operator()(const Step& k, const DeviceSegment& s, Index i, float w, float g) const {
    if (momentum == 0) return w - k.lr * g;
    const float step = k.lr * g, m = momentum * s.slot[0][i] - step;
    s.slot[0][i] = m;
    return nesterov ? w + (momentum * m - step) : w + m;
  }
};

void plan(Plan& p) {
  Sgd& c = p.config<Sgd>();
  c.momentum = static_cast<float>(p.number("momentum", 0.0));
  c.nesterov = p.flag("nesterov");
}

void update(DeviceStream* s, const DeviceUpdates& u) { update_elements(s, u, u.config<Sgd>()); }

}  // namespace

extern const DeviceOptimizerDef optimizer_sgd;
const DeviceOptimizerDef optimizer_sgd{"sgd", plan, update};

}  // namespace pyseq::cuda
