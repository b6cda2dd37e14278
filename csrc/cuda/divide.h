#pragma once
// Division of indices by numbers that the host knows, and what is built on it: addresses of elements.
#include "cuda/cuda.h"

namespace pyseq::cuda {

// i / d as one multiplication where both are below 2^31: hardware has no division, and 64-bit
// quotients cost about a hundred instructions. Granlund & Montgomery, 1994.
struct Divider {
  Index d = 1;
  std::uint32_t factor = 0, shift = 0;

  Divider() = default;
  explicit Divider(Index by) : d(by < 1 ? 1 : by) {
    if (d == 1 || d >= Index{1} << 31) return;
    std::uint32_t bits = 0;
    while (Index{1} << bits < d) ++bits;
    const std::uint64_t power = std::uint64_t{1} << (31 + bits), by_d = static_cast<std::uint64_t>(d);
    factor = static_cast<std::uint32_t>((power + by_d - 1) / by_d);
    shift = 31 + bits - 32;
  }
  __device__ Index quotient(Index i) const {
    if (d == 1) return i;
    if (factor != 0 && i < Index{1} << 31)
      return (static_cast<std::uint64_t>(i) * factor >> 32) >> shift;
    return i / d;
  }
};

// Where element i (row major) of an array lies in another one: offset + sum of coordinate * stride.
struct Strided {
  int rank = 0;  // of one sample; what remains counts samples
  Divider size[kMaxRank];
  Index stride[kMaxRank] = {};
  Index sample = 0, offset = 0;

  __device__ Index at(Index i) const {
    Index from = offset;
    for (int k = rank - 1; k >= 0; --k) {
      const Index q = size[k].quotient(i);
      from += (i - q * size[k].d) * stride[k];
      i = q;
    }
    return from + i * sample;
  }
};

// Dimensions of an array and its strides in another one; neighbours that one stride covers merge.
inline Strided strided(int rank, const Index* size, const Index* stride, Index sample, Index offset = 0) {
  Strided s;
  Index merged[kMaxRank];
  for (int k = 0; k < rank; ++k) {
    if (size[k] == 1) continue;
    if (s.rank > 0 && s.stride[s.rank - 1] == stride[k] * size[k]) merged[s.rank - 1] *= size[k];
    else merged[s.rank++] = size[k];
    s.stride[s.rank - 1] = stride[k];
  }
  for (int k = 0; k < s.rank; ++k) s.size[k] = Divider(merged[k]);
  s.sample = sample;
  s.offset = offset;
  return s;
}

// y[i] = x[s.at(i)] for i in [0, n).
inline void gather(DeviceStream* stream, const Strided& s, Index n, const float* x, float* y) {
  for_each(stream, n, [=] __device__(Index i) { y[i] = x[s.at(i)]; });
}

// A copy that is not needed where input and output share memory.
inline void copy_floats(DeviceStream* stream, float* to, const float* from, Index n) {
  if (to != from && n > 0) copy(stream, to, from, static_cast<std::size_t>(n) * sizeof(float));
}
inline void zero_floats(DeviceStream* stream, float* p, Index n) {
  if (n > 0) zero(stream, p, static_cast<std::size_t>(n) * sizeof(float));
}

}  // namespace pyseq::cuda
