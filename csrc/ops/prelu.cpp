// y = x where x >= 0, alpha x below    x (N, ...)  alpha (sample, 1 where shared)  y (N, ...)
// He et al., 2015.
#include "core/op.h"
#include "kernels/columns.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

// alpha repeats with period p in a sample: its trailing dimensions are those of x, those before are
// 1. Any other sharing is written out for a whole sample.
struct Config {
  Index size, p, outer;
  bool expanded;
  int rank;
  Index dim[kMaxRank], stride[kMaxRank];
  int alpha, parts, total;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0), a = p.param(0);
  if (a.rank != x.rank) p.fail("expected alpha of rank %d, got %d", x.rank, a.rank);
  c.size = x.size();
  c.rank = x.rank;
  Index step = 1;
  int shared_from = 0;  // dimensions before it are all 1 in alpha
  for (int i = x.rank; i-- > 0;) {
    if (a[i] != 1 && a[i] != x[i])
      p.fail("expected 1 or %lld along dimension %d of alpha, got %lld",
             static_cast<long long>(x[i]), i, static_cast<long long>(a[i]));
    c.dim[i] = x[i];
    c.stride[i] = a[i] == 1 ? 0 : step;
    step *= a[i];
  }
  while (shared_from < x.rank && a[shared_from] == 1) ++shared_from;
  for (int i = shared_from; i < x.rank; ++i) c.expanded = c.expanded || a[i] != x[i];
  c.p = c.expanded ? c.size : a.size();
  c.outer = c.size / c.p;
  p.output(x);
  p.backward_reads_input(0);
  if (c.expanded) c.alpha = p.scratch(0, c.size);
  if (p.training()) {
    c.parts = p.scratch(chunk_scratch_per_row(c.outer, c.p, c.p), chunk_scratch_fixed(c.p));
    if (c.expanded) c.total = p.scratch(0, c.size);
  }
  p.flops(3.0 * static_cast<double>(c.size), 4.0 * static_cast<double>(c.size));
}

// f(element of the sample, element of alpha)
template <class F>
PYSEQ_INLINE void for_elements(const Config& c, F&& f) {
  Index at[kMaxRank] = {};
  for (Index i = 0; i < c.size; ++i) {
    Index from = 0;
    for (int k = 0; k < c.rank; ++k) from += at[k] * c.stride[k];
    f(i, from);
    for (int k = c.rank - 1; k >= 0; --k) {
      if (++at[k] < c.dim[k]) break;
      at[k] = 0;
    }
  }
}

const real* periodic_alpha(const Run& r, const Config& c) {
  const real* alpha = r.param(0);
  if (!c.expanded) return alpha;
  real* out = r.scratch(c.alpha);
  for_elements(c, [&](Index i, Index from) { out[i] = alpha[from]; });
  return out;
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real *x = r.x(), *alpha = periodic_alpha(r, c);
  real* y = r.y();
  if (c.p == 1) {
    const V a = splat(alpha[0]);
    parallel_for(r.pool, r.n * c.outer, 16384, [&](Index begin, Index end, int) {
      for_lanes(end - begin, [&](Index j, auto l) {
        const V v = l.get(x + begin + j);
        l.put(y + begin + j, select(v < 0, v * a, v));
      });
    });
    return;
  }
  parallel_for(r.pool, r.n * c.outer, 1 + 16384 / (c.p + 1), [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i)
      for_lanes(c.p, [&](Index j, auto l) {
        const V v = l.get(x + i * c.p + j);
        l.put(y + i * c.p + j, select(v < 0, v * l.get(alpha + j), v));
      });
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real *x = r.x(), *dy = r.dy(), *alpha = periodic_alpha(r, c);
  real *dx = r.dx(), *dalpha = r.dparam(0), *parts = r.scratch(c.parts);
  const Index rows = r.n * c.outer, per = chunk_rows(c.p), chunks = chunk_count(rows, c.p);
  parallel_for(r.pool, chunks, 2, [&](Index begin, Index end, int) {
    for (Index k = begin; k < end; ++k) {
      real* part = parts + k * c.p;
      for (Index j = 0; j < c.p; ++j) part[j] = 0;
      const Index last = (k + 1) * per < rows ? (k + 1) * per : rows;
      for (Index i = k * per; i < last; ++i)
        for_lanes(c.p, [&](Index j, auto l) {
          const Index at = i * c.p + j;
          const V v = l.get(x + at), g = l.get(dy + at);
          l.put(part + j, l.get(part + j) + select(v < 0, v * g, V{}));
          if (dx) l.put(dx + at, select(v < 0, g * l.get(alpha + j), g));
        });
    }
  });
  if (!dalpha) return;
  if (!c.expanded) return reduce_chunks(r.pool, parts, c.p, chunks, c.p, dalpha);
  real* total = r.scratch(c.total);
  reduce_chunks(r.pool, parts, c.p, chunks, c.p, total);
  for_elements(c, [&](Index, Index to) { dalpha[to] = 0; });
  for_elements(c, [&](Index i, Index to) { dalpha[to] += total[i]; });
}

}  // namespace

extern const OpDef op_prelu;
const OpDef op_prelu{"prelu", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
