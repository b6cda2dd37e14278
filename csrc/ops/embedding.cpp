// y = E[x]    x (N, ...) ids, reals or int64  embeddings (V, D)  y (N, ..., D)
// An id outside [0, V) is a fault, and its row is NaN. Gradient: rows are added in the order of the
// batch; a worker owns a range of ids, so that the bits do not depend on the ranges.
#include "core/op.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Index ids, v, d;
  bool int64;
};

// The ids of a call; -1 for those outside of the table.
struct Ids {
  const Index* whole;
  const real* numbers;
  Index v;

  PYSEQ_INLINE Index operator[](Index i) const {
    if (whole) return whole[i] >= 0 && whole[i] < v ? whole[i] : -1;
    // Truncation, as a cast to int: (-1, 0) is 0. NaN compares false.
    return numbers[i] > -1 && numbers[i] < static_cast<real>(v) ? static_cast<Index>(numbers[i]) : -1;
  }
};

PYSEQ_INLINE Ids ids_of(const Run& r, const Config& c) {
  return {c.int64 ? static_cast<const Index*>(r.x()) : nullptr,
          c.int64 ? nullptr : static_cast<const real*>(r.x()), c.v};
}

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0, 0, kMaxRank - 1), e = p.param(0, "embeddings", 2, 2);
  c.ids = x.size();
  c.v = e[0];
  c.d = e[1];
  c.int64 = p.is_int64(0);
  p.takes_int64();
  Shape y = x;
  y.push(c.d);
  p.output(y);
  p.backward_reads_input(0);
  p.few_rows_change(0);
  const double moved = static_cast<double>(c.ids * c.d);
  p.flops(moved, moved);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Ids ids = ids_of(r, c);
  const real* e = r.param(0);
  real* y = r.y();
  const auto bytes = static_cast<std::size_t>(c.d) * sizeof(real);
  parallel_for(r.pool, r.n * c.ids, 1 + 16384 / (c.d + 1), [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      if (const Index id = ids[i]; id >= 0) {
        __builtin_memcpy(y + i * c.d, e + id * c.d, bytes);
      } else {
        __atomic_store_n(r.fault, true, __ATOMIC_RELAXED);
        for (Index j = 0; j < c.d; ++j) y[i * c.d + j] = static_cast<real>(__builtin_nanf(""));
      }
    }
  });
}

// The first row from `row` on, below `end`, that is marked; `end` if there is none.
Index next_marked(const unsigned char* marks, Index row, Index end) {
  for (; row < end; ++row) {
    std::uint64_t eight = 0;
    for (; row % 8 == 0 && row + 8 <= end; row += 8) {
      __builtin_memcpy(&eight, marks + row, 8);
      if (eight) break;
    }
    if (row < end && marks[row]) return row;
  }
  return end;
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Ids ids = ids_of(r, c);
  const real* dy = r.dy();
  const Index count = r.n * c.ids;
  if (real* dx = r.dx(); dx)
    __builtin_memset(dx, 0, static_cast<std::size_t>(count) * sizeof(real));
  real* de = r.dparam(0);
  if (!de) return;
  const Index pieces = 4 * pool_workers(r.pool);
  const Index grain = count * c.d < 16384 ? c.v : (c.v + pieces - 1) / pieces;
  unsigned char* touched = r.touched(0);
  const auto zero_rows = [&](Index first, Index rows) {
    __builtin_memset(de + first * c.d, 0, static_cast<std::size_t>(rows * c.d) * sizeof(real));
  };
  parallel_for(r.pool, c.v, grain, [&](Index begin, Index end, int) {
    if (touched)
      for (Index row = begin; (row = next_marked(touched, row, end)) < end; ++row) {
        zero_rows(row, 1);
        touched[row] = 0;
      }
    else zero_rows(begin, end - begin);
    for (Index i = 0; i < count; ++i) {
      const Index id = ids[i];
      if (id < begin || id >= end) continue;
      if (touched) touched[id] = 1;
      real* to = de + id * c.d;
      const real* from = dy + i * c.d;
      for (Index j = 0; j < c.d; ++j) to[j] += from[j];
    }
  });
}

void explain(const Run& r, Fault* fault) noexcept {
  const Config& c = r.config<Config>();
  const Ids ids = ids_of(r, c);
  Index i = 0;
  while (i + 1 < r.n * c.ids && ids[i] >= 0) ++i;
  fault->row = i / c.ids;
  fault->limit = c.v;
  fault->whole = c.int64;
  if (c.int64) fault->id = ids.whole[i];
  else fault->number = static_cast<double>(ids.numbers[i]);
}

}  // namespace

extern const OpDef op_embedding;
const OpDef op_embedding{"embedding", plan, forward, backward, nullptr, nullptr, explain};

}  // namespace pyseq::PYSEQ_NS
