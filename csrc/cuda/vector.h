#pragma once
// Four elements at a time: one 16-byte access, and one draw of random words. Buffers start 64-byte
// aligned.
#include "cuda/random.h"

namespace pyseq::cuda {

struct alignas(16) Four {
  float v[4];
};

// Elements 4 q .. 4 q + 3 of n; 0 beyond the end.
__device__ inline Four load_four(const float* p, Index q, Index n) {
  if (4 * q + 4 <= n) return reinterpret_cast<const Four*>(p)[q];
  Four f{};
  for (int k = 0; k < 4; ++k)
    if (4 * q + k < n) f.v[k] = p[4 * q + k];
  return f;
}
__device__ inline void store_four(float* p, Index q, Index n, const Four& f) {
  if (4 * q + 4 <= n) {
    reinterpret_cast<Four*>(p)[q] = f;
    return;
  }
  for (int k = 0; k < 4; ++k)
    if (4 * q + k < n) p[4 * q + k] = f.v[k];
}

// Uniform [0, 1) and standard normal numbers of elements 4 q .. 4 q + 3.
__device__ inline Four random_uniform_four(const RandomKey& key, Index q) {
  const RandomWords r = random_words(key, static_cast<std::uint64_t>(q));
  Four u;
  for (int k = 0; k < 4; ++k) u.v[k] = static_cast<float>(r.w[k] >> 8) * (1.0f / 16777216.0f);
  return u;
}
__device__ inline Four random_normal_four(const RandomKey& key, Index q) {
  const RandomWords r = random_words(key, static_cast<std::uint64_t>(q));
  Four z;
  for (int k = 0; k < 4; k += 2) {
    const float u = (static_cast<float>(r.w[k] >> 8) + 0.5f) * (1.0f / 16777216.0f);
    const float angle = 6.283185307179586f * (static_cast<float>(r.w[k + 1] >> 8) * (1.0f / 16777216.0f));
    const float radius = sqrtf(-2.0f * logf(u));
    z.v[k] = radius * cosf(angle);
    z.v[k + 1] = radius * sinf(angle);
  }
  return z;
}

// f(q) for each group of four of n elements.
template <class F>
void for_each_four(DeviceStream* s, Index n, F f) {
  for_each(s, (n + 3) / 4, f);
}

}  // namespace pyseq::cuda
