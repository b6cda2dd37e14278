#pragma once
// Philox 4x32-10, bit for bit that of kernels/random.h, one element at a time.
#include "cuda/cuda.h"

namespace pyseq::cuda {

struct RandomKey {
  std::uint64_t seed;
  std::uint32_t op;
  const StepState* state;  // device memory: the step
};

struct RandomWords {
  std::uint32_t w[4];
};

// The four words of the block that holds elements 4 block .. 4 block + 3.
__device__ inline RandomWords random_words(const RandomKey& key, std::uint64_t block) {
  const std::uint64_t step = key.state->step;
  std::uint32_t c0 = static_cast<std::uint32_t>(block);
  std::uint32_t c1 = key.op + static_cast<std::uint32_t>(block >> 32 << 20);
  std::uint32_t c2 = static_cast<std::uint32_t>(step), c3 = static_cast<std::uint32_t>(step >> 32);
  std::uint32_t k0 = static_cast<std::uint32_t>(key.seed), k1 = static_cast<std::uint32_t>(key.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = static_cast<std::uint64_t>(c0) * 0xD2511F53u;
    const std::uint64_t p1 = static_cast<std::uint64_t>(c2) * 0xCD9E8D57u;
    c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<std::uint32_t>(p1);
    c3 = static_cast<std::uint32_t>(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// Uniform [0, 1) number of element i, a multiple of 2^-24.
__device__ inline float random_uniform(const RandomKey& key, Index i) {
  const RandomWords r = random_words(key, static_cast<std::uint64_t>(i) / 4);
  return static_cast<float>(r.w[i % 4] >> 8) * (1.0f / 16777216.0f);
}

// Standard normal (Box-Muller on the pair of the element).
__device__ inline float random_normal(const RandomKey& key, Index i) {
  const RandomWords r = random_words(key, static_cast<std::uint64_t>(i) / 4);
  const int pair = static_cast<int>(i % 4) & 2;
  const float u = (static_cast<float>(r.w[pair] >> 8) + 0.5f) * (1.0f / 16777216.0f);
  const float v = static_cast<float>(r.w[pair + 1] >> 8) * (1.0f / 16777216.0f);
  const float radius = sqrtf(-2.0f * logf(u)), angle = 6.283185307179586f * v;
  return radius * (i % 2 ? sinf(angle) : cosf(angle));
}

}  // namespace pyseq::cuda
