// y = x where x >= 0, alpha x below    x (N, ...)  alpha (sample, 1 where shared)  y (N, ...)
// He et al., 2015.
#include "core/op.h"
#include "kernels/broadcast.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Broadcast alpha;
  Index group, wide;  // periods taken together
  int period, parts, total, worker;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  c.alpha = make_broadcast(p, x, p.param(0, "alpha", 0));
  const Index period = c.alpha.period;
  c.group = rows_together(period);
  c.wide = c.group * period;
  p.output(x);
  p.backward_reads_input(0);
  c.period = p.scratch(0, c.wide);
  if (p.training()) {
    c.parts = p.scratch(chunk_scratch_per_row(c.alpha.outer, period, period),
                        chunk_scratch_fixed(period));
    c.total = p.scratch(0, period);
    c.worker = p.scratch(0, 0, c.wide);
  }
  p.flops(3.0 * static_cast<double>(c.alpha.size), 4.0 * static_cast<double>(c.alpha.size));
}

const real* wide_alpha(const Run& r, const Config& c) {
  const real* alpha = r.param(0);
  real* out = r.scratch(c.period);
  const real* one = broadcast_period(c.alpha, alpha, out);
  if (c.group == 1) return one;
  for (Index j = 0; j < c.wide; ++j) out[j] = one[j % c.alpha.period];
  return out;
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real *x = r.x(), *alpha = wide_alpha(r, c);
  real* y = r.y();
  const Index count = r.n * c.alpha.size, blocks = (count + c.wide - 1) / c.wide;
  parallel_for(r.pool, blocks, 1 + 16384 / (c.wide + 1), [&](Index begin, Index end, int) {
    for (Index b = begin; b < end; ++b) {
      const Index first = b * c.wide, n = count - first < c.wide ? count - first : c.wide;
      for_lanes(n, [&](Index j, auto l) {
        const V v = l.get(x + first + j);
        l.put(y + first + j, select(v < 0, v * l.get(alpha + j), v));
      });
    }
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real *x = r.x(), *dy = r.dy(), *alpha = wide_alpha(r, c);
  real *dx = r.dx(), *dalpha = r.dparam(0), *parts = r.scratch(c.parts);
  const Index p = c.alpha.period, rows = r.n * c.alpha.outer, per = chunk_rows(p);
  const Index chunks = chunk_count(rows, p);
  parallel_for(r.pool, chunks, 2, [&](Index begin, Index end, int worker) {
    real* sum = r.scratch(c.worker, worker);
    for (Index k = begin; k < end; ++k) {
      for (Index j = 0; j < c.wide; ++j) sum[j] = 0;
      const Index last = ((k + 1) * per < rows ? (k + 1) * per : rows) * p;
      for (Index i = k * per * p; i < last; i += c.wide)
        for_lanes(last - i < c.wide ? last - i : c.wide, [&](Index j, auto l) {
          const V v = l.get(x + i + j), g = l.get(dy + i + j);
          l.put(sum + j, l.get(sum + j) + select(v < 0, v * g, V{}));
          if (dx) l.put(dx + i + j, select(v < 0, g * l.get(alpha + j), g));
        });
      for (Index j = 0; j < p; ++j) parts[k * p + j] = sum[j];
      for (Index j = p; j < c.wide; ++j) parts[k * p + j % p] += sum[j];
    }
  });
  if (dalpha) broadcast_reduce(r.pool, c.alpha, parts, chunks, r.scratch(c.total), dalpha);
}

}  // namespace

extern const OpDef op_prelu;
const OpDef op_prelu{"prelu", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
