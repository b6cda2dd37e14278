// Packing: operands are rearranged so that the micro-kernel reads memory in order.
#include "kernels/gemm_detail.h"

namespace pyseq::PYSEQ_NS {
namespace {

// 4 x 4 blocks in 4-lane vectors on every ISA: eight shuffles for sixteen elements.
typedef float Q __attribute__((vector_size(16)));
typedef float QMemory __attribute__((vector_size(16), aligned(4), may_alias));

PYSEQ_INLINE Q load4(const real* p) { return *reinterpret_cast<const QMemory*>(p); }
PYSEQ_INLINE void store4(real* p, Q v) { *reinterpret_cast<QMemory*>(p) = v; }

#if defined(__clang__)
#define PYSEQ_SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
typedef int QI __attribute__((vector_size(16)));
#define PYSEQ_SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, QI{i, j, k, l})
#endif

PYSEQ_INLINE void transpose4(const real* src, Index ld, real* dst, Index step) {
  const Q a = load4(src), b = load4(src + ld), c = load4(src + 2 * ld), d = load4(src + 3 * ld);
  const Q ab = PYSEQ_SHUFFLE(a, b, 0, 4, 1, 5), cd = PYSEQ_SHUFFLE(c, d, 0, 4, 1, 5);
  const Q ab2 = PYSEQ_SHUFFLE(a, b, 2, 6, 3, 7), cd2 = PYSEQ_SHUFFLE(c, d, 2, 6, 3, 7);
  store4(dst, PYSEQ_SHUFFLE(ab, cd, 0, 1, 4, 5));
  store4(dst + step, PYSEQ_SHUFFLE(ab, cd, 2, 3, 6, 7));
  store4(dst + 2 * step, PYSEQ_SHUFFLE(ab2, cd2, 0, 1, 4, 5));
  store4(dst + 3 * step, PYSEQ_SHUFFLE(ab2, cd2, 2, 3, 6, 7));
}

#if defined(__AVX512F__)
// Lanes l of the two results of a step of distance d: the lower ones take (a[l], b[l - d]), the
// upper ones (a[l + d], b[l]), by whether bit d of l is clear.
template <int D, bool Upper>
PYSEQ_INLINE VI exchange() {
  VI v{};
  for (int l = 0; l < kLanes; ++l)
    v[l] = Upper ? (l & D ? l + kLanes : l + D) : (l & D ? l - D + kLanes : l);
  return v;
}
template <int D>
PYSEQ_INLINE void exchange_rows(V (&r)[kLanes]) {
  const VI lower = exchange<D, false>(), upper = exchange<D, true>();
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if (i & D) continue;
    const V a = r[i], b = r[i + D];
    r[i] = permute(a, b, lower);
    r[i + D] = permute(a, b, upper);
  }
}
// dst[j * step + i] = src[i * ld + j] for i < rows, j < 16.
template <bool Whole>
PYSEQ_INLINE void transpose16(const real* src, Index ld, int rows, real* dst, Index step) {
  V r[kLanes];
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) r[i] = Whole || i < rows ? load(src + i * ld) : V{};
  exchange_rows<1>(r);
  exchange_rows<2>(r);
  exchange_rows<4>(r);
  exchange_rows<8>(r);
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if constexpr (Whole) store(dst + i * step, r[i]);
    else store_partial(dst + i * step, r[i], rows);
  }
}
#endif

}  // namespace

void pack_transposed(const real* src, Index ld, Index width, Index depth, real* dst, Index step) {
  Index k = 0;
#if defined(__AVX512F__)
  for (; k + kLanes <= depth; k += kLanes)
    for (Index i = 0; i < width; i += kLanes) {
      const real* from = src + i * ld + k;
      real* to = dst + k * step + i;
      if (i + kLanes <= width) transpose16<true>(from, ld, kLanes, to, step);
      else transpose16<false>(from, ld, static_cast<int>(width - i), to, step);
    }
#endif
  constexpr Index kGroup = 64 / sizeof(real);  // a cache line of each row
  if (kFloat && width >= 4)
    for (; k + 4 <= depth;) {
      const Index group = smaller(kGroup, (depth - k) / 4 * 4);
      for (Index i = 0; i < width; i += 4) {
        // The last block overlaps the one before it.
        const Index row = smaller(i, width - 4);
        for (Index at = k; at < k + group; at += 4)
          transpose4(src + row * ld + at, ld, dst + at * step + row, step);
      }
      k += group;
    }
  for (; k < depth; ++k)
    for (Index i = 0; i < width; ++i) dst[k * step + i] = src[i * ld + k];
}

void pack_rows(const real* src, Index ld, Index width, Index depth, real* dst, Index step) {
  // Whole vectors, whose ends the next rows write over; in the last rows none is there to do so.
  const Index whole = depth - ceil_div(kLanes, step);
  for (Index k = 0; k < depth; ++k) {
    const real* from = src + k * ld;
    real* to = dst + k * step;
    Index i = 0;
    for (; i + kLanes <= width; i += kLanes) store(to + i, load(from + i));
    if (i < width) {
      const int rest = static_cast<int>(width - i);
      const V v = load_partial(from + i, rest);
      if (k < whole) store(to + i, v);
      else store_partial(to + i, v, rest);
    }
  }
}

namespace {

// Whole panels side by side, row by row: one at a time would take a cache line from each page.
template <int Panels>
void pack_whole(const real* b, Index b_row, Index depth, real* dst, Index panel) {
  for (Index k = 0; k < depth; ++k, b += b_row, dst += kPanel)
#pragma GCC unroll 4
    for (Index q = 0; q < Panels; ++q) {
      store(dst + q * panel, load(b + q * kPanel));
      store(dst + q * panel + kLanes, load(b + q * kPanel + kLanes));
    }
}

}  // namespace

void pack_panels(const real* b, Index b_row, Index b_col, Index n, Index depth, real* dst,
                 Index panel) {
  Index j = 0;
  if (b_col == 1)
    for (; j + kTogether * kPanel <= n; j += kTogether * kPanel, dst += kTogether * panel)
      pack_whole<kTogether>(b + j, b_row, depth, dst, panel);
  for (; j < n; j += kPanel, dst += panel) {
    const Index width = smaller(kPanel, n - j);
    if (b_col == 1 && width == kPanel) pack_whole<1>(b + j, b_row, depth, dst, panel);
    else if (b_col == 1) pack_rows(b + j, b_row, width, depth, dst, kPanel);
    else pack_transposed(b + j * b_col, b_col, width, depth, dst, kPanel);
    if (width < kPanel)
      for (Index k = 0; k < depth; ++k)
        for (Index i = width; i < kPanel; ++i) dst[k * kPanel + i] = 0;
  }
}

}  // namespace pyseq::PYSEQ_NS
