// Products of float32 matrices on bfloat16 tiles: each value is split into a sum of S bfloat16
// parts, x = x0 + x1 + x2, and the products of parts that matter are added in float32 (Henry, Tang
// and Heinecke, "Leveraging the bfloat16 artificial intelligence datatype", ARITH 2019). S = 3
// keeps all 24 bits.
#if defined(PYSEQ_AMX)
#include "kernels/gemm_detail.h"
#include "kernels/tile.h"

namespace pyseq {
int matmul_precision();
}

namespace pyseq::PYSEQ_NS {
namespace {

constexpr Index kBlock = 2 * kTileRows;  // rows and columns of C at a time: 2 x 2 tiles
// A split block of B, kAmxDepth x kAmxWidth, stays in L2 while the rows of A pass over it.
constexpr Index kAmxDepth = 256, kAmxWidth = 512;
// Up to here A is split once for all of a block, above where it is used.
constexpr Index kSharedRows = 256;
constexpr int kMaxParts = 3;
constexpr Index kStep = 2 * kTileSize;  // bfloat16s of one part of a 32 x 32 block
constexpr std::uint32_t kUpper = 0xffff0000u;

// x as a sum of S bfloat16s, each the upper half of a lane; three hold all of x.
template <int S>
PYSEQ_INLINE void split_value(V x, VU (&part)[S], VU& largest) {
  const VU magnitude = (VU)x & 0x7fffffff;
  largest = magnitude > largest ? magnitude : largest;
  for (int s = 0; s < S; ++s) {
    part[s] = s + 1 < kMaxParts ? (VU)x + 0x8000 : (VU)x;  // to the nearest; the last is exact
    if (s + 1 < S) x -= (V)(part[s] & kUpper);
  }
}

// Rounding carries the largest numbers to infinity and NaN to anything, and an infinite part leaves
// no rest: such operands go the ordinary way.
bool too_large(VU largest) {
  bool found = false;
  for (int i = 0; i < kLanes; ++i) found |= largest[i] >= 0x7f7f8000;
  return found;
}
PYSEQ_INLINE void report(VU largest, int* large) {
  if (too_large(largest)) __atomic_store_n(large, 1, __ATOMIC_RELAXED);
}

typedef Bfloat Words __attribute__((vector_size(kVectorBytes)));
typedef Words WordsMemory __attribute__((aligned(2), may_alias));

// The upper halves of all lanes of `low`, then of `high`.
PYSEQ_INLINE void store_upper(Bfloat* p, VU low, VU high) {
#if defined(__clang__)
  typedef Bfloat Half __attribute__((vector_size(kLanes * 2)));
  const Half halves[2] = {__builtin_convertvector(low >> 16, Half),
                          __builtin_convertvector(high >> 16, Half)};
  __builtin_memcpy(p, halves, sizeof halves);
#else
  Words odd{};
  for (int i = 0; i < 2 * kLanes; ++i) odd[i] = static_cast<Bfloat>(2 * i + 1);
  *reinterpret_cast<WordsMemory*>(p) = __builtin_shuffle((Words)low, (Words)high, odd);
#endif
}

// 2 * kLanes reals, those from `width` on as 0.
PYSEQ_INLINE void load_pair(const real* x, Index width, V (&v)[2]) {
  if (width >= 2 * kLanes) {
    v[0] = load(x), v[1] = load(x + kLanes);
    return;
  }
  const Index low = larger(0, smaller(width, kLanes)), high = larger(0, width - kLanes);
  v[0] = low ? load_partial(x, static_cast<int>(low)) : V{};
  v[1] = high ? load_partial(x + kLanes, static_cast<int>(high)) : V{};
}

// A matrix; one stride is 1.
struct Operand {
  const real* x;
  Index row, col;

