// y = x / sqrt(mean(x^2) + eps) scale over the last `axes` dimensions (D elements)
// x (N, ..., D)  scale (D)  y (N, ..., D)    Zhang & Sennrich, 2019.
#include "core/op.h"
#include "kernels/columns.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Index outer, d;
  double epsilon;
  int parts;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0, 1);
  const int axes = static_cast<int>(p.integer("axes", 1, between(1, x.rank)));
  c.outer = x.size(0, x.rank - axes);
  c.d = x.size(x.rank - axes, x.rank);
  c.epsilon = p.number("epsilon");
  p.param(0, c.d, "a scale");
  p.output(x);
  p.backward_reads_input(0);
  p.keep(c.outer);
  if (p.training())
    c.parts = p.scratch(chunk_scratch_per_row(c.outer, c.d, c.d), chunk_scratch_fixed(c.d));
  const double size = static_cast<double>(x.size());
  p.flops(5 * size, 10 * size);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real *x = r.x(), *scale = r.param(0);
  real *y = r.y(), *kept = r.kept();
  const Index d = c.d;
  parallel_for(r.pool, r.n * c.outer, 1 + 8192 / (d + 1), [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      const real* in = x + i * d;
      real* out = y + i * d;
      V square{};
      for_lanes(d, [&](Index j, auto l) {
        const V v = l.get(in + j);
        square += v * v;
      });
      const double mean = static_cast<double>(horizontal_sum(square)) / static_cast<double>(d);
      kept[i] = static_cast<real>(1 / __builtin_sqrt(mean + c.epsilon));
      const V inv = splat(kept[i]);
      for_lanes(d,
                [&](Index j, auto l) { l.put(out + j, l.get(in + j) * inv * l.get(scale + j)); });
    }
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real *x = r.x(), *dy = r.dy(), *scale = r.param(0), *kept = r.kept();
  real *dx = r.dx(), *dscale = r.dparam(0), *parts = r.scratch(c.parts);
  const Index rows = r.n * c.outer, per = chunk_rows(c.d), chunks = chunk_count(rows, c.d), d = c.d;
  parallel_for(r.pool, chunks, 2, [&](Index begin, Index end, int) {
    for (Index k = begin; k < end; ++k) {
      real* part = parts + k * d;
      for (Index j = 0; j < d; ++j) part[j] = 0;
      const Index last = (k + 1) * per < rows ? (k + 1) * per : rows;
      for (Index i = k * per; i < last; ++i) {
        const real *in = x + i * d, *g = dy + i * d;
        const V inv = splat(kept[i]);
        V moment{};
        for_lanes(d, [&](Index j, auto l) {
          const V t = l.get(g + j) * (l.get(in + j) * inv);
          l.put(part + j, l.get(part + j) + t);
          moment += t * l.get(scale + j);
        });
        if (!dx) continue;
        const V mean = splat(horizontal_sum(moment) / static_cast<real>(d));
        for_lanes(d, [&](Index j, auto l) {
          const V hat = l.get(in + j) * inv;
          l.put(dx + i * d + j, (l.get(g + j) * l.get(scale + j) - hat * mean) * inv);
        });
      }
    }
  });
  if (dscale) reduce_chunks(r.pool, parts, d, chunks, d, dscale);
}

}  // namespace

extern const OpDef op_rms_norm;
const OpDef op_rms_norm{"rms_norm", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
