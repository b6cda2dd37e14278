// Chooses the algorithm by shape alone, so that bits do not depend on the number of workers.
//
// Blocked algorithm (Goto and van de Geijn, "Anatomy of high-performance matrix multiplication",
// 2008): a block of B is packed into panels that the micro-kernel streams, panels of A are packed
// where they are used.
#include "kernels/gemm_detail.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr Index kSplitDepth = 2048, kSplitArea = 4096, kSplitParts = 16;
constexpr Index kKeptDepth = 32;  // rows of B from which blocks that are there anyway are read

// B is read in place while few row panels use it or it stays in L2.
bool pack_b_wanted(const Gemm& g) {
  if (g.b_col != 1) return true;
  return g.m > 4 * kRows && g.k * g.n >= 32768;
}

// Packed once for many calls, it gains as soon as several row panels use it.
bool kept_b_wanted(const Gemm& g) {
  return pack_b_wanted(g) || (g.m > 4 * kRows && g.k >= kKeptDepth && g.n >= kPanel);
}

bool pack_a_wanted(const Gemm& g) {
  if (g.a_col != 1) return g.m > 4 * kRows && g.n >= 8 * kPanel;
  return g.n >= 4 * kPanel && g.m > kRows;
}

// Rows of panel i of `panels` over m rows: as even as they come, because short panels are slow.
PYSEQ_INLINE void panel_rows(Index m, Index panels, Index i, Index& first, Index& rows) {
  const Index base = m / panels, more = m % panels;
  first = i * base + smaller(i, more);
  rows = base + (i < more);
}

struct Block {
  const Gemm* g;
  const real* b;  // block of B, packed or in place
  Index b_step, b_panel;
  bool padded, pack_a;
  Index column, columns, at, depth;  // of the block
  bool last;                         // of the blocks along k
};

// One row panel of C times the columns [from, from + columns) of the block.
void panel_times_block(const Block& k, Index first, Index rows, Index from, Index columns,
                       real* scratch) {
  const Gemm& g = *k.g;
  RowPanel p;
  const real* a = g.a + first * g.a_row + k.at * g.a_col;
  p.row_major = g.a_col == 1 && g.a_row != 1;
  p.a = a, p.a_step = p.row_major ? g.a_row : g.a_col;
  if (k.pack_a) {
    if (p.row_major) pack_transposed(a, g.a_row, rows, k.depth, scratch, rows);
    else pack_rows(a, g.a_col, rows, k.depth, scratch, rows);
    p.a = scratch, p.a_step = rows;
    p.row_major = false;
  }
  p.b = k.b + from / kPanel * k.b_panel, p.b_step = k.b_step, p.b_panel = k.b_panel;
  p.padded = k.padded;
  p.c = g.c + first * g.ldc + k.column + from, p.ldc = g.ldc;
  p.k = k.depth;
  p.accumulate = g.accumulate || k.at > 0;
  p.bias = k.last && g.bias ? g.bias + k.column + from : nullptr;
  p.relu = k.last && plain_relu(g.act);
  p.plain = gemm_like(g) >= kPlainRows;
  multiply_panel(static_cast<int>(rows), p, columns);
  if (k.last) finish_rows(g, p.c, rows, columns);
}

// Every row panel times the block; pieces are panels x groups of columns.
void rows_times_block(Pool* pool, const Block& k, real* worker, Index worker_stride) {
  const Index m = k.g->m, panels = ceil_div(m, kRows);
  Index groups = 1, width = k.columns;
  if (panels < 16 && k.columns >= 16 * kLanes) {
    width = larger(8 * kLanes, round_to(ceil_div(k.columns, ceil_div(16, panels)), 8 * kLanes));
    if (k.pack_a) width = larger(width, 16 * kLanes);
    groups = ceil_div(k.columns, width);
  }
  const Index work = kRows * k.depth * width;
  const Index grain = larger(1, 200000 / larger(1, work));
  parallel_for(pool, panels * groups, grain, [&](Index begin, Index end, int w) {
    for (Index piece = begin; piece < end; ++piece) {
      Index first, rows;
      // All row panels of a group of columns in turn: that part of B stays in L2.
      panel_rows(m, panels, piece % panels, first, rows);
      const Index from = piece / panels * width;
      panel_times_block(k, first, rows, from, smaller(width, k.columns - from),
                        worker + w * worker_stride);
    }
  });
}

void in_place(Pool* pool, const Gemm& g, real* worker, Index worker_stride) {
  Block k{};
  k.g = &g, k.b_step = g.b_row, k.b_panel = kPanel;
  k.pack_a = pack_a_wanted(g) && worker;
  k.columns = g.n;
  do {
    k.b = g.b + k.at * g.b_row;
    k.depth = smaller(kDepth, g.k - k.at);
    k.last = k.at + k.depth >= g.k;
    rows_times_block(pool, k, worker, worker_stride);
    k.at += k.depth;
  } while (k.at < g.k);
}

