// Shapes that the blocked algorithm serves badly: few rows or columns.
#include "kernels/gemm_detail.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr Index kDotColumns = 8;   // columns of B worth transposing
constexpr Index kDotRows = 64;     // rows of A too few to pay for packing B
constexpr Index kDotDepth = 2048;  // of the transposed columns
constexpr Index kStreamBlocksLeast = 16384;  // B that is larger than L1
constexpr Index kStreamBlocksDepth = 256;  // short columns of a panel are read slowly

#if defined(__AVX512F__)
// Adds a[l] + a[l ^ D] into lanes where bit D of l is clear, b's into the others.
template <int D>
PYSEQ_INLINE V fold(V a, V b) {
  VI low{}, high{};
  for (int l = 0; l < kLanes; ++l) {
    low[l] = l & D ? l - D + kLanes : l;
    high[l] = l & D ? l + kLanes : l + D;
  }
  return permute(a, b, low) + permute(a, b, high);
}
template <int D, int Count>
PYSEQ_INLINE void fold_half(V* f) {
  if constexpr (Count == 1) {
    f[0] = fold<D>(f[0], f[0]);
  } else {
#pragma GCC unroll 8
    for (int i = 0; i < Count / 2; ++i) f[i] = fold<D>(f[i], f[i + Count / 2]);
  }
}
#endif

// sum[i * S + j] = sum of the lanes of acc[i][j]; many at a time share their additions.
template <int R, int S>
PYSEQ_INLINE void sum_each(V (&acc)[R][S], real* sum) {
#if defined(__AVX512F__)
  constexpr int count = R * S > 8 ? 16 : R * S > 4 ? 8 : R * S > 2 ? 4 : R * S;
  V f[count];
#pragma GCC unroll 16
  for (int i = 0; i < count; ++i) f[i] = i < R * S ? acc[i / S][i % S] : V{};
  // Afterwards the lane i * kLanes / count holds the sum of vector i.
  fold_half<8, count>(f);
  fold_half<4, (count > 2 ? count / 2 : 1)>(f);
  fold_half<2, (count > 4 ? count / 4 : 1)>(f);
  fold_half<1, (count > 8 ? count / 8 : 1)>(f);
  real lanes[kLanes];
  store(lanes, f[0]);
#pragma GCC unroll 16
  for (int i = 0; i < R * S; ++i) sum[i] = lanes[i * (kLanes / count)];
#else
  for (int i = 0; i < R; ++i)
    for (int j = 0; j < S; ++j) sum[i * S + j] = horizontal_sum(acc[i][j]);
#endif
}

// C (R, S) (+)= A (R, k) B (S, k)^T, rows a_ld and b_ld apart.
template <int R, int S>
PYSEQ_INLINE void dots(const real* a, Index a_ld, const real* b, Index b_ld, Index k, real* c,
                       Index ldc, bool accumulate) {
  V acc[R][S];
#pragma GCC unroll 4
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < S; ++j) acc[i][j] = V{};
  Index at = 0;
  const auto step = [&](auto get) __attribute__((always_inline)) {
    V av[R];
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i) av[i] = get(a + i * a_ld + at);
#pragma GCC unroll 4
    for (int j = 0; j < S; ++j) {
      const V bv = get(b + j * b_ld + at);
#pragma GCC unroll 4
      for (int i = 0; i < R; ++i) acc[i][j] += av[i] * bv;
    }
  };
  for (; at + kLanes <= k; at += kLanes)
    step([](const real* p) __attribute__((always_inline)) { return load(p); });
  if (at < k) {
    const int rest = static_cast<int>(k - at);
    step([rest](const real* p) __attribute__((always_inline)) { return load_partial(p, rest); });
  }
  real sum[R * S];
  sum_each(acc, sum);
#pragma GCC unroll 4
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < S; ++j) {
      real* to = c + i * ldc + j;
      *to = accumulate ? *to + sum[i * S + j] : sum[i * S + j];
    }
}

template <int R>
void dot_rows(const real* a, Index a_ld, const real* b, Index b_ld, Index n, Index k, real* c,
              Index ldc, bool accumulate) {
  Index j = 0;
  for (; j + 4 <= n; j += 4) dots<R, 4>(a, a_ld, b + j * b_ld, b_ld, k, c + j, ldc, accumulate);
  if (j + 2 <= n) {
    dots<R, 2>(a, a_ld, b + j * b_ld, b_ld, k, c + j, ldc, accumulate);
    j += 2;
  }
  if (j < n) dots<R, 1>(a, a_ld, b + j * b_ld, b_ld, k, c + j, ldc, accumulate);
}

