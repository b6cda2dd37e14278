#pragma once
// Metrics that compare classes by their predictions along the last axis.
#include "cuda/loss.h"

namespace pyseq::cuda {

// The first position of the largest element of x[0, line.size); a NaN counts as the largest, as in
// Keras. Collective.
__device__ inline Index first_largest(const Line& line, const float* x) {
  float top = -INFINITY, undefined = -INFINITY;  // positions are counted downwards: the first is the largest
  for (Index k = line.first; k < line.size; k += line.step()) {
    if (isnan(x[k])) undefined = fmaxf(undefined, -static_cast<float>(k));
    else top = fmaxf(top, x[k]);
  }
  undefined = line.max(undefined);
  top = line.max(top);
  float first = -INFINITY;
  for (Index k = line.first; k < line.size; k += line.step())
    if (x[k] == top) first = fmaxf(first, -static_cast<float>(k));
  first = line.max(first);
  if (!isinf(undefined)) return static_cast<Index>(-undefined);
  return isinf(first) ? 0 : static_cast<Index>(-first);
}

// Whether fewer than k predictions are above that of `label`. Collective.
__device__ inline bool in_top(const Line& line, const float* x, float label, Index most) {
  const Index own = known_class(label, line.size);
  const float limit = own >= 0 ? x[own] : 0;
  float above = 0, undefined = own < 0 || !isfinite(limit) ? 1 : 0;
  for (Index k = line.first; k < line.size; k += line.step()) {
    above += x[k] > limit ? 1 : 0;
    if (!isfinite(x[k])) undefined = 1;
  }
  above = line.sum(above);
  undefined = line.sum(undefined);
  return undefined == 0 && above < static_cast<float>(most);
}

}  // namespace pyseq::cuda
