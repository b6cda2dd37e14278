// y = x + b    x (N, ...)  b (sample, 1 or missing where shared)  y (N, ...)
#include "core/op.h"
#include "kernels/broadcast.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Broadcast bias;
  int period, parts, total;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  c.bias = make_broadcast(p, x, p.param(0, "a bias", 0));
  p.output(x);
  p.in_place();
  c.period = p.scratch(0, c.bias.period);
  if (p.training()) {
    c.parts = p.scratch(chunk_scratch_per_row(c.bias.outer, c.bias.period, c.bias.period),
                        chunk_scratch_fixed(c.bias.period));
    c.total = p.scratch(0, c.bias.period);
  }
  p.flops(static_cast<double>(c.bias.size), static_cast<double>(c.bias.size));
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real *x = r.x(), *b = broadcast_period(c.bias, r.param(0), r.scratch(c.period));
  real* y = r.y();
  const Index p = c.bias.period;
  parallel_for(r.pool, r.n * c.bias.outer, 1 + 16384 / (p + 1), [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i)
      for_lanes(
          p, [&](Index j, auto l) { l.put(y + i * p + j, l.get(x + i * p + j) + l.get(b + j)); });
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* dy = r.dy();
  real *dx = r.dx(), *db = r.dparam(0), *parts = r.scratch(c.parts);
  const Index p = c.bias.period, rows = r.n * c.bias.outer, per = chunk_rows(p);
  if (db) {
    const Index chunks = chunk_count(rows, p);
    parallel_for(r.pool, chunks, 2, [&](Index begin, Index end, int) {
      for (Index k = begin; k < end; ++k) {
        real* part = parts + k * p;
        for (Index j = 0; j < p; ++j) part[j] = 0;
        const Index last = (k + 1) * per < rows ? (k + 1) * per : rows;
        for (Index i = k * per; i < last; ++i)
          for_lanes(p, [&](Index j, auto l) {
            l.put(part + j, l.get(part + j) + l.get(dy + i * p + j));
          });
      }
    });
    broadcast_reduce(r.pool, c.bias, parts, chunks, r.scratch(c.total), db);
  }
  if (dx && dx != dy)
    __builtin_memcpy(dx, dy, static_cast<std::size_t>(r.n * c.bias.size) * sizeof(real));
}

}  // namespace

extern const OpDef op_add_bias;
const OpDef op_add_bias{"add_bias", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
