#pragma once
// What the parts of the GEMM share. Block sizes live here.
#include "kernels/gemm.h"
#include "kernels/plain.h"
#include "kernels/simd.h"

namespace pyseq::PYSEQ_NS {

// The micro-kernel holds kRows x 2 vectors of C in registers.
#if defined(__AVX512F__)
constexpr int kRows = 14, kAccumulators = 28;
#elif defined(__AVX2__)
constexpr int kRows = 6, kAccumulators = 12;
#elif defined(__aarch64__)
constexpr int kRows = 10, kAccumulators = 20;
#else
constexpr int kRows = 6, kAccumulators = 12;
#endif
constexpr Index kPanel = 2 * kLanes;  // columns of a packed panel of B
constexpr int kTogether = 4;          // panels that are packed side by side
constexpr Index kDepth = 384;         // rows of B at a time: a panel of A stays in L1
constexpr Index kWidth = 1024;        // columns of B at a time: the block stays in L2 or L3
// Few rows read B from packed blocks, unless it is so large that a second copy would hurt.
constexpr Index kStreamBlocksMost = Index{1} << 22;
constexpr Index kStreamRows = 4;      // rows of A that pass over B together, without packing

PYSEQ_INLINE Index smaller(Index a, Index b) { return a < b ? a : b; }
PYSEQ_INLINE Index larger(Index a, Index b) { return a > b ? a : b; }
PYSEQ_INLINE Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }
PYSEQ_INLINE Index round_to(Index a, Index b) { return ceil_div(a, b) * b; }

}  // namespace pyseq::PYSEQ_NS

namespace pyseq::PYSEQ_PLAIN_NS {

// One panel of at most kRows rows of C times the columns of B.
struct RowPanel {
  const real* a;
  Index a_step;    // between rows if A is row major, else between columns
  bool row_major;  // a[i * a_step + k], else a[i + k * a_step]
  const real* b;
  Index b_step;   // between rows
  Index b_panel;  // between panels of kPanel columns
  bool padded;  // B may be read up to a multiple of kLanes columns
  real* c;
  Index ldc;
  Index k;
  bool accumulate;
  const real* bias;
  bool relu;
  bool plain = false;  // in the order of panels of kPlainRows rows or more
};
constexpr int kPlainRows = 5;
void multiply_panel(int rows, const RowPanel& p, Index n);

}  // namespace pyseq::PYSEQ_PLAIN_NS

namespace pyseq::PYSEQ_NS {

#if defined(PYSEQ_AMX) && !defined(PYSEQ_AMX_EMULATE)
using PYSEQ_PLAIN_NS::kPlainRows;
using PYSEQ_PLAIN_NS::multiply_panel;
using PYSEQ_PLAIN_NS::RowPanel;
#endif

// dst[k * step + i] = src[i * ld + k] for i < width, k < depth.
void pack_transposed(const real* src, Index ld, Index width, Index depth, real* dst, Index step);
// dst[k * step + i] = src[k * ld + i].
void pack_rows(const real* src, Index ld, Index width, Index depth, real* dst, Index step);
// Panels of kPanel columns, zero padded, `panel` reals apart.
void pack_panels(const real* b, Index b_row, Index b_col, Index n, Index depth, real* dst,
                 Index panel);

// In front of the blocks of B, what is there: panels of reals; parts for tiles.
constexpr Index kBlocksHeader = 64 / static_cast<Index>(sizeof(real));
enum BlocksPart { kPanels, kParts };
PYSEQ_INLINE const real* blocks_of(const Gemm& g) {
  return g.blocks && g.blocks[kPanels] != 0 ? g.blocks + kBlocksHeader : nullptr;
}
// Where the parts for tiles begin.
PYSEQ_INLINE Index parts_offset(Index n, Index k) {
  return kBlocksHeader + round_to(round_to(n, kPanel) * k, kBlocksHeader);
}

// Few rows or columns, both operands contiguous along k.
bool dot_wanted(const Gemm& g);
Index dot_scratch(Index n, Index k);
void dot_gemm(Pool* pool, const Gemm& g, real* shared);
// Few rows, B row major and large.
bool stream_wanted(const Gemm& g);
void stream_gemv(Pool* pool, const Gemm& g);
// The same from packed blocks, which are read in order.
bool stream_blocks_wanted(const Gemm& g);
void stream_blocks(Pool* pool, const Gemm& g);

#if defined(PYSEQ_AMX)
bool amx_wanted(const Gemm& g);
GemmScratch amx_scratch(Index m, Index n, Index k);
// False if an operand holds an infinity: C is not valid, unless it is added to: then it is
// untouched.
bool amx_gemm(Pool* pool, const Gemm& g, real* shared, real* worker, Index worker_stride);
Index amx_parts_size(Index n, Index k);  // reals
// B as amx_gemm reads it; false if it holds what cannot be split.
bool amx_pack_parts(Pool* pool, const Gemm& g, real* parts);
#endif

PYSEQ_INLINE bool plain_relu(const Activation& act) {
  return act.kind == kRelu && act.a == 0 && act.c == 0 &&
         act.b == static_cast<real>(__builtin_inf());
}
// Activations that the micro-kernel does not apply itself, over finished rows.
PYSEQ_INLINE void finish_rows(const Gemm& g, real* c, Index rows, Index columns) {
  if (g.act.kind == kLinear || plain_relu(g.act)) return;
  if (columns == g.ldc) return activation_forward(g.act, c, c, rows * columns);
  for (Index i = 0; i < rows; ++i) activation_forward(g.act, c + i * g.ldc, c + i * g.ldc, columns);
}

}  // namespace pyseq::PYSEQ_NS