// C (m, n) (+)= A B^T
void dot_block(const real* a, Index a_ld, const real* b, Index b_ld, Index m, Index n, Index k,
               real* c, Index ldc, bool accumulate) {
  // As many accumulators as there are registers for.
  constexpr Index R = kVectorBytes >= 64 ? 4 : 2;
  for (Index i = 0; i < m;) {
    const Index rows = smaller(R, m - i);
    const real* from = a + i * a_ld;
    real* to = c + i * ldc;
    if (rows == 4) dot_rows<4>(from, a_ld, b, b_ld, n, k, to, ldc, accumulate);
    else if (rows == 3) dot_rows<3>(from, a_ld, b, b_ld, n, k, to, ldc, accumulate);
    else if (rows == 2) dot_rows<2>(from, a_ld, b, b_ld, n, k, to, ldc, accumulate);
    else dot_rows<1>(from, a_ld, b, b_ld, n, k, to, ldc, accumulate);
    i += rows;
  }
}

void finish_dots(const Gemm& g, real* c, const real* bias, Index rows, Index columns) {
  if (bias)
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < columns; ++j) c[i * g.ldc + j] += bias[j];
  if (g.act.kind == kLinear) return;
  if (columns == g.ldc) return activation_forward(g.act, c, c, rows * columns);
  for (Index i = 0; i < rows; ++i) activation_forward(g.act, c + i * g.ldc, c + i * g.ldc, columns);
}

}  // namespace

bool dot_wanted(const Gemm& g) {
  const Index m = gemm_like(g);
  if (g.a_col != 1) return false;
  if (g.n == 1) return true;
  // The sums of lanes against the packing of B.
  if (g.b_row == 1 && m <= kDotRows && (m <= 4 || g.k >= 8 * m)) return true;
  if (g.n > kDotColumns || m < 8) return false;
  // Vector steps along k, and the sums of lanes at their end, against those along n.
  return g.n * (g.k + 3 * kLanes) < g.k * kLanes * 3 / 4;
}

Index dot_scratch(Index n, Index k) { return smaller(n, kDotColumns) * smaller(k, kDotDepth); }

void dot_gemm(Pool* pool, const Gemm& g, real* shared) {
  const bool transpose = g.b_row != 1;
  const Index depth = transpose ? kDotDepth : g.k;
  Index at = 0;
  do {
    const Index k = smaller(depth, g.k - at);
    const bool accumulate = g.accumulate || at > 0, last = at + k >= g.k;
    const real* b = g.b + at;
    Index b_ld = g.b_col;
    if (transpose) {
      for (Index j = 0; j < g.n; ++j)
        for (Index i = 0; i < k; ++i) shared[j * k + i] = g.b[(at + i) * g.b_row + j];
      b = shared, b_ld = k;
    }
    const real* a = g.a + at;
    if (g.n > g.m) {  // pieces of columns, so that A stays in L1
      const Index grain = larger(4, round_to(32768 / larger(1, k * g.m), 4));
      parallel_for(pool, ceil_div(g.n, 4), ceil_div(grain, 4), [&](Index begin, Index end, int) {
        const Index j = begin * 4, n = smaller(end * 4, g.n) - j;
        // Four rows of B^T stay in L1 while A passes.
        for (Index v = 0; v < n; v += 4)
          dot_block(a, g.a_row, b + (j + v) * b_ld, b_ld, g.m, smaller(4, n - v), k, g.c + j + v,
                    g.ldc, accumulate);
        if (last) finish_dots(g, g.c + j, g.bias ? g.bias + j : nullptr, g.m, n);
      });
    } else {
      const Index grain = larger(4, round_to(32768 / larger(1, k * g.n), 4));
      parallel_for(pool, ceil_div(g.m, 4), ceil_div(grain, 4), [&](Index begin, Index end, int) {
        const Index i = begin * 4, m = smaller(end * 4, g.m) - i;
        real* c = g.c + i * g.ldc;
        dot_block(a + i * g.a_row, g.a_row, b, b_ld, m, g.n, k, c, g.ldc, accumulate);
        if (last) finish_dots(g, c, g.bias, m, g.n);
      });
    }
    at += k;
  } while (at < g.k);
}

