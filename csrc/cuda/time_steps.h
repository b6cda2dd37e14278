#pragma once
// One value (N, T, ...) and its T steps (N, ...) as values of their own.
#include "cuda/divide.h"

namespace pyseq::cuda {

// As many pointers as fit well into the parameters of a kernel.
inline constexpr int kStepsAtOnce = 128;

struct StepPointers {
  float* of[kStepsAtOnce];
};

inline StepPointers steps_from(void* const* of, Index first, Index count) {
  StepPointers s{};
  for (Index t = 0; t < count; ++t) s.of[t] = static_cast<float*>(of[first + t]);
  return s;
}

// all[n, t] = step t [n]; 0 for a step that is null.
inline void stack_steps(DeviceStream* s, Index n, Index t, Index inner, void* const* steps, float* all) {
  const Divider by_inner(inner);
  for (Index first = 0; first < t; first += kStepsAtOnce) {
    const Index count = t - first < kStepsAtOnce ? t - first : kStepsAtOnce;
    const StepPointers x = steps_from(steps, first, count);
    const Divider by_count(count);
    for_each(s, n * count * inner, [=] __device__(Index i) {
      const Index step = by_inner.quotient(i), j = i - step * inner;
      const Index row = by_count.quotient(step), k = step - row * count;
      all[(row * t + first + k) * inner + j] = x.of[k] ? x.of[k][row * inner + j] : 0;
    });
  }
}

// step t [n] = all[n, t]; nothing for a step that is null.
inline void unstack_steps(DeviceStream* s, Index n, Index t, Index inner, const float* all, void* const* steps) {
  const Divider by_inner(inner);
  for (Index first = 0; first < t; first += kStepsAtOnce) {
    const Index count = t - first < kStepsAtOnce ? t - first : kStepsAtOnce;
    const StepPointers y = steps_from(steps, first, count);
    const Divider by_count(count);
    for_each(s, n * count * inner, [=] __device__(Index i) {
      const Index step = by_inner.quotient(i), j = i - step * inner;
      const Index row = by_count.quotient(step), k = step - row * count;
      if (y.of[k]) y.of[k][row * inner + j] = all[(row * t + first + k) * inner + j];
    });
  }
}

}  // namespace pyseq::cuda