  PYSEQ_INLINE Operand at(Index i, Index j) const { return {x + i * row + j * col, row, col}; }
};

// to[i * kBlock + j] = element (i, j) for i < rows, j < columns, of an operand whose rows have stride 1.
void transpose(const Operand& o, Index rows, Index columns, real* to) {
  pack_transposed(o.x, o.col, columns, rows, to, kBlock);
}
// Asks for what `transpose` will read.
PYSEQ_INLINE void prefetch_columns(const Operand& o, Index columns) {
  for (Index j = 0; j < columns; ++j) {
    __builtin_prefetch(o.x + j * o.col);
    __builtin_prefetch(o.x + j * o.col + kTileRows);
  }
}

constexpr Index kRowsAhead = 4;  // rows that are asked for ahead

// `rows` x `depth` of A -> 32 x 32 blocks along k, each S parts of 2 tiles.
template <int S>
void split_rows(const real* x, Index ld, Index rows, Index depth, Bfloat* out, VU& largest) {
  for (Index i = 0; i < kBlock; ++i) {
    Bfloat* to = out + i * kTileDepth;
    const Index width = i < rows ? depth : 0;
    for (Index k = 0; k < depth; k += kTileDepth, to += S * kStep)
      for (int h = 0; h < kTileDepth; h += 2 * kLanes) {
        const real* from = x + i * ld + k + h;
        V v[2];
        load_pair(from, width - k - h, v);
        __builtin_prefetch(from + kRowsAhead * ld), __builtin_prefetch(from + kRowsAhead * ld + kLanes);
        VU low[S], high[S];
        split_value<S>(v[0], low, largest);
        split_value<S>(v[1], high, largest);
        for (int s = 0; s < S; ++s) store_upper(to + s * kStep + h, low[s], high[s]);
      }
  }
}

template <int S>
void split_a(const Operand& a, Index rows, Index depth, Bfloat* out, int* large) {
  VU largest{};
  if (a.col == 1) {
    split_rows<S>(a.x, a.row, rows, depth, out, largest);
    return report(largest, large);
  }
  alignas(64) real block[kBlock * kBlock];
  for (Index k = 0; k < depth; k += kTileDepth, out += S * kStep) {
    const Index columns = smaller(kTileDepth, depth - k);
    prefetch_columns(a.at(0, k + kTileDepth), columns);
    transpose(a.at(0, k), rows, columns, block);
    split_rows<S>(block, kBlock, rows, columns, out, largest);
  }
  report(largest, large);
}

// Up to 32 rows (k) of `columns` columns of B -> for each 32 columns, `panel` apart, S parts of 2 tiles
// with pairs of rows together.
template <int S>
void split_pairs(const real* x, Index ld, Index rows, Index columns, Bfloat* out, Index panel,
                 VU& largest) {
  for (Index k = 0; k < kTileDepth; k += 2)
    for (Index j = 0; j < columns; j += 2 * kLanes) {
      const real* from = x + k * ld + j;
      V even[2], odd[2];
      load_pair(from, k < rows ? columns - j : 0, even);
      load_pair(from + ld, k + 1 < rows ? columns - j : 0, odd);
      __builtin_prefetch(from + kRowsAhead * ld), __builtin_prefetch(from + kRowsAhead * ld + kLanes);
      __builtin_prefetch(from + (kRowsAhead + 1) * ld);
      __builtin_prefetch(from + (kRowsAhead + 1) * ld + kLanes);
      for (int h = 0; h < 2; ++h) {
        const Index column = j + h * kLanes;
        VU low[S], high[S];
        split_value<S>(even[h], low, largest);
        split_value<S>(odd[h], high, largest);
        Bfloat* to = out + column / kBlock * panel + column % kBlock / kTileRows * kTileSize +
                     k * kTileRows + column % kTileRows * 2;
        for (int s = 0; s < S; ++s) {
          const VU pair = (low[s] >> 16) | (high[s] & kUpper);
          __builtin_memcpy(to + s * kStep, &pair, sizeof pair);
        }
      }
    }
}

template <int S>
void split_b(const Operand& b, Index rows, Index columns, Bfloat* out, Index panel, int* large) {
  VU largest{};
  if (b.col == 1) {
    split_pairs<S>(b.x, b.row, rows, columns, out, panel, largest);
    return report(largest, large);
  }
  alignas(64) real block[kBlock * kBlock];
  for (Index j = 0; j < columns; j += kBlock, out += panel) {
    const Index width = smaller(kBlock, columns - j);
    prefetch_columns(b.at(0, j + kBlock), width);
    transpose(b.at(0, j), rows, width, block);
    split_pairs<S>(block, kBlock, rows, width, out, panel, largest);
  }
  report(largest, large);
}

template <int Part, int T>
PYSEQ_INLINE void load_part(const Bfloat* p) {
  tile_load<T>(p + Part * kStep, kTileBytes);
  tile_load<T + 1>(p + Part * kStep + kTileSize, kTileBytes);
}
PYSEQ_INLINE void multiply_tiles() {
  tile_multiply<0, 4, 6>();
  tile_multiply<1, 4, 7>();
  tile_multiply<2, 5, 6>();
  tile_multiply<3, 5, 7>();
}

// The lines of memory of the panel of A that comes next, asked for a few at a time while tiles multiply.
struct Ahead {
  const real* row = nullptr;
  Index ld = 0, lines = 0, rows = 0, line = 0;
  Index share = 0;  // at a time

