#include "kernels/conv_narrow.h"

namespace pyseq::PYSEQ_NS {
namespace {

template <int N>
struct Lanes {
  typedef real type __attribute__((vector_size(N * sizeof(real))));
};

using Q = Lanes<4>::type;

// Four lanes whose sum is that of all; a template, so that only the fitting branch is compiled.
template <int N>
PYSEQ_INLINE void fold(const typename Lanes<N>::type& v, Q& sum) {
  if constexpr (N == 16) {
    fold<8>(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15),
            sum);
  } else if constexpr (N == 8) {
    fold<4>(__builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7),
            sum);
  } else if constexpr (N == 4) {
    sum = v;
  } else {
    sum = Q{v[0], v[1]};
  }
}

// Sums of the lanes of v[0, 4).
PYSEQ_INLINE void sum_lanes(const V* v, real* sum) {
  Q q[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) fold<kLanes>(v[i], q[i]);
  const Q a = __builtin_shufflevector(q[0], q[1], 0, 4, 1, 5) +
              __builtin_shufflevector(q[0], q[1], 2, 6, 3, 7);
  const Q b = __builtin_shufflevector(q[2], q[3], 0, 4, 1, 5) +
              __builtin_shufflevector(q[2], q[3], 2, 6, 3, 7);
  const Q all =
      __builtin_shufflevector(a, b, 0, 1, 4, 5) + __builtin_shufflevector(a, b, 2, 3, 6, 7);
  __builtin_memcpy(sum, &all, sizeof all);
}

template <int R, int F>
void tile(const real* x, const Index* pixel, const Segments& segments, const real* w, Index depth,
          const NarrowStore& out) {
  V acc[R][F] = {};
  const Index length = segments.length;
  const int rest = static_cast<int>(length % kLanes);
  for (Index s = 0; s < segments.count; ++s) {
    const real* b = w + segments.row[s];
    const real* a[R];
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) a[i] = x + segments.x[s] + pixel[i];
    Index k = 0;
    for (; k + kLanes <= length; k += kLanes) {
      V bv[F];
#pragma GCC unroll 8
      for (int f = 0; f < F; ++f) bv[f] = load(b + f * depth + k);
#pragma GCC unroll 16
      for (int i = 0; i < R; ++i) {
        const V av = load(a[i] + k);
#pragma GCC unroll 8
        for (int f = 0; f < F; ++f) acc[i][f] += av * bv[f];
      }
    }
    if (!rest) continue;
    V bv[F];
#pragma GCC unroll 8
    for (int f = 0; f < F; ++f) bv[f] = load_partial(b + f * depth + k, rest);
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const V av = load_partial(a[i] + k, rest);
#pragma GCC unroll 8
      for (int f = 0; f < F; ++f) acc[i][f] += av * bv[f];
    }
  }
  constexpr int kSums = (R * F + 3) / 4 * 4;
  V flat[kSums] = {};
  real sum[kSums];
#pragma GCC unroll 32
  for (int i = 0; i < R * F; ++i) flat[i] = acc[i / F][i % F];
#pragma GCC unroll 8
  for (int i = 0; i < kSums; i += 4) sum_lanes(flat + i, sum + i);
  for (int i = 0; i < R; ++i)
    for (int f = 0; f < F; ++f) {
      const real y = sum[i * F + f] + out.bias[f];
      out.y[out.offset[i] + f] = out.relu && y < 0 ? 0 : y;
    }
}

template <int R>
void rows(const real* x, const Index* pixel, const Segments& segments, const real* w, Index depth,
          int filters, const NarrowStore& out) {
  const auto f = filters == 1   ? tile<R, 1>
                 : filters == 2 ? tile<R, 2>
                 : filters == 3 ? tile<R, 3>
                                : tile<R, 4>;
  f(x, pixel, segments, w, depth, out);
}

}  // namespace

void narrow_tiles(const real* x, const Index* pixel, Index pixels, const Segments& segments,
                  const real* w, Index depth, int filters, const NarrowStore& out) {
  constexpr int kRows = kVectorBytes == 64 ? 6 : 2;
  NarrowStore at = out;
  Index i = 0;
  for (; i + kRows <= pixels; i += kRows) {
    at.offset = out.offset + i;
    rows<kRows>(x, pixel + i, segments, w, depth, filters, at);
  }
  for (; i < pixels; ++i) {
    at.offset = out.offset + i;
    rows<1>(x, pixel + i, segments, w, depth, filters, at);
  }
}

}  // namespace pyseq::PYSEQ_NS
