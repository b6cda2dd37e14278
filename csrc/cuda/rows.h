#pragma once
// Work on the rows of a matrix that needs sums along each row: a team of threads takes a row.
#include "cuda/cuda.h"

namespace pyseq::cuda {

// The threads that share one row. Its elements are taken by
// `for (Index j = team.lane; j < team.n; j += team.lanes)`. sum and max are collective over the block;
// a team without a row has n = 0 and must not touch memory: scalars of a row are written by
// `if (team.leads)`.
struct Team {
  Block block;
  int lane, lanes;
  Index n;
  bool leads;

  __device__ float sum(float v) const {
    return combine(v, [](float a, float b) { return a + b; },
                   [](const Block& b, float u) { return b.sum(u); });
  }
  __device__ float max(float v) const {
    return combine(v, [](float a, float b) { return fmaxf(a, b); },
                   [](const Block& b, float u) { return b.max(u); });
  }

 private:
  template <class F, class G>
  __device__ float combine(float v, F&& f, G&& of_block) const {
    if (lanes > 32) return of_block(block, v);
#ifdef PYSEQ_CUDA_EMULATION
    for (int d = lanes / 2; d > 0; d /= 2) {
      block.shared[block.thread] = v;
      block.sync();
      v = f(v, block.shared[block.thread ^ d]);
      block.sync();
    }
#else
    for (int d = lanes / 2; d > 0; d /= 2) v = f(v, __shfl_xor_sync(0xffffffffu, v, d));
#endif
    return v;
  }
};

template <class F>
struct RowKernel {
  F f;
  Index rows, n;
  int lanes;

  __device__ void operator()(Index b, const Block& t) const {
    const int per_block = t.threads / lanes;
    const Index row = b * per_block + t.thread / lanes;
    const int lane = t.thread % lanes;
    const bool real_row = row < rows;
    f(real_row ? row : 0, Team{t, lane, lanes, real_row ? n : 0, real_row && lane == 0});
  }
};

// Threads that share a row of n elements: whole blocks only where rows are long, or long enough and
// too few to fill a GPU by warps.
inline int lanes_for_row(Index rows, Index n) {
  if (n > 2048 || (rows < 132 * 8 && n > 256)) return n > 8192 ? 512 : threads_for_row(n);
  int lanes = 1;
  while (lanes < 32 && lanes * 4 < n) lanes *= 2;
  return lanes;
}

// f(row, team) for each of `rows` rows; f is a `[=] __device__(Index row, Team team)` lambda, run by all
// threads of a team alike. `lanes`: a power of two up to 32, or more for a block of that many threads.
template <class F>
void for_rows(DeviceStream* s, Index rows, Index n, int lanes, F f) {
  const int threads = lanes > 32 ? lanes : kThreads;
  const Index per_block = threads / lanes;
#ifdef PYSEQ_CUDA_EMULATION
  const int shared = threads;
#else
  const int shared = 0;
#endif
  for_blocks(s, (rows + per_block - 1) / per_block, threads, shared, RowKernel<F>{f, rows, n, lanes});
}
template <class F>
void for_rows(DeviceStream* s, Index rows, Index n, F f) {
  for_rows(s, rows, n, lanes_for_row(rows, n), f);
}

}  // namespace pyseq::cuda
