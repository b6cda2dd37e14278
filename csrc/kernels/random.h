#pragma once
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {

// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011):
// a pure function of (seed, step, op, element), so that no thread count or ISA changes the draw.
struct RandomKey {
  std::uint64_t seed, step;
  std::uint32_t op;
};
// u[i] = uniform [0,1) number of element first + i, a multiple of 2^-24.
void random_uniform(const RandomKey& key, Index first, Index n, real* u);
// Standard normal (Box-Muller on the pair of the element).
void random_normal(const RandomKey& key, Index first, Index n, real* z);

}  // namespace pyseq::PYSEQ_NS
