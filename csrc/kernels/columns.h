#pragma once
// Sums over the rows of a (rows, cols) matrix. Rows are cut into chunks whose length depends on
// cols alone, each chunk writes its part, and parts are added in order and in double: the same bits
// for every number of threads.
#include "kernels/real.h"
#include "kernels/simd.h"

namespace pyseq::PYSEQ_NS {
// Internal linkage: lambdas in functions of external linkage would leave weak symbols behind.
namespace {

// A chunk stays in the first or second cache, so that a second pass over it is free.
PYSEQ_INLINE Index chunk_rows(Index cols) {
  const Index rows = 8192 / (cols > 0 ? cols : 1);
  return rows < 32 ? 32 : rows / 32 * 32;
}
PYSEQ_INLINE Index chunk_count(Index rows, Index cols) {
  return (rows + chunk_rows(cols) - 1) / chunk_rows(cols);
}
// Scratch for `width` reals of each chunk: per sample (of `outer` matrix rows), and fixed.
PYSEQ_INLINE Index chunk_scratch_per_row(Index outer, Index cols, Index width) {
  return (outer * width + chunk_rows(cols) - 1) / chunk_rows(cols);
}
PYSEQ_INLINE Index chunk_scratch_fixed(Index width) { return 2 * width; }

// Narrow rows are taken several at a time, as rows of a wider matrix, to fill vectors.
PYSEQ_INLINE Index rows_together(Index cols) {
  if (cols >= 32 || cols < 1) return 1;
  Index g = 16;
  for (Index c = cols; c % 2 == 0 && g > 1; c /= 2) g /= 2;
  while (g * cols < 64) g *= 2;
  return g;
}

struct AllLanes {
  PYSEQ_INLINE V get(const real* p) const { return load(p); }
  PYSEQ_INLINE void put(real* p, V v) const { store(p, v); }
};
struct SomeLanes {
  int n;
  PYSEQ_INLINE V get(const real* p) const { return load_partial(p, n); }
  PYSEQ_INLINE void put(real* p, V v) const { store_partial(p, v, n); }
};
// f(j, lanes) for j = 0, kLanes, ... below n: vector code without the compiler's alias checks,
// which cost as much as a short row.
template <class F>
PYSEQ_INLINE void for_lanes(Index n, F&& f) {
  Index j = 0;
  for (; j + kLanes <= n; j += kLanes) f(j, AllLanes{});
  if (j < n) f(j, SomeLanes{static_cast<int>(n - j)});
}

constexpr Index kColumnBlock = 64;

// f(first, n, count) for blocks of columns: what needs a local array for each column.
template <class F>
PYSEQ_INLINE void for_column_blocks(Pool* pool, Index cols, Index chunks, F&& f) {
  const Index blocks = (cols + kColumnBlock - 1) / kColumnBlock;
  parallel_for(pool, blocks, 1 + 256 / (chunks + 1), [&](Index begin, Index end, int) {
    for (Index b = begin; b < end; ++b) {
      const Index first = b * kColumnBlock;
      f(first, cols - first < kColumnBlock ? cols - first : kColumnBlock);
    }
  });
}

// sum[0, n) = sum over chunks of part[k * stride + first + (0..n)]
PYSEQ_INLINE void add_chunks(const real* part, Index stride, Index chunks, Index first, Index n,
                             double* sum) {
  for (Index j = 0; j < n; ++j) sum[j] = 0;
  for (Index k = 0; k < chunks; ++k) {
    const real* p = part + k * stride + first;
    for (Index j = 0; j < n; ++j) sum[j] += static_cast<double>(p[j]);
  }
}

// out[j] = sum over chunks of part[k * stride + j]
PYSEQ_INLINE void reduce_chunks(Pool* pool, const real* part, Index stride, Index chunks,
                                Index cols, real* out) {
  for_column_blocks(pool, cols, chunks, [&](Index first, Index n) {
    double sum[kColumnBlock];
    add_chunks(part, stride, chunks, first, n, sum);
    for (Index j = 0; j < n; ++j) out[first + j] = static_cast<real>(sum[j]);
  });
}

}  // namespace
}  // namespace pyseq::PYSEQ_NS
