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
constexpr Index kAmxDepth = 256;         // a split panel of A stays in L1
constexpr int kMaxParts = 3;
constexpr Index kStep = 2 * kTileSize;  // bfloat16s of one part of a 32 x 32 block
constexpr int kInfinityBits = 0x7f800000;

// The S parts of x in the upper halves of lanes; `special` collects lanes that are infinite.
template <int S>
PYSEQ_INLINE void split_value(V x, VI (&part)[S], VI& special) {
  const VI bits = (VI)x, magnitude = bits & 0x7fffffff;
  special |= magnitude == kInfinityBits;
  // Rounding would carry the largest numbers to infinity and NaN payloads into the sign: cut those,
  // and set the quiet bit that cutting may lose.
  const VI cut =
      (bits & static_cast<int>(0xffff0000u)) | ((magnitude > kInfinityBits) & 0x00400000);
  const VI rounded = (VI)(((VU)bits + 0x8000) & 0xffff0000u);
  part[0] = magnitude >= 0x7f7f0000 ? cut : rounded;
  if constexpr (S > 1) {
    // An infinite or NaN part takes no rest with it: inf - inf.
    V rest = select(magnitude >= kInfinityBits, V{}, x - (V)part[0]);
    for (int s = 1; s < S; ++s) {
      part[s] = (VI)(((VU)rest + 0x8000) & 0xffff0000u);
      rest -= (V)part[s];
    }
  }
}

typedef Bfloat Narrow __attribute__((vector_size(kLanes * 2)));

// A 32 (rows) x 32 (k) block with rows `ld` apart -> S parts of 2 tiles.
template <int S>
void split_a(const real* x, Index ld, Bfloat* out, VI& special) {
  for (int i = 0; i < kBlock; ++i)
    for (int h = 0; h < kTileDepth; h += kLanes) {
      VI part[S];
      split_value<S>(load(x + i * ld + h), part, special);
      for (int s = 0; s < S; ++s) {
        const Narrow n = __builtin_convertvector((VU)part[s] >> 16, Narrow);
        __builtin_memcpy(out + s * kStep + i * kTileDepth + h, &n, sizeof n);
      }
    }
}

// A 32 (k) x 32 (columns) block with rows `ld` apart -> S parts of 2 tiles, pairs of rows together.
template <int S>
void split_b(const real* x, Index ld, Bfloat* out, VI& special) {
  for (int t = 0; t < 2; ++t)
    for (int r = 0; r < kTileRows; ++r)
      for (int h = 0; h < kTileRows; h += kLanes) {
        const real* from = x + 2 * r * ld + t * kTileRows + h;
        VI even[S], odd[S];
        split_value<S>(load(from), even, special);
        split_value<S>(load(from + ld), odd, special);
        for (int s = 0; s < S; ++s) {
          const VU pair = ((VU)even[s] >> 16) | (VU)odd[s];
          __builtin_memcpy(out + s * kStep + t * kTileSize + r * kTileDepth + 2 * h, &pair,
                           sizeof pair);
        }
      }
}

// out[i * kBlock + j] = x(i, j) for i < rows, j < columns; 0 elsewhere. One stride is 1.
void gather_block(const real* x, Index row, Index col, Index rows, Index columns, real* out) {
  if (rows < kBlock || columns < kBlock) __builtin_memset(out, 0, sizeof(real) * kBlock * kBlock);
  if (col == 1) pack_rows(x, row, columns, rows, out, kBlock);
  else pack_transposed(x, col, columns, rows, out, kBlock);
}

bool any(VI mask) {
  Lane all = 0;
  for (int i = 0; i < kLanes; ++i) all |= mask[i];
  return all != 0;
}

