// Slots: z, v
#include "cuda/update.h"

namespace pyseq::cuda {
namespace {

struct ScheduleFree : Rule {
  double beta_1, beta_2, epsilon, warmup;
  struct Step {
    float lr, fv, a, b, inverse, share, beta_1, epsilon;
  };

  __device__ Step step(double lr, double t) const {
    return {static_cast<float>(t < warmup ? lr * t / warmup : lr),
            static_cast<float>(1 / correction(beta_2, t)),
            static_cast<float>(1 - beta_1),
            static_cast<float>(1 - beta_2),
            static_cast<float>(1 / beta_1),
            static_cast<float>(1 / t),
            static_cast<float>(beta_1),
            static_cast<float>(epsilon)};
  }
  __device__ float operator()(const Step& k, const DeviceSegment& s, Index i, float w, float g) const {
    const float old = s.slot[0][i], v = s.slot[1][i] + k.b * (g * g - s.slot[1][i]);
    const float z = old - k.lr * g / (sqrtf(k.fv * v) + k.epsilon);
    const float x = (1 - k.share) * ((w - k.a * old) * k.inverse) + k.share * z;
    s.slot[1][i] = v;
    s.slot[0][i] = z;
    return k.a * z + k.beta_1 * x;
  }
};

void plan(Plan& p) {
  ScheduleFree& c = p.config<ScheduleFree>();
  c.beta_1 = p.number("beta_1");
  c.beta_2 = p.number("beta_2");
  c.epsilon = p.number("epsilon");
  c.warmup = p.number("warmup_steps");
}

void update(DeviceStream* s, const DeviceUpdates& u) { update_elements(s, u, u.config<ScheduleFree>()); }

}  // namespace

extern const DeviceOptimizerDef optimizer_schedule_free_adamw;
const DeviceOptimizerDef optimizer_schedule_free_adamw{"schedule_free_adamw", plan, update};

}  // namespace pyseq::cuda