  Ahead() = default;
  Ahead(const Operand& o, Index size, Index depth, Index times)
      : row(o.x),
        ld(o.col == 1 ? o.row : o.col),
        lines(ceil_div(o.col == 1 ? depth : size, kTileRows)),
        rows(o.col == 1 ? size : depth),
        share(ceil_div(rows * lines, times)) {}

  PYSEQ_INLINE void ask() {
    for (Index i = 0; i < share && rows; ++i) {
      __builtin_prefetch(row + line * kTileRows, 0, 2);
      if (++line == lines) line = 0, --rows, row += ld;
    }
  }
};

// A panel of 32 columns of split B: where, and how far its 32 x 32 blocks are apart.
struct SplitPanel {
  const Bfloat* b;
  Index step;
};

// C (32, 32) (+)= A (32, 32 steps) B (32 steps, 32): tiles 0-3 hold C, 4-5 A, 6-7 B.
template <int S>
void tile_block(const Bfloat* a, const SplitPanel& panel, Index steps, real* c, Index ldc,
                bool accumulate, Ahead& ahead) {
  const Bfloat* b = panel.b;
  const Index stride = ldc * static_cast<Index>(sizeof(real));
  real* below = c + kTileRows * ldc;
  // What the next block adds to or stores.
  for (Index i = 0; i < kBlock; ++i) {
    __builtin_prefetch(c + i * ldc + kBlock, 1);
    __builtin_prefetch(c + i * ldc + kBlock + kTileRows, 1);
  }
  if (accumulate) {
    tile_load<0>(c, stride), tile_load<1>(c + kTileRows, stride);
    tile_load<2>(below, stride), tile_load<3>(below + kTileRows, stride);
  } else {
    tile_zero<0>(), tile_zero<1>(), tile_zero<2>(), tile_zero<3>();
  }
  for (Index k = 0; k < steps; ++k, a += S * kStep, b += panel.step) {
    ahead.ask();
    // Consecutive products share an operand; the smallest come first. Parts (i, j) with i + j >= S
    // are below the last bit.
    if constexpr (S == 1) {
      load_part<0, 4>(a), load_part<0, 6>(b), multiply_tiles();
    } else if constexpr (S == 2) {
      load_part<1, 4>(a), load_part<0, 6>(b), multiply_tiles();
      load_part<0, 4>(a), multiply_tiles();
      load_part<1, 6>(b), multiply_tiles();
    } else {
      load_part<2, 4>(a), load_part<0, 6>(b), multiply_tiles();
      load_part<1, 4>(a), multiply_tiles();
      load_part<1, 6>(b), multiply_tiles();
      load_part<0, 4>(a), multiply_tiles();
      load_part<2, 6>(b), multiply_tiles();
      load_part<0, 6>(b), multiply_tiles();
    }
  }
  tile_store<0>(c, stride), tile_store<1>(c + kTileRows, stride);
  tile_store<2>(below, stride), tile_store<3>(below + kTileRows, stride);
}

// Bias and activation over finished rows.
void finish_panel(const Gemm& g, real* c, const real* bias, Index rows, Index columns) {
  if (bias)
    for (Index i = 0; i < rows; ++i)
      map2(c + i * g.ldc, bias, c + i * g.ldc, columns, [](V x, V y) { return x + y; });
  if (g.act.kind == kLinear) return;
  for (Index i = 0; i < rows; ++i) activation_forward(g.act, c + i * g.ldc, c + i * g.ldc, columns);
}

constexpr Index panel_reals(Index depth) { return kMaxParts * kBlock * depth / 2; }

// Pieces of one size, none above `limit`, in whole tiles.
PYSEQ_INLINE Index even_piece(Index n, Index limit) {
  return round_to(ceil_div(n, ceil_div(n, limit)), kBlock);
}

// B is cut into blocks of `width` columns and `length` rows.
struct Blocks {
  Index width, length;

