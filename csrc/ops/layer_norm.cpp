// y = (x - mean) / sqrt(var + eps) gamma + beta over the last `axes` dimensions (D elements)
// x (N, ..., D)  gamma (D)  beta (D)  y (N, ..., D)    var biased; Ba et al., 2016.
// rms_scaling: y = x / sqrt(var + eps) gamma.
#include "core/op.h"
#include "kernels/columns.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Index outer, d;
  double epsilon;
  bool uncentered;  // rms_scaling
  int gamma, beta;
  int parts;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0, 1);
  const int axes = static_cast<int>(p.integer("axes", 1, between(1, x.rank)));
  c.outer = x.size(0, x.rank - axes);
  c.d = x.size(x.rank - axes, x.rank);
  c.epsilon = p.number("epsilon");
  c.uncentered = p.flag("rms_scaling");
  int next = 0;
  c.gamma = p.flag("scale", true) ? next++ : -1;
  c.beta = p.flag("center", true) ? next++ : -1;
  for (int i = 0; i < next; ++i) p.param(i, c.d, "a variable");
  p.output(x);
  p.backward_reads_input(0);
  p.keep(2 * c.outer);
  if (p.training()) {
    c.parts = p.scratch(chunk_scratch_per_row(c.outer, c.d, 2 * c.d), chunk_scratch_fixed(2 * c.d));
  }
  const double size = static_cast<double>(x.size());
  p.flops(8 * size, 14 * size);
}

// Mean and 1 / sqrt(var + eps) of one row.
PYSEQ_INLINE void row_moments(const real* x, Index d, double epsilon, real* mean, real* inv) {
  V sum{};
  for_lanes(d, [&](Index j, auto l) { sum += l.get(x + j); });
  const real m = horizontal_sum(sum) / static_cast<real>(d);
  const V center = splat(m);
  V square{};
  Index j = 0;
  for (; j + kLanes <= d; j += kLanes) {
    const V t = load(x + j) - center;
    square += t * t;
  }
  real rest = 0;
  for (; j < d; ++j) rest += (x[j] - m) * (x[j] - m);
  const double var = static_cast<double>(horizontal_sum(square) + rest) / static_cast<double>(d);
  *mean = m;
  *inv = static_cast<real>(1 / __builtin_sqrt(var + epsilon));
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* x = r.x();
  real *y = r.y(), *kept = r.kept();
  const real* gamma = c.gamma < 0 ? nullptr : static_cast<const real*>(r.param(c.gamma));
  const real* beta = c.beta < 0 ? nullptr : static_cast<const real*>(r.param(c.beta));
  const Index d = c.d;
  parallel_for(r.pool, r.n * c.outer, 1 + 8192 / (d + 1), [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      const real* in = x + i * d;
      real *out = y + i * d, mean, inv;
      row_moments(in, d, c.epsilon, &mean, &inv);
      kept[2 * i] = mean;
      kept[2 * i + 1] = inv;
      const V center = splat(c.uncentered ? 0 : mean), scale = splat(inv);
      for_lanes(d, [&](Index j, auto l) {
        V v = (l.get(in + j) - center) * scale;
        if (gamma) v = v * l.get(gamma + j);
        if (beta) v = v + l.get(beta + j);
        l.put(out + j, v);
      });
    }
  });
}

// One row: adds to the parts of dgamma and dbeta, writes dx.
PYSEQ_INLINE void row_backward(const Config& c, const real* x, const real* dy, const real* gamma,
                               real mean, real inv, real* dgamma, real* dbeta, real* dx) {
  const V center = splat(mean), scale = splat(inv), origin = splat(c.uncentered ? 0 : mean);
  V sum{}, moment{};
  for_lanes(c.d, [&](Index j, auto l) {
    const V g = l.get(dy + j), hat = (l.get(x + j) - origin) * scale;
    if (dgamma) l.put(dgamma + j, l.get(dgamma + j) + g * hat);
    if (dbeta) l.put(dbeta + j, l.get(dbeta + j) + g);
    const V gg = gamma ? g * l.get(gamma + j) : g;
    sum += gg;
    moment += gg * hat;
  });
  if (!dx) return;
  const real size = static_cast<real>(c.d);
  const V mean_sum = splat(c.uncentered ? 0 : horizontal_sum(sum) / size);
  const V mean_moment = splat(horizontal_sum(moment) / size);
  for_lanes(c.d, [&](Index j, auto l) {
    V gg = l.get(dy + j);
    if (gamma) gg = gg * l.get(gamma + j);
    const V hat = (l.get(x + j) - center) * scale;
    l.put(dx + j, (gg - mean_sum - hat * mean_moment) * scale);
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real *x = r.x(), *dy = r.dy(), *kept = r.kept();
  real* dx = r.dx();
  const real* gamma = c.gamma < 0 ? nullptr : static_cast<const real*>(r.param(c.gamma));
  real* dgamma = c.gamma < 0 ? nullptr : static_cast<real*>(r.dparam(c.gamma));
  real* dbeta = c.beta < 0 ? nullptr : static_cast<real*>(r.dparam(c.beta));
  real* parts = r.scratch(c.parts);
  const Index rows = r.n * c.outer, per = chunk_rows(c.d), chunks = chunk_count(rows, c.d), d = c.d;
  parallel_for(r.pool, chunks, 2, [&](Index begin, Index end, int) {
    for (Index k = begin; k < end; ++k) {
      real *part_gamma = parts + k * 2 * d, *part_beta = part_gamma + d;
      for (Index j = 0; j < 2 * d; ++j) part_gamma[j] = 0;
      const Index last = (k + 1) * per < rows ? (k + 1) * per : rows;
      for (Index i = k * per; i < last; ++i)
        row_backward(c, x + i * d, dy + i * d, gamma, kept[2 * i], kept[2 * i + 1],
                     dgamma ? part_gamma : nullptr, dbeta ? part_beta : nullptr,
                     dx ? dx + i * d : nullptr);
    }
  });
  if (dgamma) reduce_chunks(r.pool, parts, 2 * d, chunks, d, dgamma);
  if (dbeta) reduce_chunks(r.pool, parts + d, 2 * d, chunks, d, dbeta);
}

}  // namespace

extern const OpDef op_layer_norm;
const OpDef op_layer_norm{"layer_norm", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
