// Slots: m, v
#include "cuda/update.h"

namespace pyseq::cuda {
namespace {

struct Nadam : Rule {
  double beta_1, beta_2, epsilon;
  struct Step {
    float fm, fg, fv, a, b, epsilon;
  };

  __device__ Step step(double lr, double t) const {
    const double now = beta_1 * (1 - 0.5 * pow(0.96, t)), later = beta_1 * (1 - 0.5 * pow(0.96, t + 1));
    // After 1000 steps 1 - 0.96^t / 2 is 1 to the last bit.
    double product = pow(beta_1, t), decay = 1;
    for (int i = 1; i <= 1000 && i <= t; ++i) product *= 1 - 0.5 * (decay *= 0.96);
    return {static_cast<float>(lr * later / (1 - product * later)),
            static_cast<float>(lr * (1 - now) / (1 - product)),
            static_cast<float>(1 / correction(beta_2, t)),
            static_cast<float>(1 - beta_1),
            static_cast<float>(1 - beta_2),
            static_cast<float>(epsilon)};
  }
  __device__ float operator()(const Step& k, const DeviceSegment& s, Index i, float w, float g) const {
    const float m = s.slot[0][i] + k.a * (g - s.slot[0][i]);
    const float v = s.slot[1][i] + k.b * (g * g - s.slot[1][i]);
    s.slot[0][i] = m;
    s.slot[1][i] = v;
    return w - (k.fm * m + k.fg * g) / (sqrtf(k.fv * v) + k.epsilon);
  }
};

void plan(Plan& p) {
  Nadam& c = p.config<Nadam>();
  c.beta_1 = p.number("beta_1");
  c.beta_2 = p.number("beta_2");
  c.epsilon = p.number("epsilon");
}

void update(DeviceStream* s, const DeviceUpdates& u) { update_elements(s, u, u.config<Nadam>()); }

}  // namespace

extern const DeviceOptimizerDef optimizer_nadam;
const DeviceOptimizerDef optimizer_nadam{"nadam", plan, update};

}  // namespace pyseq::cuda
