#include "kernels/reduction.h"

#include "kernels/columns.h"
#include "kernels/elementary.h"
#include "kernels/vmath.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr Index kChunk = 8192;   // elements of a row that are one piece of work
constexpr Index kTile = 64;      // columns that are one piece of work
constexpr Index kChunkLines = 256;

struct Sum {
  static constexpr bool kAdds = true;
  static PYSEQ_INLINE V neutral() { return V{}; }
  static PYSEQ_INLINE V join(V a, V b) { return a + b; }
};
struct Product {
  static constexpr bool kAdds = false;
  static PYSEQ_INLINE V neutral() { return splat(1); }
  static PYSEQ_INLINE V join(V a, V b) { return a * b; }
};
struct Max {
  static constexpr bool kAdds = false;
  static PYSEQ_INLINE V neutral() { return splat(-static_cast<real>(__builtin_inf())); }
  static PYSEQ_INLINE V join(V a, V b) { return select(a != a, a, max_v(a, b)); }
};
struct Min {
  static constexpr bool kAdds = false;
  static PYSEQ_INLINE V neutral() { return splat(static_cast<real>(__builtin_inf())); }
  static PYSEQ_INLINE V join(V a, V b) { return select(a != a, a, min_v(a, b)); }
};

template <class F>
PYSEQ_INLINE real join_lanes(V v) {
#pragma GCC unroll 4
  for (int half = kLanes / 2; half > 0; half /= 2) v = F::join(v, across(v, half));
  return v[0];
}

template <class F>
real reduce_row(const real* x, Index n) {
  if (F::kAdds) return vsum(x, n);
  V s[4] = {F::neutral(), F::neutral(), F::neutral(), F::neutral()};
  Index i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes)
    for (int j = 0; j < 4; ++j) s[j] = F::join(s[j], load(x + i + j * kLanes));
  for (; i + kLanes <= n; i += kLanes) s[0] = F::join(s[0], load(x + i));
  if (i < n) {
    const int rest = static_cast<int>(n - i);
    s[1] = F::join(s[1], select(lane_numbers() < rest, load_partial(x + i, rest), F::neutral()));
  }
  return join_lanes<F>(F::join(F::join(s[0], s[1]), F::join(s[2], s[3])));
}

// y[0, width) = the lines of x joined, `ld` apart.
template <class F>
void reduce_lines(const real* x, Index ld, Index lines, Index width, real* y) {
  constexpr int kWide = 4;
  Index j = 0;
  for (; j + kWide * kLanes <= width; j += kWide * kLanes) {
    V s[kWide];
    for (int v = 0; v < kWide; ++v) s[v] = F::neutral();
    const real* p = x + j;
    for (Index i = 0; i < lines; ++i, p += ld)
      for (int v = 0; v < kWide; ++v) s[v] = F::join(s[v], load(p + v * kLanes));
    for (int v = 0; v < kWide; ++v) store(y + j + v * kLanes, s[v]);
  }
  for (; j < width; j += kLanes) {
    const int n = static_cast<int>(width - j < kLanes ? width - j : kLanes);
    V s[2] = {F::neutral(), F::neutral()};
    const real* p = x + j;
    Index i = 0;
    for (; i + 2 <= lines; i += 2, p += 2 * ld) {
      s[0] = F::join(s[0], load_partial(p, n));
      s[1] = F::join(s[1], load_partial(p + ld, n));
    }
    if (i < lines) s[0] = F::join(s[0], load_partial(p, n));
    store_partial(y + j, F::join(s[0], s[1]), n);
  }
}

// Narrow lines are joined several at a time, as lines of a wider matrix, to fill vectors.
template <class F>
void reduce_narrow(const real* x, Index lines, Index width, real* y) {
  const Index together = rows_together(width);
  const Index wide = together * width, groups = lines / together;
  real room[1024];
  if (groups < 2 || wide > 1024) return reduce_lines<F>(x, width, lines, width, y);
  reduce_lines<F>(x, wide, groups, wide, room);
  reduce_lines<F>(room, width, together, width, y);
  const Index done = groups * together;
  if (done == lines) return;
  reduce_lines<F>(x + done * width, width, lines - done, width, room);
  for (Index j = 0; j < width; ++j) y[j] = F::join(splat(y[j]), splat(room[j]))[0];
}

PYSEQ_INLINE Index chunk_lines(Index inner) { return inner == 1 ? kChunk : kChunkLines; }
PYSEQ_INLINE Index chunks_of(Index lines, Index inner) {
  // A sum over nothing is written, too.
  return lines > 0 ? (lines + chunk_lines(inner) - 1) / chunk_lines(inner) : 1;
}

