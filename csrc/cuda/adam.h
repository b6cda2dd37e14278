#pragma once
// See optimizers/adam.h.
#include "cuda/update.h"

namespace pyseq::cuda {

struct Adam : Rule {
  double beta_1, beta_2, epsilon, rate;  // rate: what the learning rate is multiplied by
  bool amsgrad;
  struct Step {
    float alpha, a, b, epsilon;
  };

  __device__ Step step(double lr, double t) const {
    return {static_cast<float>(lr * rate * sqrt(correction(beta_2, t)) / correction(beta_1, t)),
            static_cast<float>(1 - beta_1), static_cast<float>(1 - beta_2), static_cast<float>(epsilon)};
  }
  __device__ float operator()(const Step& k, const DeviceSegment& s, Index i, float w, float g) const {
    const float m = s.slot[0][i] + k.a * (g - s.slot[0][i]);
    float v = s.slot[1][i] + k.b * (g * g - s.slot[1][i]);
    s.slot[0][i] = m;
    s.slot[1][i] = v;
    if (amsgrad) s.slot[2][i] = v = fmaxf(s.slot[2][i], v);
    return w - k.alpha * m / (sqrtf(v) + k.epsilon);
  }
};

}  // namespace pyseq::cuda
