// y = E[x]    x (N, ...) ids  embeddings (V, D)  y (N, ..., D)
// An id outside [0, V) gives NaN, which no loss can hide. Gradient: rows are added in the order of
// the batch; a worker owns a range of ids, so that the bits do not depend on the ranges.
#include "core/op.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Index ids, v, d;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0), e = p.param(0);
  if (e.rank != 2) p.fail("expected embeddings of rank 2, got %d", e.rank);
  if (x.rank >= kMaxRank) p.fail("expected an input of rank below %d, got %d", kMaxRank, x.rank);
  c.ids = x.size();
  c.v = e[0];
  c.d = e[1];
  Shape y = x;
  y.push(c.d);
  p.output(y);
  p.backward_reads_input(0);
  const double moved = static_cast<double>(c.ids * c.d);
  p.flops(moved, moved);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real *x = r.x(), *e = r.param(0);
  real* y = r.y();
  const auto bytes = static_cast<std::size_t>(c.d) * sizeof(real);
  parallel_for(r.pool, r.n * c.ids, 1 + 16384 / (c.d + 1), [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      // Truncation, as a cast to int: (-1, 0) is 0. NaN compares false.
      if (x[i] > -1 && x[i] < static_cast<real>(c.v)) {
        __builtin_memcpy(y + i * c.d, e + static_cast<Index>(x[i]) * c.d, bytes);
      } else {
        for (Index j = 0; j < c.d; ++j) y[i * c.d + j] = static_cast<real>(__builtin_nanf(""));
      }
    }
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real *x = r.x(), *dy = r.dy();
  const Index count = r.n * c.ids;
  if (real* dx = r.dx(); dx)
    __builtin_memset(dx, 0, static_cast<std::size_t>(count) * sizeof(real));
  real* de = r.dparam(0);
  if (!de) return;
  const Index pieces = 4 * pool_workers(r.pool);
  const Index grain = count * c.d < 16384 ? c.v : (c.v + pieces - 1) / pieces;
  parallel_for(r.pool, c.v, grain, [&](Index begin, Index end, int) {
    __builtin_memset(de + begin * c.d, 0,
                     static_cast<std::size_t>((end - begin) * c.d) * sizeof(real));
    for (Index i = 0; i < count; ++i) {
      if (!(x[i] > -1 && x[i] < static_cast<real>(c.v))) continue;
      const Index id = static_cast<Index>(x[i]);
      if (id < begin || id >= end) continue;
      real* to = de + id * c.d;
      const real* from = dy + i * c.d;
      for (Index j = 0; j < c.d; ++j) to[j] += from[j];
    }
  });
}

}  // namespace

extern const OpDef op_embedding;
const OpDef op_embedding{"embedding", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