bool stream_wanted(const Gemm& g) {
  if (g.b_col != 1 || g.n < 2 * kLanes) return false;
  return g.m <= kStreamRows ? g.n * g.k >= 4096 : g.m <= 3 * kStreamRows && g.n * g.k >= 1048576;
}

namespace {

// y (R, n) += x (R, U) B (U, n); rows of C and B are read in order, as memory likes it.
template <int R, int U>
PYSEQ_INLINE void add_rows(const Gemm& g, const real* a, const real* b, real* c, Index n) {
  V x[R][U];
#pragma GCC unroll 4
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u) x[i][u] = splat(a[i * g.a_row + u * g.a_col]);
  const auto step = [&](Index j, auto get, auto put) __attribute__((always_inline)) {
    V bv[U];
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u) bv[u] = get(b + u * g.b_row + j);
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i) {
      V s = get(c + i * g.ldc + j);
#pragma GCC unroll 8
      for (int u = 0; u < U; ++u) s += x[i][u] * bv[u];
      put(c + i * g.ldc + j, s);
    }
  };
  Index j = 0;
  for (; j + kLanes <= n; j += kLanes)
    step(
        j, [](const real* p) __attribute__((always_inline)) { return load(p); },
        [](real * p, V v) __attribute__((always_inline)) { store(p, v); });
  if (j < n) {
    const int rest = static_cast<int>(n - j);
    step(
        j, [rest](const real* p) __attribute__((always_inline)) { return load_partial(p, rest); },
        [rest](real * p, V v) __attribute__((always_inline)) { store_partial(p, v, rest); });
  }
}

// Short rows of B: their sums stay in registers and B is read as one run, because memory does not
// like several places of a page at a time. The same order of additions as add_rows.
constexpr Index kLeastShort = 4, kMostShort = kVectorBytes == 64 ? 24 : 12;  // vectors of a row
constexpr Index kAhead = 4096 / static_cast<Index>(sizeof(real));  // a page

template <int W>
void add_short_rows(const Gemm& g, const real* a, const real* b, real* c, Index n) {
  if constexpr (W > kLeastShort) {
    if (n <= (W - 1) * kLanes) return add_short_rows<W - 1>(g, a, b, c, n);
  }
  const int rest = static_cast<int>(n - (W - 1) * kLanes);
  V s[W];
#pragma GCC unroll 32
  for (int w = 0; w < W - 1; ++w) s[w] = load(c + w * kLanes);
  s[W - 1] = load_partial(c + (W - 1) * kLanes, rest);
  for (Index k = 0; k < g.k; ++k, b += g.b_row) {
    const V x = splat(a[k * g.a_col]);
#pragma GCC unroll 32
    for (int w = 0; w < W; ++w) __builtin_prefetch(b + w * kLanes + kAhead);
#pragma GCC unroll 32
    for (int w = 0; w < W - 1; ++w) s[w] += x * load(b + w * kLanes);
    s[W - 1] += x * load_partial(b + (W - 1) * kLanes, rest);
  }
#pragma GCC unroll 32
  for (int w = 0; w < W - 1; ++w) store(c + w * kLanes, s[w]);
  store_partial(c + (W - 1) * kLanes, s[W - 1], rest);
}

template <int R>
void stream_columns(const Gemm& g, Index row, Index first, Index n) {
  constexpr int U = R == 1 ? 8 : 4;  // rows of B side by side
  const real* a = g.a + row * g.a_row;
  real* c = g.c + row * g.ldc + first;
  if (!g.accumulate)
    for (Index i = 0; i < R; ++i)
      for (Index j = 0; j < n; ++j) c[i * g.ldc + j] = g.bias ? g.bias[first + j] : real(0);
  const real* b = g.b + first;
  Index k = 0;
  if (R == 1 && n > (kLeastShort - 1) * kLanes && n <= kMostShort * kLanes) {
    add_short_rows<kMostShort>(g, a, b, c, n);
    k = g.k;
  }
  for (; k + U <= g.k; k += U) add_rows<R, U>(g, a + k * g.a_col, b + k * g.b_row, c, n);
  for (; k < g.k; ++k) add_rows<R, 1>(g, a + k * g.a_col, b + k * g.b_row, c, n);
  if (g.act.kind == kLinear) return;
  for (Index i = 0; i < R; ++i) activation_forward(g.act, c + i * g.ldc, c + i * g.ldc, n);
}

}  // namespace

bool stream_blocks_wanted(const Gemm& g) {
  const Index size = g.n * g.k;
  return g.m <= kStreamRows && g.b_col == 1 && g.n >= kPanel && g.k >= kStreamBlocksDepth &&
         size >= kStreamBlocksLeast && size <= kStreamBlocksMost;
}

