#pragma once
// A block inside a larger array: what padding adds around and cropping takes out.
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Region {
  int rank = 0;  // of one sample
  Index inner[kMaxRank], outer[kMaxRank], begin[kMaxRank];

  PYSEQ_INLINE Index size(const Index* d) const {
    Index s = 1;
    for (int i = 0; i < rank; ++i) s *= d[i];
    return s;
  }
};

// Trailing axes that are whole become part of the one before.
PYSEQ_INLINE Region region_of(const Shape& inner, const Shape& outer, const Index* begin) {
  Region r;
  for (int i = 0; i < inner.rank; ++i) {
    r.inner[r.rank] = inner[i];
    r.outer[r.rank] = outer[i];
    r.begin[r.rank++] = begin[i];
  }
  while (r.rank > 1 && r.inner[r.rank - 1] == r.outer[r.rank - 1]) {
    const Index whole = r.inner[--r.rank];
    r.inner[r.rank - 1] *= whole;
    r.outer[r.rank - 1] *= whole;
    r.begin[r.rank - 1] *= whole;
  }
  return r;
}

// f(offset in inner, offset in outer, count) for each contiguous run of samples [0, n).
template <class F>
PYSEQ_INLINE void for_runs(Pool* pool, const Region& r, Index n, F&& f) {
  const Index run = r.inner[r.rank - 1], runs = n * (run ? r.size(r.inner) / run : 0);
  parallel_for(pool, runs, 32768 / (run + 16) + 1, [&](Index first, Index last, int) {
    for (Index i = first; i < last; ++i) {
      Index rest = i, offset = r.begin[r.rank - 1], stride = r.outer[r.rank - 1];
      for (int k = r.rank - 2; k >= 0; --k) {
        offset += (rest % r.inner[k] + r.begin[k]) * stride;
        stride *= r.outer[k];
        rest /= r.inner[k];
      }
      f(i * run, offset + rest * stride, run);
    }
  });
}

PYSEQ_INLINE void copy_out_of(Pool* pool, const Region& r, Index n, const real* outer,
                              real* inner) {
  for_runs(pool, r, n, [&](Index in, Index out, Index count) {
    __builtin_memcpy(inner + in, outer + out, sizeof(real) * static_cast<std::size_t>(count));
  });
}

// The rest of `outer` becomes `value`.
PYSEQ_INLINE void copy_into(Pool* pool, const Region& r, Index n, const real* inner, real* outer,
                            real value) {
  parallel_for(pool, n * r.size(r.outer), 32768, [&](Index b, Index e, int) {
    for (Index i = b; i < e; ++i) outer[i] = value;
  });
  for_runs(pool, r, n, [&](Index in, Index out, Index count) {
    __builtin_memcpy(outer + out, inner + in, sizeof(real) * static_cast<std::size_t>(count));
  });
}

}  // namespace
}  // namespace pyseq::PYSEQ_NS
