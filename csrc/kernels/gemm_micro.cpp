// The micro-kernel: rows x vectors of C in registers, one row of B and one column of A a step.
#include "kernels/gemm_detail.h"

namespace pyseq::PYSEQ_NS {
namespace {

// Vectors of C that R rows have registers for; even, so that whole panels of packed B are read.
constexpr int wide_vectors(int rows) {
  int v = kAccumulators / rows / 2 * 2;
  return v > 8 ? 8 : v < 2 ? 2 : v;
}
// Independent sums along k where there are too few accumulators to hide the latency of an FMA.
constexpr int sums(int accumulators) { return accumulators <= 2 ? 4 : accumulators <= 4 ? 2 : 1; }
static_assert(sums(kPlainRows) == 1);

// How A is read: down its rows, along its columns, or however `row_major` says, in code for few bytes.
enum class Order : char { rows, columns, any };

// Direct: B is read in place, rows far apart, else from zero-padded panels. Edge: the last vector
// has `last` columns and memory may end there.
template <int R, int NV, Order A, bool Direct, bool Edge, bool Plain>
PYSEQ_INLINE void micro(const RowPanel& p, Index column, int last) {
  constexpr int S = Plain ? 1 : sums(R * NV);  // plain: as in panels of many rows
  V acc[S][R][NV];
#pragma GCC unroll 4
  for (int s = 0; s < S; ++s)
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
      for (int v = 0; v < NV; ++v) acc[s][i][v] = V{};

  const real* b[(NV + 1) / 2];
#pragma GCC unroll 4
  for (int v = 0; v < (NV + 1) / 2; ++v) b[v] = p.b + (column / kPanel + v) * p.b_panel;
  const bool rows = A == Order::rows || (A == Order::any && p.row_major);
  const real* a[R];
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) a[i] = rows ? p.a + i * p.a_step : p.a + i;

  const Index b_step = p.b_step, a_step = rows ? 1 : p.a_step, depth = p.k;
  const real* a0 = p.a;
  [[maybe_unused]] Index along = 0;
  const auto step = [&](Index at, int s) __attribute__((always_inline)) {
    V bv[NV];
#pragma GCC unroll 8
    for (int v = 0; v < NV; ++v) {
      const real* from = b[v / 2] + (v % 2) * kLanes;
      bv[v] = Direct && Edge && v == NV - 1 ? load_partial(from, last) : load(from);
    }
    // The columns to the right come next, and no hardware prefetcher follows this stride.
    if constexpr (Direct && !Edge)
#pragma GCC unroll 8
      for (int v = 0; v < NV * kVectorBytes / 64; ++v)
        __builtin_prefetch(b[0] + NV * kLanes + v * (64 / static_cast<int>(sizeof(real))), 0, 2);
#pragma GCC unroll 4
    for (int v = 0; v < (NV + 1) / 2; ++v) b[v] += b_step;
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const real x = A == Order::rows ? a[i][at] : A == Order::columns ? a0[i] : a[i][along];
#pragma GCC unroll 8
      for (int v = 0; v < NV; ++v) acc[s][i][v] += x * bv[v];
    }
    if constexpr (A == Order::any) along += a_step;
    else a0 += a_step;
  };
  Index k = 0;
  if constexpr (S > 1)
    for (; k + S <= depth; k += S)
#pragma GCC unroll 4
      for (int s = 0; s < S; ++s) step(k + s, s);
  for (; k < depth; ++k) step(k, 0);
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
    for (int v = 0; v < NV; ++v) {
      if constexpr (S == 2) acc[0][i][v] += acc[1][i][v];
      if constexpr (S == 4)
        acc[0][i][v] = (acc[0][i][v] + acc[1][i][v]) + (acc[2][i][v] + acc[3][i][v]);
    }

  V(*out)[NV] = acc[0];
  real* c = p.c + column;
  const auto edge_load = [&](const real* from, int v) __attribute__((always_inline)) {
    return Edge && v == NV - 1 ? load_partial(from, last) : load(from);
  };
  if (p.accumulate) {
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
      for (int v = 0; v < NV; ++v) out[i][v] += edge_load(c + i * p.ldc + v * kLanes, v);
  }
  if (p.bias) {
#pragma GCC unroll 8
    for (int v = 0; v < NV; ++v) {
      const V bias = edge_load(p.bias + column + v * kLanes, v);
#pragma GCC unroll 16
      for (int i = 0; i < R; ++i) out[i][v] += bias;
    }
  }
  if (p.relu) {
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
      for (int v = 0; v < NV; ++v) out[i][v] = max_v(V{}, out[i][v]);
  }
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
    for (int v = 0; v < NV; ++v) {
      real* to = c + i * p.ldc + v * kLanes;
      if (Edge && v == NV - 1) store_partial(to, out[i][v], last);
      else store(to, out[i][v]);
    }
}

template <int R, Order A, bool Padded, bool Plain>
void panel_of(const RowPanel& p, Index n) {
  constexpr int W = wide_vectors(R);
  Index j = 0;
  if constexpr (W > 2)
    for (; j + W * kLanes <= n; j += W * kLanes)
      micro<R, W, A, !Padded, false, Plain>(p, j, kLanes);
  for (; j + kPanel <= n; j += kPanel) micro<R, 2, A, !Padded, false, Plain>(p, j, kLanes);
  if (j + kLanes < n)
    micro<R, 2, A, !Padded, true, Plain>(p, j, static_cast<int>(n - j - kLanes));
  else if (j < n) micro<R, 1, A, !Padded, true, Plain>(p, j, static_cast<int>(n - j));
}

template <int R, bool Plain>
PYSEQ_INLINE void layout_of(const RowPanel& p, Index n) {
#if defined(PYSEQ_SMALLEST)  // slower: a build asked for the smallest
  panel_of<R, Order::any, false, Plain>(p, n);
#else
  constexpr Order rows = Order::rows, columns = Order::columns;
  if (p.row_major) p.padded ? panel_of<R, rows, true, Plain>(p, n) : panel_of<R, rows, false, Plain>(p, n);
  else p.padded ? panel_of<R, columns, true, Plain>(p, n) : panel_of<R, columns, false, Plain>(p, n);
#endif
}

template <int R>
PYSEQ_INLINE void rows_of(const RowPanel& p, Index n) {
  if constexpr (R <= kRows) {
    if constexpr (R < kPlainRows)
      if (p.plain) return layout_of<R, true>(p, n);
    layout_of<R, false>(p, n);
  }
}

}  // namespace

void multiply_panel(int rows, const RowPanel& p, Index n) {
  switch (rows) {
    case 1:
      return rows_of<1>(p, n);
    case 2:
      return rows_of<2>(p, n);
    case 3:
      return rows_of<3>(p, n);
    case 4:
      return rows_of<4>(p, n);
    case 5:
      return rows_of<5>(p, n);
    case 6:
      return rows_of<6>(p, n);
    case 7:
      return rows_of<7>(p, n);
    case 8:
      return rows_of<8>(p, n);
    case 9:
      return rows_of<9>(p, n);
    case 10:
      return rows_of<10>(p, n);
    case 11:
      return rows_of<11>(p, n);
    case 12:
      return rows_of<12>(p, n);
    case 13:
      return rows_of<13>(p, n);
    case 14:
      return rows_of<14>(p, n);
  }
}

}  // namespace pyseq::PYSEQ_NS