// Joins the parts of all chunks: doubles where they are added.
template <class F>
void join_chunks(const real* parts, Index chunks, Index stride, Index n, real* y) {
  if (!F::kAdds) return reduce_lines<F>(parts, stride, chunks, n, y);
  double sum[kTile];
  add_chunks(parts, stride, chunks, 0, n, sum);
  for (Index j = 0; j < n; ++j) y[j] = static_cast<real>(sum[j]);
}

template <class F>
void run_pass(Pool* pool, Index outer, Index lines, Index inner, const real* x, real* y,
              real* parts) {
  const Index chunk = chunk_lines(inner), chunks = chunks_of(lines, inner);
  const Index tiles = (inner + kTile - 1) / kTile;
  real* const to = chunks > 1 ? parts : y;
  const Index work = (lines < chunk ? lines : chunk) * (inner < kTile ? inner : kTile);
  parallel_for(pool, outer * chunks * tiles, 1 + 16384 / (work + 1), [&](Index b, Index e, int) {
    for (Index i = b; i < e; ++i) {
      const Index tile = i % tiles, part = i / tiles, o = part / chunks, k = part % chunks;
      const Index first = tile * kTile, width = inner - first < kTile ? inner - first : kTile;
      const Index line = k * chunk, n = lines - line < chunk ? lines - line : chunk;
      const real* from = x + (o * lines + line) * inner + first;
      real* out = to + part * inner + first;
      if (inner == 1) *out = reduce_row<F>(from, n);
      else if (tiles == 1) reduce_narrow<F>(from, n, inner, out);
      else reduce_lines<F>(from, inner, n, width, out);
    }
  });
  if (chunks <= 1) return;
  parallel_for(pool, outer * tiles, 1 + 16384 / (chunks * kTile), [&](Index b, Index e, int) {
    for (Index i = b; i < e; ++i) {
      const Index o = i / tiles, first = i % tiles * kTile;
      const Index width = inner - first < kTile ? inner - first : kTile;
      join_chunks<F>(parts + o * chunks * inner + first, chunks, inner, width,
                     y + o * inner + first);
    }
  });
}

// Room for the results of passes that are not the last, two in turn.
PYSEQ_INLINE Index between(const Reduction& r, int which) {
  return r.passes > which + 1 ? r.pass[which].results() : 0;
}

}  // namespace

ReductionScratch reduction_scratch(const Reduction& r) {
  ReductionScratch s{between(r, 0) + between(r, 1), 0};
  Index per_row = 0;
  for (int k = 0; k < r.passes; ++k) {
    const ReductionPass& p = r.pass[k];
    const Index chunk = chunk_lines(p.inner), chunks = chunks_of(p.axis, p.inner);
    // The batch's chunks count ceil(n axis / chunk): less than a part for each row.
    const Index row = p.batch      ? (p.axis * p.inner + chunk - 1) / chunk
                      : chunks > 1 ? p.results() * chunks
                                   : 0;
    if (row > per_row) per_row = row;
    if (p.batch && p.inner > s.fixed) s.fixed = p.inner;
  }
  s.per_row += per_row;
  return s;
}

namespace {

template <class F>
void run_passes(Pool* pool, const Reduction& r, Index n, const real* x, real* y, real* scratch) {
  real* const room[2] = {scratch, scratch + n * between(r, 0)};
  real* const parts = room[1] + n * between(r, 1);
  for (int k = 0; k < r.passes; ++k) {
    const ReductionPass& p = r.pass[k];
    real* const to = k + 1 == r.passes ? y : room[k % 2];
    run_pass<F>(pool, p.outers(n), p.length(n), p.inner, x, to, parts);
    x = to;
  }
}

}  // namespace

void reduce(Pool* pool, const Reduction& r, Reducer f, Index n, const real* x, real* y,
            real* scratch) {
  const Index results = r.kept * (r.batch ? 1 : n);
  if (r.passes == 0) {
    parallel_for(pool, results, 65536, [&](Index b, Index e, int) {
      if (x != y) __builtin_memcpy(y + b, x + b, static_cast<std::size_t>(e - b) * sizeof(real));
    });
    return;
  }
  switch (f) {
    case kMaxOf: return run_passes<Max>(pool, r, n, x, y, scratch);
    case kMinOf: return run_passes<Min>(pool, r, n, x, y, scratch);
    case kProductOf: return run_passes<Product>(pool, r, n, x, y, scratch);
    default: run_passes<Sum>(pool, r, n, x, y, scratch);
  }
  if (f != kMeanOf) return;
  const real count = static_cast<real>(r.elements(n));
  parallel_for(pool, results, 65536, [&](Index b, Index e, int) {
    for (Index i = b; i < e; ++i) y[i] /= count;
  });
}

}  // namespace pyseq::PYSEQ_NS