// Splits `rows` x `depth` of A (or depth x columns of B), one 32 x 32 block after another along k.
template <int S, bool IsA>
void split_panel(const real* x, Index row, Index col, Index size, Index depth, Bfloat* out,
                 int* infinite) {
  alignas(64) real buffer[kBlock * kBlock];
  VI special{};
  for (Index k = 0; k < depth; k += kTileDepth, out += S * kStep) {
    const Index d = smaller(kTileDepth, depth - k);
    const Index rows = IsA ? size : d, columns = IsA ? d : size;
    const real* from = x + k * (IsA ? col : row);
    Index ld = row;
    if (rows < kBlock || columns < kBlock || col != 1) {
      gather_block(from, row, col, rows, columns, buffer);
      from = buffer, ld = kBlock;
    }
    if constexpr (IsA) split_a<S>(from, ld, out, special);
    else split_b<S>(from, ld, out, special);
  }
  if (any(special)) __atomic_store_n(infinite, 1, __ATOMIC_RELAXED);
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

// C (32, 32) (+)= A (32, 32 steps) B (32 steps, 32): tiles 0-3 hold C, 4-5 A, 6-7 B.
template <int S>
void tile_block(const Bfloat* a, const Bfloat* b, Index steps, real* c, Index ldc,
                bool accumulate) {
  const Index stride = ldc * static_cast<Index>(sizeof(real));
  real* below = c + kTileRows * ldc;
  if (accumulate) {
    tile_load<0>(c, stride), tile_load<1>(c + kTileRows, stride);
    tile_load<2>(below, stride), tile_load<3>(below + kTileRows, stride);
  } else {
    tile_zero<0>(), tile_zero<1>(), tile_zero<2>(), tile_zero<3>();
  }
  for (Index k = 0; k < steps; ++k, a += S * kStep, b += S * kStep) {
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

constexpr Index kPanelParts = kMaxParts * kBlock * kAmxDepth / 2;  // reals of a split panel

template <int S>
void run(Pool* pool, const Gemm& g, real* shared, real* worker, Index worker_stride,
         int* infinite) {
  Bfloat* packed = reinterpret_cast<Bfloat*>(shared);
  for (Index column = 0; column < g.n; column += kWidth) {
    const Index columns = smaller(kWidth, g.n - column), b_panels = ceil_div(columns, kBlock);
    for (Index at = 0; at < g.k; at += kAmxDepth) {
      const Index depth = smaller(kAmxDepth, g.k - at), steps = ceil_div(depth, kTileDepth);
      const Index panel = steps * S * kStep;
      const bool accumulate = g.accumulate || at > 0, last = at + depth >= g.k;
      const real* b = g.b + at * g.b_row + column * g.b_col;
      parallel_for(pool, b_panels, 1, [&](Index begin, Index end, int) {
        for (Index j = begin; j < end; ++j)
          split_panel<S, false>(b + j * kBlock * g.b_col, g.b_row, g.b_col,
                                smaller(kBlock, columns - j * kBlock), depth, packed + j * panel,
                                infinite);
      });
      // Pieces: row panels x groups of columns, at least 16 if the product is wide.
      const Index a_panels = ceil_div(g.m, kBlock);
      const Index group = a_panels >= 16 ? b_panels : larger(4, ceil_div(b_panels * a_panels, 16));
      const Index groups = ceil_div(b_panels, group);
      parallel_for(pool, a_panels * groups, 1, [&](Index begin, Index end, int w) {
        tiles_configure();
        Bfloat* a = reinterpret_cast<Bfloat*>(worker + w * worker_stride);
        real* edge = worker + w * worker_stride + kPanelParts;
        for (Index piece = begin; piece < end; ++piece) {
          const Index first = piece / groups * kBlock, rows = smaller(kBlock, g.m - first);
          split_panel<S, true>(g.a + first * g.a_row + at * g.a_col, g.a_row, g.a_col, rows, depth,
                               a, infinite);
          const Index from = piece % groups * group, to = smaller(from + group, b_panels);
          real* c = g.c + first * g.ldc + column;
          for (Index j = from; j < to; ++j) {
            const Index width = smaller(kBlock, columns - j * kBlock);
            real* target = c + j * kBlock;
            if (rows == kBlock && width == kBlock) {
              tile_block<S>(a, packed + j * panel, steps, target, g.ldc, accumulate);
              continue;
            }
            tile_block<S>(a, packed + j * panel, steps, edge, kBlock, false);
            for (Index i = 0; i < rows; ++i)
              for (Index v = 0; v < width; ++v) {
                real* to_c = target + i * g.ldc + v;
                *to_c = accumulate ? *to_c + edge[i * kBlock + v] : edge[i * kBlock + v];
              }
          }
          if (last)
            finish_panel(g, c + from * kBlock, g.bias ? g.bias + column + from * kBlock : nullptr,
                         rows, smaller(to * kBlock, columns) - from * kBlock);
        }
        tiles_release();
      });
    }
  }
}

// Whether rows x columns of x hold an infinity.
bool has_infinity(Pool* pool, const real* x, Index row, Index col, Index rows, Index columns) {
  if (col != 1) return has_infinity(pool, x, col, row, columns, rows);
  int found = 0;
  parallel_for(pool, rows, larger(1, 16384 / larger(1, columns)), [&](Index begin, Index end, int) {
    VI special{};
    for (Index i = begin; i < end; ++i)
      for (Index j = 0; j < columns; j += kLanes) {
        const int width = static_cast<int>(smaller(kLanes, columns - j));
        special |= ((VI)load_partial(x + i * row + j, width) & 0x7fffffff) == kInfinityBits;
      }
    if (any(special)) __atomic_store_n(&found, 1, __ATOMIC_RELAXED);
  });
  return found != 0;
}

}  // namespace

bool amx_wanted(const Gemm& g) {
  // Splitting A pays over the columns of B, splitting B over the rows of A: estimated from the
  // rates of the tile unit and of the AVX-512 kernel.
  const int parts = matmul_precision();
  const Index least = parts >= 3 ? 96 : parts == 2 ? 64 : 48;
  return g.m >= least && g.n >= least && g.k >= 64;
}

GemmScratch amx_scratch(Index m, Index n, Index k) {
  if (m < 48 || n < 48 || k < 64) return {0, 0};
  const Index depth = round_to(smaller(k, kAmxDepth), kTileDepth);
  return {kMaxParts * depth * round_to(smaller(n, kWidth), kBlock) / 2,
          kPanelParts + kBlock * kBlock};
}

bool amx_gemm(Pool* pool, const Gemm& g, real* shared, real* worker, Index worker_stride) {
  // An infinity times a part that is 0 would be NaN: such operands go the ordinary way. C that is
  // added to cannot be computed twice, so look first.
  if (g.accumulate && (has_infinity(pool, g.a, g.a_row, g.a_col, g.m, g.k) ||
                       has_infinity(pool, g.b, g.b_row, g.b_col, g.k, g.n)))
    return false;
  int infinite = 0;
  const int parts = matmul_precision();
  if (parts >= 3) run<3>(pool, g, shared, worker, worker_stride, &infinite);
  else if (parts == 2) run<2>(pool, g, shared, worker, worker_stride, &infinite);
  else run<1>(pool, g, shared, worker, worker_stride, &infinite);
  return infinite == 0;
}

}  // namespace pyseq::PYSEQ_NS
#endif
