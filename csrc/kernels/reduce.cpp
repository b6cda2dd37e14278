#include "kernels/gemm.h"
#include "kernels/simd.h"
#include "kernels/vmath.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr Index kBlock = 4096;  // bounds the error of one running sum

real block_sum(const real* x, Index n) {
  V s[4] = {};
  Index i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes)
    for (int j = 0; j < 4; ++j) s[j] += load(x + i + j * kLanes);
  for (; i + kLanes <= n; i += kLanes) s[0] += load(x + i);
  if (i < n) s[1] += load_partial(x + i, static_cast<int>(n - i));
  return horizontal_sum((s[0] + s[1]) + (s[2] + s[3]));
}

}  // namespace

double vsum_double(const real* x, Index n) {
  double s = 0;
  for (Index i = 0; i < n; i += kBlock)
    s += static_cast<double>(block_sum(x + i, n - i < kBlock ? n - i : kBlock));
  return s;
}

real vsum(const real* x, Index n) {
  return n <= kBlock ? block_sum(x, n) : static_cast<real>(vsum_double(x, n));
}

real vmax(const real* x, Index n) {
  V s = splat(-static_cast<real>(__builtin_inf()));
  Index i = 0;
  for (; i + kLanes <= n; i += kLanes) s = max_v(load(x + i), s);
  real m = horizontal_max(s);
  for (; i < n; ++i) m = x[i] > m ? x[i] : m;
  return m;
}

namespace {

constexpr Index kMaxChunks = 64, kChunkRows = 256;

Index chunk_rows(Index rows) {
  const Index even = (rows + kMaxChunks - 1) / kMaxChunks;
  return even > kChunkRows ? even : kChunkRows;
}

// out[0, cols) (+)= sum over rows of x.
void sum_rows(const real* x, Index ld, Index rows, Index cols, real* out, bool accumulate) {
  if (cols == 1 && ld == 1) {
    const real s = block_sum(x, rows);
    *out = accumulate ? *out + s : s;
    return;
  }
  constexpr int kWide = 4;
  Index j = 0;
  for (; j + kWide * kLanes <= cols; j += kWide * kLanes) {
    V s[kWide] = {};
    const real* p = x + j;
    for (Index i = 0; i < rows; ++i, p += ld)
      for (int v = 0; v < kWide; ++v) s[v] += load(p + v * kLanes);
    for (int v = 0; v < kWide; ++v) {
      real* o = out + j + v * kLanes;
      store(o, accumulate ? load(o) + s[v] : s[v]);
    }
  }
  for (; j < cols; j += kLanes) {
    const int width = static_cast<int>(cols - j < kLanes ? cols - j : kLanes);
    V s[4] = {};
    const real* p = x + j;
    Index i = 0;
    if (width == kLanes) {
      for (; i + 4 <= rows; i += 4, p += 4 * ld)
        for (int u = 0; u < 4; ++u) s[u] += load(p + u * ld);
      for (; i < rows; ++i, p += ld) s[0] += load(p);
    } else {
      for (; i + 4 <= rows; i += 4, p += 4 * ld)
        for (int u = 0; u < 4; ++u) s[u] += load_partial(p + u * ld, width);
      for (; i < rows; ++i, p += ld) s[0] += load_partial(p, width);
    }
    V total = (s[0] + s[1]) + (s[2] + s[3]);
    if (accumulate) total += load_partial(out + j, width);
    store_partial(out + j, total, width);
  }
}

}  // namespace

Index column_sum_scratch(Index rows, Index cols) {
  if (rows <= kChunkRows) return 0;
  const Index chunks = (rows - 1) / kChunkRows + 1;
  return (chunks < kMaxChunks ? chunks : kMaxChunks) * cols;
}

void column_sum(Pool* pool, const real* x, Index ld, Index rows, Index cols, real* out,
                bool accumulate, real* scratch) {
  if (rows <= kChunkRows) {
    sum_rows(x, ld, rows, cols, out, accumulate);
    return;
  }
  const Index chunk = chunk_rows(rows), chunks = (rows + chunk - 1) / chunk;
  parallel_for(pool, chunks, 1, [&](Index begin, Index end, int) {
    for (Index c = begin; c < end; ++c) {
      const Index first = c * chunk, count = rows - first < chunk ? rows - first : chunk;
      sum_rows(x + first * ld, ld, count, cols, scratch + c * cols, false);
    }
  });
  sum_rows(scratch, cols, chunks, cols, out, accumulate);
}

}  // namespace pyseq::PYSEQ_NS
