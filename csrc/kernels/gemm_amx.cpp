// Products of float32 matrices on bfloat16 tiles: each value is split into a sum of S bfloat16
// parts, x = x0 + x1 + x2, and the products of parts that matter are added in float32 (Henry, Tang
// and Heinecke, "Leveraging the bfloat16 artificial intelligence datatype", ARITH 2019). S = 3
// keeps all 24 bits.
#if defined(PYSEQ_AMX)
#include "core/precision.h"
#include "kernels/gemm_detail.h"
#include "kernels/tile.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr Index kBlock = 2 * kTileRows;  // rows and columns of C at a time: 2 x 2 tiles
// A split block of B, kAmxDepth x kAmxWidth, stays in L2 while the rows of A pass over it.
constexpr Index kAmxDepth = 256, kAmxWidth = 512;
// Few rows: A is split beforehand, kSharedDepth of it at a time, and each worker splits some panels
// of B. Many rows: the other way round.
constexpr Index kFewRows = 256, kSharedDepth = 4 * kAmxDepth, kGroup = 4;
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

// to[i * kBlock + j] = element (i, j) for i < rows, j < columns, of an operand whose columns are
// contiguous.
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
        __builtin_prefetch(from + kRowsAhead * ld);
        __builtin_prefetch(from + kRowsAhead * ld + kLanes);
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