namespace {

// C (R, P panels) += A B over one block of `depth` rows of B; in the order of stream_gemv.
template <int R, int P>
PYSEQ_INLINE void add_block(const Gemm& g, const real* a, const real* b, Index panel, Index depth,
                            real* c, Index columns) {
  constexpr int W = 2 * P;
  V s[R][W];
  const auto each = [&](auto f) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
      for (int w = 0; w < W; ++w) {
        const Index rest = columns - w * kLanes;
        if (rest > 0) f(s[i][w], c + i * g.ldc + w * kLanes, static_cast<int>(smaller(rest, kLanes)));
        else s[i][w] = V{};
      }
  };
  each([](V & v, real * at, int width) __attribute__((always_inline)) { v = load_partial(at, width); });
  for (Index k = 0; k < depth; ++k) {
    V bv[W];
#pragma GCC unroll 4
    for (int w = 0; w < W; ++w) bv[w] = load(b + w / 2 * panel + k * kPanel + w % 2 * kLanes);
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i) {
      const V x = splat(a[i * g.a_row + k * g.a_col]);
#pragma GCC unroll 4
      for (int w = 0; w < W; ++w) s[i][w] += x * bv[w];
    }
  }
  each([](V & v, real * at, int width) __attribute__((always_inline)) { store_partial(at, v, width); });
}

template <int R>
void stream_panels(const Gemm& g, Index first, Index n) {
  for (Index i = 0; i < R && !g.accumulate; ++i)
    for (Index j = first; j < first + n; ++j) g.c[i * g.ldc + j] = g.bias ? g.bias[j] : real(0);
  for (Index j = first; j < first + n;) {
    const Index column = j / kWidth * kWidth, wide = smaller(kWidth, g.n - column);
    const Index padded = round_to(wide, kPanel), columns = smaller(first + n, column + wide) - j;
    const bool two = columns > kPanel;
    for (Index at = 0; at < g.k; at += kDepth) {
      const Index depth = smaller(kDepth, g.k - at), panel = depth * kPanel;
      const real* b = blocks_of(g) + column * g.k + at * padded + (j - column) * depth;
      const real* a = g.a + at * g.a_col;
      if (two) add_block<R, 2>(g, a, b, panel, depth, g.c + j, columns);
      else add_block<R, 1>(g, a, b, panel, depth, g.c + j, columns);
    }
    j += two ? 2 * kPanel : kPanel;
  }
  if (g.act.kind == kLinear) return;
  for (Index i = 0; i < R; ++i)
    activation_forward(g.act, g.c + i * g.ldc + first, g.c + i * g.ldc + first, n);
}

}  // namespace

void stream_blocks(Pool* pool, const Gemm& g) {
  const Index grain = larger(ceil_div(32768, kPanel * larger(1, g.k)), 2);
  parallel_for(pool, ceil_div(g.n, kPanel), grain, [&](Index begin, Index end, int) {
    const Index first = begin * kPanel, n = smaller(end * kPanel, g.n) - first;
    switch (g.m) {
      case 1: stream_panels<1>(g, first, n); break;
      case 2: stream_panels<2>(g, first, n); break;
      case 3: stream_panels<3>(g, first, n); break;
      default: stream_panels<4>(g, first, n);
    }
  });
}

void stream_gemv(Pool* pool, const Gemm& g) {
  // Pieces of whole pairs of cache lines; few wide ones, as short runs of a row are read slowly.
  constexpr Index kColumns = 128 / static_cast<Index>(sizeof(real));
  const Index pieces = ceil_div(g.n, kColumns);
  const Index worth = ceil_div(32768, kColumns * larger(1, g.k));
  parallel_for(pool, pieces, larger(worth, ceil_div(pieces, pool_workers(pool))),
               [&](Index begin, Index end, int) {
                 const Index first = begin * kColumns, n = smaller(end * kColumns, g.n) - first;
                 for (Index row = 0; row < g.m; row += kStreamRows) switch (g.m - row) {
                     case 1:
                       stream_columns<1>(g, row, first, n);
                       break;
                     case 2:
                       stream_columns<2>(g, row, first, n);
                       break;
                     case 3:
                       stream_columns<3>(g, row, first, n);
                       break;
                     default:
                       stream_columns<4>(g, row, first, n);
                   }
               });
}

}  // namespace pyseq::PYSEQ_NS