  explicit Blocks(const Gemm& g)
      : width(even_piece(g.n, kAmxWidth)), length(even_piece(g.k, kAmxDepth)) {}
  // Bfloat16s of S parts of a panel of 32 columns of a block.
  template <int S>
  Index panel() const {
    return length / kTileDepth * S * kStep;
  }
};

// C += A B for one block of B.
struct Step {
  Index column, columns, at, depth;
  const Bfloat* a;  // split, or null: each worker splits the panels that it multiplies
  const Bfloat* b;
  Index panel_a, panel_b, b_step;
};

template <int S>
void multiply_block(Pool* pool, const Gemm& g, const Step& s, real* worker, Index worker_stride,
                    int* large) {
  const Operand a{g.a, g.a_row, g.a_col};
  const Index a_panels = ceil_div(g.m, kBlock), b_panels = ceil_div(s.columns, kBlock);
  const Index steps = ceil_div(s.depth, kTileDepth);
  const bool accumulate = g.accumulate || s.at > 0, last = s.at + s.depth >= g.k;
  const bool split = s.a != nullptr;
  // Pieces: row panels x groups of columns, at least 16 if the product is wide.
  const Index group = split           ? larger(2, ceil_div(b_panels * a_panels, 16))
                      : a_panels < 16 ? ceil_div(b_panels, 2)
                                      : b_panels;
  const Index groups = ceil_div(b_panels, group);
  parallel_for(pool, a_panels * groups, 1, [&](Index begin, Index end, int w) {
    tiles_configure();
    Bfloat* own = reinterpret_cast<Bfloat*>(worker + w * worker_stride);
    real* edge = worker + w * worker_stride + (split ? 0 : s.panel_a / 2);
    for (Index piece = begin; piece < end; ++piece) {
      const Index i = piece / groups, rows = smaller(kBlock, g.m - i * kBlock);
      const Index from = piece % groups * group, to = smaller(from + group, b_panels);
      const Bfloat* parts = split ? s.a + i * s.panel_a : own;
      Ahead ahead;
      if (!split) {
        split_a<S>(a.at(i * kBlock, s.at), rows, s.depth, own, large);
        if (i + 1 < a_panels)
          ahead = Ahead(a.at((i + 1) * kBlock, s.at), smaller(kBlock, g.m - (i + 1) * kBlock),
                              s.depth, (to - from) * steps);
      }
      real* c = g.c + i * kBlock * g.ldc + s.column;
      for (Index j = from; j < to; ++j) {
        const Index n = smaller(kBlock, s.columns - j * kBlock);
        const SplitPanel panel{s.b + j * s.panel_b, s.b_step};
        real* target = c + j * kBlock;
        if (rows == kBlock && n == kBlock) {
          tile_block<S>(parts, panel, steps, target, g.ldc, accumulate, ahead);
          continue;
        }
        tile_block<S>(parts, panel, steps, edge, kBlock, false, ahead);
        for (Index r = 0; r < rows; ++r)
          for (Index v = 0; v < n; ++v) {
            real* to_c = target + r * g.ldc + v;
            *to_c = accumulate ? *to_c + edge[r * kBlock + v] : edge[r * kBlock + v];
          }
      }
      if (last)
        finish_panel(g, c + from * kBlock, g.bias ? g.bias + s.column + from * kBlock : nullptr,
                     rows, smaller(to * kBlock, s.columns) - from * kBlock);
    }
    tiles_release();
  });
}

template <int S>
void run(Pool* pool, const Gemm& g, const Bfloat* kept, real* shared, real* worker,
         Index worker_stride, int* large) {
  const Operand a{g.a, g.a_row, g.a_col}, b{g.b, g.b_row, g.b_col};
  const Blocks blocks(g);
  // Panels of A that are split beforehand.
  const Index once = g.m <= kSharedRows ? ceil_div(g.m, kBlock) : 0;
  Bfloat* split_of_a = reinterpret_cast<Bfloat*>(shared);
  Bfloat* split_of_b = split_of_a + once * blocks.panel<S>();
  Step s{};
  s.panel_a = blocks.panel<S>();
  s.panel_b = kept ? blocks.panel<kMaxParts>() : s.panel_a;
  s.b_step = (kept ? kMaxParts : S) * kStep;
  s.a = once ? split_of_a : nullptr;
  for (s.column = 0; s.column < g.n; s.column += blocks.width) {
    s.columns = smaller(blocks.width, g.n - s.column);
    for (s.at = 0; s.at < g.k; s.at += blocks.length) {
      s.depth = smaller(blocks.length, g.k - s.at);
      const Index steps = kept ? 0 : ceil_div(s.depth, kTileDepth);
      parallel_for(pool, once + steps, 1, [&](Index begin, Index end, int) {
        for (Index i = begin; i < end; ++i) {
          if (i < once)
            split_a<S>(a.at(i * kBlock, s.at), smaller(kBlock, g.m - i * kBlock), s.depth,
                       split_of_a + i * s.panel_a, large);
          else
            split_b<S>(b.at(s.at + (i - once) * kTileDepth, s.column),
                       smaller(kTileDepth, s.depth - (i - once) * kTileDepth), s.columns,
                       split_of_b + (i - once) * S * kStep, s.panel_b, large);
        }
      });
      s.b = split_of_b;
      if (kept) {
        s.b = kept;
        kept += ceil_div(s.columns, kBlock) * s.panel_b;
      }
      multiply_block<S>(pool, g, s, worker, worker_stride, large);
    }
  }
}

// Whether rows x columns of x hold something too large to split.
bool has_large(Pool* pool, const real* x, Index row, Index col, Index rows, Index columns) {
  if (col != 1) return has_large(pool, x, col, row, columns, rows);
  int found = 0;
  parallel_for(pool, rows, larger(1, 16384 / larger(1, columns)), [&](Index begin, Index end, int) {
    VU largest{};
    for (Index i = begin; i < end; ++i)
      for (Index j = 0; j < columns; j += kLanes) {
        const int width = static_cast<int>(smaller(kLanes, columns - j));
        VU unused[1];
        split_value<1>(load_partial(x + i * row + j, width), unused, largest);
      }
    report(largest, &found);
  });
  return found != 0;
}

}  // namespace

// Splitting A pays over the columns of B, splitting B over the rows of A, by measurement from
// m n / (m + n) = 48 on for three parts.
bool amx_wanted(const Gemm& g) {
  const int parts = matmul_precision();
  const Index least = parts >= 3 ? 48 : parts == 2 ? 32 : 24;
  return g.m >= 48 && g.n >= 48 && g.k >= 64 && g.m * g.n >= least * (g.m + g.n);
}

GemmScratch amx_scratch(Index m, Index n, Index k) {
  if (m < 48 || n < 48 || k < 64) return {0, 0};
  const Index depth = round_to(smaller(k, kAmxDepth), kTileDepth);
  const Index panels = ceil_div(smaller(n, kAmxWidth), kBlock) + ceil_div(smaller(m, kSharedRows), kBlock);
  return {panel_reals(depth) * panels, panel_reals(depth) + kBlock * kBlock};
}

Index amx_parts_size(Index n, Index k) {
  const Index length = even_piece(k, kAmxDepth);
  return panel_reals(ceil_div(k, length) * length) * ceil_div(n, kBlock);
}

bool amx_pack_parts(Pool* pool, const Gemm& g, real* parts) {
  const Blocks blocks(g);
  const Index panel = blocks.panel<kMaxParts>(), steps = blocks.length / kTileDepth;
  const Index down = ceil_div(g.k, blocks.length), across = ceil_div(g.n, blocks.width);
  Bfloat* out = reinterpret_cast<Bfloat*>(parts);
  int large = 0;
  parallel_for(pool, across * down * steps, 1, [&](Index begin, Index end, int) {
    for (Index item = begin; item < end; ++item) {
      const Index column = item / steps / down * blocks.width, block = item / steps % down;
      const Index step = item % steps, k = block * blocks.length + step * kTileDepth;
      if (k >= g.k) continue;
      const Index columns = smaller(blocks.width, g.n - column);
      Bfloat* to = out + (column / kBlock * down + block * ceil_div(columns, kBlock)) * panel;
      split_b<kMaxParts>(Operand{g.b, g.b_row, g.b_col}.at(k, column),
                         smaller(kTileDepth, g.k - k), columns, to + step * kMaxParts * kStep,
                         panel, &large);
    }
  });
  return large == 0;
}

bool amx_gemm(Pool* pool, const Gemm& g, real* shared, real* worker, Index worker_stride) {
  const real state = g.blocks ? g.blocks[kParts] : 0;
  if (state < 0) return false;
  const Bfloat* kept = nullptr;
  if (state > 0) kept = reinterpret_cast<const Bfloat*>(g.blocks + parts_offset(g.n, g.k));
  // C that is added to cannot be computed twice, so look first.
  if (g.accumulate && (has_large(pool, g.a, g.a_row, g.a_col, g.m, g.k) ||
                       has_large(pool, g.b, g.b_row, g.b_col, g.k, g.n)))
    return false;
  int large = 0;
  const int parts = matmul_precision();
  if (parts >= 3) run<3>(pool, g, kept, shared, worker, worker_stride, &large);
  else if (parts == 2) run<2>(pool, g, kept, shared, worker, worker_stride, &large);
  else run<1>(pool, g, kept, shared, worker, worker_stride, &large);
  return large == 0;
}

}  // namespace pyseq::PYSEQ_NS
#endif
