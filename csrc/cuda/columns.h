#pragma once
// Reductions over the rows of matrices (segments, rows, cols): one result for each segment and column.
// Blocks take tiles of columns and chunks of rows, chunks are merged in order: the same bits in every
// run.
#include "cuda/cuda.h"

namespace pyseq::cuda {

struct ColumnGrid {
  Index segments, rows, cols;
  int width, groups;  // a block: columns side by side, rows at a time; powers of two
  Index tiles, chunks, per_chunk;
};

// What a GPU of 132 multiprocessors keeps busy.
inline constexpr Index kColumnBlocks = 132 * 4;

inline ColumnGrid column_grid(Index segments, Index rows, Index cols) {
  ColumnGrid g{segments, rows, cols, 1, 1, 1, 1, rows};
  while (g.groups < 8 && g.groups < rows) g.groups *= 2;
  while (g.width < cols && g.width * g.groups < kThreads) g.width *= 2;
  while (g.groups < rows && g.width * g.groups < kThreads) g.groups *= 2;
  g.tiles = (cols + g.width - 1) / g.width;
  // A second launch pays once a thread has dozens of rows.
  const Index base = segments * g.tiles, most = rows / (g.groups * 16);
  if (base > 0 && base * 2 <= kColumnBlocks && most >= 4) {
    g.chunks = kColumnBlocks / base < most ? kColumnBlocks / base : most;
    g.per_chunk = (rows + g.chunks - 1) / g.chunks;
    g.chunks = (rows + g.per_chunk - 1) / g.per_chunk;
  }
  return g;
}

// Scratch (floats) for the parts of chunks, for any number of rows.
template <class State>
constexpr Index column_scratch() {
  return kColumnBlocks * 32 * static_cast<Index>(sizeof(State) / sizeof(float));
}

// Merges what the groups of a block hold; the result is that of group 0.
template <class State>
__device__ inline State merge_groups(const Block& t, int width, int groups, State state) {
  State* const all = reinterpret_cast<State*>(t.shared);
  for (int half = groups / 2; half > 0; half /= 2) {
    all[t.thread] = state;
    t.sync();
    if (t.thread / width < half) state.merge(all[t.thread + half * width]);
    t.sync();
  }
  return state;
}

template <class State, class Take, class Finish>
struct ColumnKernel {
  ColumnGrid g;
  Take take;
  Finish finish;
  State* parts;

  __device__ void operator()(Index b, const Block& t) const {
    const Index tile = b % g.tiles, chunk = b / g.tiles % g.chunks, segment = b / g.tiles / g.chunks;
    const Index j = tile * g.width + t.thread % g.width;
    const Index first = chunk * g.per_chunk;
    const Index last = first + g.per_chunk < g.rows ? first + g.per_chunk : g.rows;
    const int group = t.thread / g.width;
    State state;
    if (j < g.cols && group < g.groups)
      for (Index i = first + group; i < last; i += g.groups) take(state, segment * g.rows + i, j);
    state = merge_groups(t, g.width, g.groups, state);
    if (t.thread >= g.width || j >= g.cols) return;
    if (g.chunks == 1) finish(segment, j, state);
    else parts[(segment * g.chunks + chunk) * g.cols + j] = state;
  }
};

template <class State, class Finish>
struct ColumnFinishKernel {
  Index cols, chunks, tiles;
  Finish finish;
  const State* parts;

  __device__ void operator()(Index b, const Block& t) const {
    const Index segment = b / tiles, j = b % tiles * 32 + t.thread % 32;
    State state;
    if (j < cols)
      for (Index k = t.thread / 32; k < chunks; k += t.threads / 32)
        state.merge(parts[(segment * chunks + k) * cols + j]);
    state = merge_groups(t, 32, t.threads / 32, state);
    if (t.thread < 32 && j < cols) finish(segment, j, state);
  }
};

// take(state, row, col) adds an element, row counted through all segments; finish(segment, col, state)
// gets each result. State: floats, set by its constructor to that of no element; merge(other). take and
// finish: `__device__` lambdas. scratch: column_scratch<State>() floats.
template <class State, class Take, class Finish>
void reduce_columns(DeviceStream* s, Index segments, Index rows, Index cols, float* scratch, Take take,
                    Finish finish) {
  if (segments <= 0 || cols <= 0) return;
  const ColumnGrid g = column_grid(segments, rows, cols);
  const int threads = g.width * g.groups < 32 ? 32 : g.width * g.groups;
  constexpr int kFloats = static_cast<int>(sizeof(State) / sizeof(float));
  auto* const parts = reinterpret_cast<State*>(scratch);
  for_blocks(s, segments * g.tiles * g.chunks, threads, threads * kFloats,
             ColumnKernel<State, Take, Finish>{g, take, finish, parts});
  if (g.chunks == 1) return;
  const Index tiles = (cols + 31) / 32;
  for_blocks(s, segments * tiles, kThreads, kThreads * kFloats,
             ColumnFinishKernel<State, Finish>{cols, g.chunks, tiles, finish, parts});
}

// K sums.
template <int K>
struct Sums {
  float v[K];
  __device__ Sums() {
    for (int k = 0; k < K; ++k) v[k] = 0;
  }
  __device__ void merge(const Sums& o) {
    for (int k = 0; k < K; ++k) v[k] += o.v[k];
  }
};

// out[c] = sum over rows of x (rows, cols); scratch: column_scratch<Sums<1>>() floats.
inline void sum_rows(DeviceStream* stream, const float* x, Index rows, Index cols, float* out, float* scratch) {
  reduce_columns<Sums<1>>(
      stream, 1, rows, cols, scratch,
      [=] __device__(Sums<1> & state, Index row, Index j) { state.v[0] += x[row * cols + j]; },
      [=] __device__(Index, Index j, const Sums<1>& state) { out[j] = state.v[0]; });
}

// Count, mean and sum of squared distances from it. Elements are taken relative to the first one, so
// that a large mean costs no digits; merged as Chan, Golub & LeVeque, 1979.
struct Moments {
  float count, first, sum, square;
  __device__ Moments() : count(0), first(0), sum(0), square(0) {}
  __device__ void add(float x) {
    if (count == 0) first = x;
    const float d = x - first;
    count += 1;
    sum += d;
    square += d * d;
  }
  __device__ float mean() const { return count > 0 ? first + sum / count : 0; }
  // fmaxf would hide a NaN.
  __device__ float squares() const {
    const float s = count > 0 ? square - sum * (sum / count) : 0;
    return s < 0 ? 0 : s;
  }
  __device__ void merge(const Moments& o) {
    if (o.count == 0) return;
    if (count == 0) {
      *this = o;
      return;
    }
    const float total = count + o.count, distance = o.mean() - mean();
    square = squares() + o.squares() + distance * distance * (count * (o.count / total));
    first = mean() + distance * (o.count / total);
    sum = 0;
    count = total;
  }
};

}  // namespace pyseq::cuda