// Up to 32 rows (k) of `columns` columns of B -> for each 32 columns, `panel` apart, S parts of 2
// tiles with pairs of rows together.
template <int S>
void split_pairs(const real* x, Index ld, Index rows, Index columns, Bfloat* out, Index panel,
                 VU& largest) {
  for (Index k = 0; k < kTileDepth; k += 2)
    for (Index j = 0; j < columns; j += 2 * kLanes) {
      const real* from = x + k * ld + j;
      V even[2], odd[2];
      load_pair(from, k < rows ? columns - j : 0, even);
      load_pair(from + ld, k + 1 < rows ? columns - j : 0, odd);
      __builtin_prefetch(from + kRowsAhead * ld);
      __builtin_prefetch(from + kRowsAhead * ld + kLanes);
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

// The memory of the panel of A that comes next, asked for a few lines at a time while tiles
// multiply.
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

// C (32, 32) (+)= A (32, 32 steps) B (32 steps, 32), whose blocks are `b_step` apart: tiles 0-3
// hold C, 4-5 A, 6-7 B.
template <int S>
void tile_block(const Bfloat* a, const Bfloat* b, Index b_step, Index steps, real* c, Index ldc,
                bool accumulate, Ahead& ahead) {
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
  for (Index k = 0; k < steps; ++k, a += S * kStep, b += b_step) {
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

// C (+)= A B for one block of rows of B, [at, at + depth).
struct Step {
  const Gemm& g;
  Index at, depth;
  bool accumulate, last;

  Step(const Gemm& gemm, Index from, Index length)
      : g(gemm),
        at(from),
        depth(smaller(length, gemm.k - from)),
        accumulate(gemm.accumulate || from > 0),
        last(from + depth >= gemm.k) {}
  Index rows(Index panel) const { return smaller(kBlock, g.m - panel * kBlock); }
  Operand a(Index panel) const {
    return Operand{g.a, g.a_row, g.a_col}.at(panel * kBlock, at);
  }
  // From row `k` of the block and panel `panel` of B on.
  Operand b(Index k, Index panel) const {
    return Operand{g.b, g.b_row, g.b_col}.at(at + k, panel * kBlock);
  }
};

// Split B: its panels of 32 columns from `first` on, `panel` apart, each of 32 x 32 blocks, `step`
// apart.
struct SplitColumns {
  const Bfloat* b;
  Index panel, step, first;
};

// Row panel i of C: panels [from, to) of its columns.
template <int S>
void multiply_rows(const Step& s, Index i, const Bfloat* a, const SplitColumns& b, Index from,
                   Index to, real* edge, Ahead ahead) {
  const Gemm& g = s.g;
  const Index rows = s.rows(i), steps = ceil_div(s.depth, kTileDepth);
  real* c = g.c + i * kBlock * g.ldc;
  for (Index j = from; j < to; ++j) {
    const Index n = smaller(kBlock, g.n - j * kBlock);
    const Bfloat* panel = b.b + (j - b.first) * b.panel;
    real* target = c + j * kBlock;
    if (rows == kBlock && n == kBlock) {
      tile_block<S>(a, panel, b.step, steps, target, g.ldc, s.accumulate, ahead);
      continue;
    }
    tile_block<S>(a, panel, b.step, steps, edge, kBlock, false, ahead);
    for (Index r = 0; r < rows; ++r)
      for (Index v = 0; v < n; ++v) {
        real* to_c = target + r * g.ldc + v;
        *to_c = s.accumulate ? *to_c + edge[r * kBlock + v] : edge[r * kBlock + v];
      }
  }
  const Index column = from * kBlock;
  if (s.last)
    finish_panel(g, c + column, g.bias ? g.bias + column : nullptr, rows,
                 smaller(to * kBlock, g.n) - column);
}

// What amx_pack_parts wrote for the block of B at row `at`.
SplitColumns kept_columns(const Gemm& g, const Bfloat* kept, Index at, Index length) {
  const Index block = length / kTileDepth * kMaxParts * kStep;
  return {kept + at / length * block, ceil_div(g.k, length) * block, kMaxParts * kStep, 0};
}

template <int S>
void few_rows(Pool* pool, const Gemm& g, const Bfloat* kept, real* shared, real* worker,
              Index worker_stride, int* large) {
  const Index length = even_piece(g.k, kAmxDepth), panel = length / kTileDepth * S * kStep;
  const Index a_panels = ceil_div(g.m, kBlock), b_panels = ceil_div(g.n, kBlock);
  const Index group = larger(1, smaller(kGroup, b_panels / 8));
  Bfloat* a = reinterpret_cast<Bfloat*>(shared);
  for (Index from = 0; from < g.k; from += kSharedDepth / kAmxDepth * length) {
    const Index blocks = smaller(kSharedDepth / kAmxDepth, ceil_div(g.k - from, length));
    parallel_for(pool, a_panels * blocks, 1, [&](Index begin, Index end, int) {
      for (Index item = begin; item < end; ++item) {
        const Step s(g, from + item % blocks * length, length);
        const Index i = item / blocks;
        split_a<S>(s.a(i), s.rows(i), s.depth, a + item * panel, large);
      }
    });
    parallel_for(pool, ceil_div(b_panels, group), 1, [&](Index begin, Index end, int w) {
      tiles_configure();
      Bfloat* own = reinterpret_cast<Bfloat*>(worker + w * worker_stride);
      real* edge = worker + w * worker_stride + kGroup * panel_reals(kAmxDepth);
      for (Index first = begin * group; first < smaller(end * group, b_panels); first += group) {
        const Index to = smaller(first + group, b_panels);
        for (Index block = 0; block < blocks; ++block) {
          const Step s(g, from + block * length, length);
          SplitColumns b{own, panel, S * kStep, first};
          if (kept) {
            b = kept_columns(g, kept, s.at, length);
          } else {
            for (Index k = 0; k < s.depth; k += kTileDepth)
              split_b<S>(s.b(k, first), smaller(kTileDepth, s.depth - k),
                         smaller(to * kBlock, g.n) - first * kBlock,
                         own + k / kTileDepth * S * kStep, panel, large);
          }
          for (Index i = 0; i < a_panels; ++i)
            multiply_rows<S>(s, i, a + (i * blocks + block) * panel, b, first, to, edge, {});
        }
      }
      tiles_release();
    });
  }
}

template <int S>
void many_rows(Pool* pool, const Gemm& g, const Bfloat* kept, real* shared, real* worker,
               Index worker_stride, int* large) {
  const Index width = even_piece(g.n, kAmxWidth), length = even_piece(g.k, kAmxDepth);
  const Index a_panels = ceil_div(g.m, kBlock), panel = length / kTileDepth * S * kStep;
  Bfloat* split = reinterpret_cast<Bfloat*>(shared);
  for (Index column = 0; column < g.n; column += width) {
    const Index columns = smaller(width, g.n - column);
    const Index first = column / kBlock, b_panels = ceil_div(columns, kBlock);
    for (Index at = 0; at < g.k; at += length) {
      const Step s(g, at, length);
      const Index steps = ceil_div(s.depth, kTileDepth);
      SplitColumns b{split, panel, S * kStep, first};
      if (kept) {
        b = kept_columns(g, kept, at, length);
      } else {
        parallel_for(pool, steps, 1, [&](Index begin, Index end, int) {
          for (Index k = begin; k < end; ++k)
            split_b<S>(s.b(k * kTileDepth, first), smaller(kTileDepth, s.depth - k * kTileDepth),
                       columns, split + k * S * kStep, panel, large);
        });
      }
      // Pieces: row panels, in two where there are few.
      const Index group = a_panels < 16 ? ceil_div(b_panels, 2) : b_panels;
      const Index groups = ceil_div(b_panels, group);
      parallel_for(pool, a_panels * groups, 1, [&](Index begin, Index end, int w) {
        tiles_configure();
        Bfloat* a = reinterpret_cast<Bfloat*>(worker + w * worker_stride);
        real* edge = worker + w * worker_stride + kGroup * panel_reals(kAmxDepth);
        for (Index piece = begin; piece < end; ++piece) {
          const Index i = piece / groups, from = first + piece % groups * group;
          const Index to = smaller(from + group, first + b_panels);
          split_a<S>(s.a(i), s.rows(i), s.depth, a, large);
          Ahead ahead;
          if (i + 1 < a_panels)
            ahead = Ahead(s.a(i + 1), s.rows(i + 1), s.depth, (to - from) * steps);
          multiply_rows<S>(s, i, a, b, from, to, edge, ahead);
        }
        tiles_release();
      });
    }
  }
}

template <int S>
void run(Pool* pool, const Gemm& g, const Bfloat* kept, real* shared, real* worker,
         Index worker_stride, int* large) {
  const bool few = g.m <= kFewRows && 2 * g.m <= g.n;
  (few ? few_rows<S> : many_rows<S>)(pool, g, kept, shared, worker, worker_stride, large);
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
  // Even pieces of k, of which each may end in a part of a tile.
  const Index deep = round_to(k, kTileDepth) + ceil_div(k, kAmxDepth) * kTileDepth;
  const Index of_a =
      panel_reals(smaller(deep, kSharedDepth)) * ceil_div(smaller(m, kFewRows), kBlock);
  const Index of_b = panel_reals(round_to(smaller(k, kAmxDepth), kTileDepth)) *
                     ceil_div(smaller(n, kAmxWidth), kBlock);
  return {larger(of_a, of_b), kGroup * panel_reals(kAmxDepth) + kBlock * kBlock};
}

Index amx_parts_size(Index n, Index k) {
  const Index length = even_piece(k, kAmxDepth);
  return panel_reals(ceil_div(k, length) * length) * ceil_div(n, kBlock);
}

bool amx_pack_parts(Pool* pool, const Gemm& g, real* parts) {
  const Index length = even_piece(g.k, kAmxDepth);
  Bfloat* out = reinterpret_cast<Bfloat*>(parts);
  int large = 0;
  parallel_for(pool, ceil_div(g.k, kTileDepth), 1, [&](Index begin, Index end, int) {
    for (Index item = begin; item < end; ++item) {
      const Index k = item * kTileDepth;
      const SplitColumns to = kept_columns(g, out, k, length);
      split_b<kMaxParts>(Operand{g.b, g.b_row, g.b_col}.at(k, 0), smaller(kTileDepth, g.k - k), g.n,
                         const_cast<Bfloat*>(to.b) + k % length / kTileDepth * kMaxParts * kStep,
                         to.panel, &large);
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
