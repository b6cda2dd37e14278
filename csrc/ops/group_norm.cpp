// y = (x - mean) / sqrt(var + eps) gamma + beta, moments of each sample over one group of
// consecutive channels and all positions    x (N, ..., C)  gamma (C)  beta (C)  y (N, ..., C)
// Wu & He, 2018.
#include "core/op.h"
#include "kernels/columns.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Index positions, c, groups, per_group;  // channels of a group
  double epsilon;
  int gamma, beta;
  int parts, worker;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0, 1);
  c.c = x[-1];
  c.positions = x.size(0, x.rank - 1);
  c.groups = p.integer("groups", at_least(1));
  if (c.c % c.groups)
    p.fail("expected groups to divide %lld, got %lld", static_cast<long long>(c.c),
           static_cast<long long>(c.groups));
  c.per_group = c.c / c.groups;
  c.epsilon = p.number("epsilon");
  int next = 0;
  c.gamma = p.flag("scale", true) ? next++ : -1;
  c.beta = p.flag("center", true) ? next++ : -1;
  for (int i = 0; i < next; ++i) p.param(i, c.c, "a variable");
  p.output(x);
  p.backward_reads_input(0);
  p.keep(2 * c.groups);
  if (p.training()) c.parts = p.scratch(2 * c.c);
  c.worker = p.scratch(0, 0, 4 * c.c);
  const double size = static_cast<double>(x.size());
  p.flops(7 * size, 10 * size);
}

// Sums over the positions in blocks, so that float sums stay exact enough for large images.
constexpr Index kPositions = 128;

// total[j] += sum over positions of f(vector of x)
template <class F>
PYSEQ_INLINE void channel_sums(const Config& c, real* block, real* total, F&& f) {
  for (Index j = 0; j < c.c; ++j) total[j] = 0;
  for (Index p0 = 0; p0 < c.positions; p0 += kPositions) {
    const Index p1 = p0 + kPositions < c.positions ? p0 + kPositions : c.positions;
    for (Index j = 0; j < c.c; ++j) block[j] = 0;
    for (Index p = p0; p < p1; ++p)
      for_lanes(c.c, [&](Index j, auto l) { l.put(block + j, l.get(block + j) + f(p, j, l)); });
    for (Index j = 0; j < c.c; ++j) total[j] += block[j];
  }
}

// Sum of v[j] * w[j] (w may be null) over the channels of group g.
PYSEQ_INLINE double group_sum(const Config& c, Index g, const real* v, const real* w) {
  double s = 0;
  for (Index j = g * c.per_group; j < (g + 1) * c.per_group; ++j)
    s += static_cast<double>(v[j]) * (w ? static_cast<double>(w[j]) : 1);
  return s;
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* x = r.x();
  real *y = r.y(), *kept = r.kept();
  const real* gamma = c.gamma < 0 ? nullptr : static_cast<const real*>(r.param(c.gamma));
  const real* beta = c.beta < 0 ? nullptr : static_cast<const real*>(r.param(c.beta));
  const Index size = c.positions * c.c;
  const double count = static_cast<double>(c.positions * c.per_group);
  parallel_for(r.pool, r.n, 1 + 8192 / (size + 1), [&](Index begin, Index end, int worker) {
    real* const mean = r.scratch(c.worker, worker);
    real *const total = mean + c.c, *const block = total + c.c, *const scale = block + c.c;
    for (Index n = begin; n < end; ++n) {
      const real* in = x + n * size;
      real *out = y + n * size, *moments = kept + n * 2 * c.groups;
      channel_sums(c, block, total,
                   [&](Index p, Index j, auto l) { return l.get(in + p * c.c + j); });
      for (Index g = 0; g < c.groups; ++g) {
        moments[2 * g] = static_cast<real>(group_sum(c, g, total, nullptr) / count);
        for (Index j = g * c.per_group; j < (g + 1) * c.per_group; ++j) mean[j] = moments[2 * g];
      }
      channel_sums(c, block, total, [&](Index p, Index j, auto l) {
        const V d = l.get(in + p * c.c + j) - l.get(mean + j);
        return d * d;
      });
      for (Index g = 0; g < c.groups; ++g) {
        const double var = group_sum(c, g, total, nullptr) / count;
        moments[2 * g + 1] = static_cast<real>(1 / __builtin_sqrt(var + c.epsilon));
        for (Index j = g * c.per_group; j < (g + 1) * c.per_group; ++j)
          scale[j] = moments[2 * g + 1] * (gamma ? gamma[j] : 1);
      }
      for (Index p = 0; p < c.positions; ++p)
        for_lanes(c.c, [&](Index j, auto l) {
          V v = (l.get(in + p * c.c + j) - l.get(mean + j)) * l.get(scale + j);
          if (beta) v = v + l.get(beta + j);
          l.put(out + p * c.c + j, v);
        });
    }
  });
}