bool parts_wanted([[maybe_unused]] const Gemm& g) {
#if defined(PYSEQ_AMX)
  return amx_wanted(g);
#else
  return false;
#endif
}

// Packs one block of B: panels of kPanel columns.
void pack_block(Pool* pool, const real* b, Index b_row, Index b_col, Index columns, Index depth,
                real* to) {
  const Index panel = depth * kPanel;
  parallel_for(pool, ceil_div(columns, kPanel), round_to(larger(1, 16384 / larger(1, panel)), kTogether),
               [&](Index begin, Index end, int) {
                 const Index j = begin * kPanel;
                 pack_panels(b + j * b_col, b_row, b_col, smaller(end * kPanel, columns) - j, depth,
                             to + begin * panel, panel);
               });
}

void blocked(Pool* pool, const Gemm& g, real* shared, real* worker, Index worker_stride) {
  Block k{};
  const real* blocks = blocks_of(g);
  k.g = &g, k.b = blocks ? blocks : shared, k.b_step = kPanel, k.padded = true;
  k.pack_a = pack_a_wanted(g);
  for (k.column = 0; k.column < g.n; k.column += k.columns) {
    k.columns = smaller(kWidth, g.n - k.column);
    k.at = 0;
    do {
      k.depth = smaller(kDepth, g.k - k.at);
      k.last = k.at + k.depth >= g.k;
      k.b_panel = k.depth * kPanel;
      if (!blocks)
        pack_block(pool, g.b + k.at * g.b_row + k.column * g.b_col, g.b_row, g.b_col, k.columns,
                   k.depth, shared);
      rows_times_block(pool, k, worker, worker_stride);
      if (blocks) k.b += k.depth * round_to(k.columns, kPanel);
      k.at += k.depth;
    } while (k.at < g.k);
  }
}

// Long sums for a small C: fixed parts of k, added in order.
bool split_wanted(const Gemm& g) {
  // Few rows, unless B comes from memory: each part reads it without gaps.
  if (gemm_like(g) <= kStreamRows && g.n >= kPanel && g.n * g.k <= kStreamBlocksMost) return false;
  return g.k >= kSplitDepth && gemm_like(g) * g.n <= kSplitArea && g.b_col == 1;
}

void split(Pool* pool, const Gemm& g, real* shared) {
  const Index length = round_to(ceil_div(g.k, smaller(kSplitParts, g.k / (kSplitDepth / 4))), 8);
  const Index parts = ceil_div(g.k, length), area = g.m * g.n;
  parallel_for(pool, parts, 1, [&](Index begin, Index end, int) {
    for (Index part = begin; part < end; ++part) {
      Gemm piece = g;
      const Index at = part * length;
      piece.k = smaller(length, g.k - at);
      piece.a += at * g.a_col, piece.b += at * g.b_row;
      piece.c = shared + part * area, piece.ldc = g.n;
      piece.accumulate = false, piece.bias = nullptr, piece.act = Activation{};
      if (stream_wanted(piece)) stream_gemv(nullptr, piece);
      else in_place(nullptr, piece, nullptr, 0);
    }
  });
  for (Index i = 0; i < g.m; ++i) {
    real* c = g.c + i * g.ldc;
    for (Index j = 0; j < g.n; j += kLanes) {
      const int width = static_cast<int>(smaller(kLanes, g.n - j));
      V s = load_partial(shared + i * g.n + j, width);
      for (Index part = 1; part < parts; ++part)
        s += load_partial(shared + part * area + i * g.n + j, width);
      if (g.accumulate) s += load_partial(c + j, width);
      if (g.bias) s += load_partial(g.bias + j, width);
      store_partial(c + j, s, width);
    }
    activation_forward(g.act, c, c, g.n);
  }
}

}  // namespace

GemmScratch gemm_scratch(Index m, Index n, Index k) {
  GemmScratch s;
  s.fixed = smaller(k, kDepth) * round_to(smaller(n, kWidth), kPanel);
  s.fixed = larger(s.fixed, dot_scratch(n, k));
  if (k >= kSplitDepth) {
    const Index area = m > kSplitArea || n > kSplitArea ? kSplitArea : smaller(m * n, kSplitArea);
    s.fixed = larger(s.fixed, (kSplitParts + 1) * area);
  }
  s.per_worker = round_to(smaller(m, kRows) * smaller(k, kDepth), 16);
#if defined(PYSEQ_AMX)
  const GemmScratch amx = amx_scratch(m, n, k);
  s.fixed = larger(s.fixed, amx.fixed), s.per_worker = larger(s.per_worker, amx.per_worker);
#endif
  s.fixed = round_to(s.fixed, 16);
  return s;
}

