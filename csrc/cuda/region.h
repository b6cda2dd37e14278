#pragma once
// A block inside a larger array: what padding adds around and cropping takes out.
#include "cuda/divide.h"

namespace pyseq::cuda {

struct Region {
  Index inner_size, outer_size;  // of a sample
  int rank;
  Divider outer[kMaxRank];
  Index begin[kMaxRank], inner[kMaxRank];
  Strided to_outer;  // element of the inner array to that of the outer one

  // Element of the inner array for element i of the outer one; negative outside of it.
  __device__ Index inner_of(Index i) const {
    Index at = 0, stride = 1;
    for (int k = rank - 1; k >= 0; --k) {
      const Index q = outer[k].quotient(i), j = i - q * outer[k].d - begin[k];
      if (j < 0 || j >= inner[k]) return -1;
      at += j * stride;
      stride *= inner[k];
      i = q;
    }
    return at + i * stride;
  }
};

// Trailing axes that are whole become part of the one before.
inline Region region_of(const Shape& inner, const Shape& outer, const Index* begin) {
  Region r{};
  r.inner_size = inner.size();
  r.outer_size = outer.size();
  Index size[kMaxRank], stride[kMaxRank], offset = 0, step = 1;
  for (int k = 0; k < inner.rank; ++k) {
    size[k] = outer[k];
    r.inner[k] = inner[k];
    r.begin[k] = begin[k];
  }
  for (int k = inner.rank; k-- > 0;) {
    stride[k] = step;
    offset += begin[k] * step;
    step *= outer[k];
  }
  r.to_outer = strided(inner.rank, inner.dim, stride, step, offset);
  r.rank = inner.rank;
  while (r.rank > 1 && r.inner[r.rank - 1] == size[r.rank - 1]) {
    const Index whole = r.inner[--r.rank];
    r.inner[r.rank - 1] *= whole;
    r.begin[r.rank - 1] *= whole;
    size[r.rank - 1] *= whole;
  }
  for (int k = 0; k < r.rank; ++k) r.outer[k] = Divider(size[k]);
  return r;
}

inline void copy_out_of(DeviceStream* s, const Region& r, Index n, const float* outer, float* inner) {
  gather(s, r.to_outer, n * r.inner_size, outer, inner);
}

// The rest of `outer` becomes `value`.
inline void copy_into(DeviceStream* s, const Region& r, Index n, const float* inner, float* outer, float value) {
  for_each(s, n * r.outer_size, [=] __device__(Index i) {
    const Index from = r.inner_of(i);
    outer[i] = from < 0 ? value : inner[from];
  });
}

}  // namespace pyseq::cuda