// dx = a dy + b (x - mean) + e, all by channel.
void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real *x = r.x(), *dy = r.dy(), *kept = r.kept();
  real *dx = r.dx(), *parts = r.scratch(c.parts);
  const real* gamma = c.gamma < 0 ? nullptr : static_cast<const real*>(r.param(c.gamma));
  const Index size = c.positions * c.c;
  const double count = static_cast<double>(c.positions * c.per_group);
  parallel_for(r.pool, r.n, 1 + 8192 / (size + 1), [&](Index begin, Index end, int worker) {
    real* const mean = r.scratch(c.worker, worker);
    real *const a = mean + c.c, *const b = a + c.c, *const e = b + c.c;
    for (Index n = begin; n < end; ++n) {
      const real *in = x + n * size, *g = dy + n * size, *moments = kept + n * 2 * c.groups;
      real *sum = parts + n * 2 * c.c, *moment = sum + c.c;
      for (Index j = 0; j < c.c; ++j) mean[j] = moments[2 * (j / c.per_group)];
      channel_sums(c, a, sum, [&](Index p, Index j, auto l) { return l.get(g + p * c.c + j); });
      channel_sums(c, a, moment, [&](Index p, Index j, auto l) {
        return l.get(g + p * c.c + j) * (l.get(in + p * c.c + j) - l.get(mean + j));
      });
      for (Index k = 0; k < c.groups; ++k) {
        const double inv = static_cast<double>(moments[2 * k + 1]);
        const double group_dy = group_sum(c, k, sum, gamma),
                     group_m = group_sum(c, k, moment, gamma);
        for (Index j = k * c.per_group; j < (k + 1) * c.per_group; ++j) {
          a[j] = static_cast<real>(inv * (gamma ? static_cast<double>(gamma[j]) : 1));
          b[j] = static_cast<real>(-inv * inv * inv * group_m / count);
          e[j] = static_cast<real>(-inv * group_dy / count);
          moment[j] = static_cast<real>(static_cast<double>(moment[j]) * inv);
        }
      }
      if (!dx) continue;
      for (Index p = 0; p < c.positions; ++p)
        for_lanes(c.c, [&](Index j, auto l) {
          const Index at = p * c.c + j;
          const V d = l.get(in + at) - l.get(mean + j);
          l.put(dx + n * size + at,
                l.get(a + j) * l.get(g + at) + (l.get(b + j) * d + l.get(e + j)));
        });
    }
  });
  if (c.gamma >= 0 && r.dparam(c.gamma))
    reduce_chunks(r.pool, parts + c.c, 2 * c.c, r.n, c.c, r.dparam(c.gamma));
  if (c.beta >= 0 && r.dparam(c.beta))
    reduce_chunks(r.pool, parts, 2 * c.c, r.n, c.c, r.dparam(c.beta));
}

}  // namespace

extern const OpDef op_group_norm;
const OpDef op_group_norm{"group_norm", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