void gemm(Pool* pool, const Gemm& g, real* shared, real* worker, Index worker_stride) {
  if (g.m <= 0 || g.n <= 0) return;
  if (g.n == 1 && g.a_col != 1 && g.ldc == 1 && g.m > 1 && !g.bias) {
    // C as one row: A^T is row major.
    Gemm t = g;
    t.m = 1, t.n = g.m;
    t.a = g.b, t.a_row = 1, t.a_col = g.b_row;
    t.b = g.a, t.b_row = g.a_col, t.b_col = 1;
    t.ldc = g.m;
    t.blocks = nullptr;  // of another B
    return gemm(pool, t, shared, worker, worker_stride);
  }
  if (blocks_of(g) && stream_blocks_wanted(g)) return stream_blocks(pool, g);
  if (split_wanted(g)) return split(pool, g, shared);
  if (dot_wanted(g)) return dot_gemm(pool, g, shared);
  if (stream_wanted(g)) return stream_gemv(pool, g);
#if defined(PYSEQ_AMX)
  if (parts_wanted(g) && amx_gemm(pool, g, shared, worker, worker_stride)) return;
#endif
  if (pack_b_wanted(g) || blocks_of(g)) return blocked(pool, g, shared, worker, worker_stride);
  in_place(pool, g, worker, worker_stride);
}

namespace {

void pack_panels_of(Pool* pool, const Gemm& g, real* blocks) {
  if (blocks[kPanels] != 0) return;
  blocks[kPanels] = 1;
  blocks += kBlocksHeader;
  for (Index column = 0; column < g.n; column += kWidth) {
    const Index columns = smaller(kWidth, g.n - column);
    for (Index at = 0; at < g.k; at += kDepth) {
      const Index depth = smaller(kDepth, g.k - at);
      pack_block(pool, g.b + at * g.b_row + column * g.b_col, g.b_row, g.b_col, columns, depth,
                 blocks);
      blocks += depth * round_to(columns, kPanel);
    }
  }
}

}  // namespace

Index gemm_blocks_size(Index n, Index k) {
  Index size = parts_offset(n, k);
#if defined(PYSEQ_AMX)
  size += amx_parts_size(n, k);
#endif
  return size;
}

void gemm_forget_blocks(real* blocks) { blocks[kPanels] = blocks[kParts] = 0; }

bool gemm_wants_blocks(const Gemm& g) {
  if (g.m <= 0 || g.n <= 0 || g.k <= 0) return false;
  if (stream_blocks_wanted(g)) return true;
  if (split_wanted(g) || dot_wanted(g) || stream_wanted(g)) return false;
  return parts_wanted(g) || kept_b_wanted(g);
}

void gemm_pack_blocks(Pool* pool, const Gemm& g, real* blocks) {
#if defined(PYSEQ_AMX)
  if (!stream_blocks_wanted(g) && parts_wanted(g)) {
    if (blocks[kParts] == 0)
      blocks[kParts] = amx_pack_parts(pool, g, blocks + parts_offset(g.n, g.k)) ? 1 : -1;
    return;
  }
#endif
  pack_panels_of(pool, g, blocks);
}

void gemm_pack_all_blocks(Pool* pool, const Gemm& g, real* blocks) {
  pack_panels_of(pool, g, blocks);
  Gemm many = g;
  many.m = Index{1} << 20;
  if (parts_wanted(many)) gemm_pack_blocks(pool, many, blocks);
}

Index gemm_packed_size(Index n, Index k) { return round_to(n, kPanel) * k; }

void gemm_pack(const real* b, Index b_row, Index b_col, Index n, Index k, real* packed) {
  pack_panels(b, b_row, b_col, n, k, packed, k * kPanel);
}

void gemm_packed(const Gemm& g, const real* packed) {
  Block k{};
  k.g = &g, k.b_step = kPanel, k.b_panel = g.k * kPanel, k.padded = true;
  k.columns = g.n;
  const Index panels = ceil_div(g.m, kRows);
  // With several row panels as much of B at a time as stays in L2 until the last of them.
  const Index width = panels > 1 ? 2 * kPanel : g.n;
  do {
    k.b = packed + k.at * kPanel;
    k.depth = smaller(kDepth, g.k - k.at);
    k.last = k.at + k.depth >= g.k;
    for (Index from = 0; from < g.n; from += width)
      for (Index i = 0; i < panels; ++i) {
        Index first, rows;
        panel_rows(g.m, panels, i, first, rows);
        panel_times_block(k, first, rows, from, smaller(width, g.n - from), nullptr);
      }
    k.at += k.depth;
  } while (k.at < g.k);
}

}  // namespace pyseq::PYSEQ_NS
