// -ln sum over alignments of prod_t softmax(z_t)[state]    z (N, T, K) logits  y (N, L) labels
// Labels 1..K-1, padded with 0; class 0 is the blank. A. Graves et al., "Connectionist temporal
// classification", ICML 2006: states are the labels with a blank around each.
// Infinite, without gradient, where the labels do not fit into T frames; NaN for a label that is no
// class.
#include "kernels/loss_util.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr real kNever = static_cast<real>(-__builtin_inf());
constexpr Index kPad = 2;  // cells left of the first state, always impossible

struct Config {
  Index t, k, l, width;  // width: padded states of one frame
  int alpha, beta, emit, skip, lse, sums;
};

void plan(Plan& p) {
  const Shape z = p.input(0), y = p.input(1);
  if (z.rank != 2 || y.rank != 1)
    p.fail("expected logits (N, T, K) and labels (N, L), got %d and %d dimensions per sample",
           z.rank, y.rank);
  Config& c = p.config<Config>();
  c.t = z[0];
  c.k = z[1];
  c.l = y[0];
  c.width = (2 * c.l + 1 + kPad + kLanes) / kLanes * kLanes + kLanes;
  c.alpha = p.scratch(0, 0, c.t * c.width);
  c.beta = p.scratch(0, 0, 2 * c.width);
  c.emit = p.scratch(0, 0, c.width);
  c.skip = p.scratch(0, 0, 2 * c.width);
  c.lse = p.scratch(0, 0, c.t);
  c.sums = p.scratch(0, 0, c.k);
  p.output(Shape{});
}

PYSEQ_INLINE V log_sum(V a, V b, V c) {
  const V top = max_v(max_v(a, b), c);
  const V s = exp_v(a - top) + exp_v(b - top) + exp_v(c - top);
  return select(top == kNever, splat(kNever), top + log_v(s));
}

struct Sample {
  const Config& c;
  const real *z, *y;
  Index states;
  real *alpha, *beta, *emit, *skip, *lse, *sums;

  PYSEQ_INLINE Index label(Index s) const { return s % 2 ? static_cast<Index>(y[s / 2]) : 0; }
  PYSEQ_INLINE void emissions(Index t) const {
    const real* row = z + t * c.k;
    for (Index s = 0; s < states; ++s) emit[s] = row[label(s)] - lse[t];
  }
};

void frame_sums(const Sample& s) {
  const Config& c = s.c;
  for (Index t = 0; t < c.t; ++t) {
    const real* row = s.z + t * c.k;
    V top = splat(kNever), sum{};
    const AlongRow line{c.k};
    line.each([&](Index i, int n, VI) { top = max_v(top, line.load(row + i, n, kNever)); });
    top = line.max(top);
    line.each([&](Index i, int n, VI) { sum += line.used(exp_v(line.load(row + i, n) - top), n); });
    s.lse[t] = (top + log_v(line.sum(sum)))[0];
  }
}

// alpha[t][s]: ln of the sum over paths that are in state s at t, its emission included.
void run_alpha(const Sample& s) {
  const Config& c = s.c;
  for (Index i = 0; i < c.t * c.width; ++i) s.alpha[i] = kNever;
  // skip[s] opens the way from s - 2, skip[width + s] the way to s + 2.
  for (Index i = 0; i < 2 * c.width; ++i) s.skip[i] = kNever;
  for (Index i = 3; i < s.states; i += 2)
    if (s.label(i) != s.label(i - 2)) s.skip[i] = s.skip[c.width + i - 2] = 0;
  for (Index i = 0; i < c.width; ++i) s.emit[i] = 0;
  s.emissions(0);
  s.alpha[kPad] = s.emit[0];
  if (s.states > 1) s.alpha[kPad + 1] = s.emit[1];
  for (Index t = 1; t < c.t; ++t) {
    s.emissions(t);
    const real* before = s.alpha + (t - 1) * c.width + kPad;
    real* now = s.alpha + t * c.width + kPad;
    for (Index i = 0; i < s.states; i += kLanes) {
      const int n = static_cast<int>(s.states - i < kLanes ? s.states - i : kLanes);
      const V v = log_sum(load_partial(before + i, n), load_partial(before + i - 1, n),
                          load_partial(before + i - 2, n) + load_partial(s.skip + i, n));
      store_partial(now + i, v + load_partial(s.emit + i, n), n);
    }
  }
}

// dz = scale (softmax(z) - occupancy), occupancy = sum over a class's states of
// exp(alpha + beta + loss); beta leaves out the emission at t.
void run_gradient(const Sample& s, double loss, real scale, real* dz) {
  const Config& c = s.c;
  real *now = s.beta, *next = s.beta + c.width;
  for (Index i = 0; i < 2 * c.width; ++i) s.beta[i] = kNever;
  now[s.states - 1] = 0;
  if (s.states > 1) now[s.states - 2] = 0;
  for (Index t = c.t - 1; t >= 0; --t) {
    if (t < c.t - 1) {
      // `next` gets beta + emission of the later frame; then a step back.
      s.emissions(t + 1);
      for (Index i = 0; i < s.states; ++i) next[i] = now[i] + s.emit[i];
      for (Index i = 0; i < s.states; i += kLanes) {
        const int n = static_cast<int>(s.states - i < kLanes ? s.states - i : kLanes);
        const V v = log_sum(load_partial(next + i, n), load_partial(next + i + 1, n),
                            load_partial(next + i + 2, n) + load_partial(s.skip + c.width + i, n));
        store_partial(now + i, v, n);
      }
    }
    for (Index k = 0; k < c.k; ++k) s.sums[k] = 0;
    const real* alpha = s.alpha + t * c.width + kPad;
    const real shift = static_cast<real>(loss);
    for (Index i = 0; i < s.states; i += kLanes) {
      const int n = static_cast<int>(s.states - i < kLanes ? s.states - i : kLanes);
      const V v = exp_v(load_partial(alpha + i, n) + load_partial(now + i, n) + shift);
      for (int j = 0; j < n; ++j) s.sums[s.label(i + j)] += v[j];
    }
    const real *row = s.z + t * c.k, lse = s.lse[t];
    map2(row, s.sums, dz + t * c.k, c.k,
         [&](V z, V occupancy) { return scale * (exp_v(z - lse) - occupancy); });
  }
}

real one_sample(Sample s, real scale, real* dz) {
  const Config& c = s.c;
  Index count = 0;
  bool known = true;
  for (Index i = 0; i < c.l; ++i) {
    if (s.y[i] != 0) ++count;
    known = known && s.y[i] >= 0 && s.y[i] < static_cast<real>(c.k);
  }
  s.states = 2 * count + 1;
  double loss = __builtin_nan("");
  if (known && c.t > 0) {
    frame_sums(s);
    run_alpha(s);
    const real* last = s.alpha + (c.t - 1) * c.width + kPad;
    const double a = last[s.states - 1], b = count > 0 ? last[s.states - 2] : kNever;
    const double top = a > b ? a : b;
    loss = top == -__builtin_inf()
               ? __builtin_inf()
               : -(top + __builtin_log(__builtin_exp(a - top) + __builtin_exp(b - top)));
  }
  if (dz) {
    if (loss - loss == 0) run_gradient(s, loss, scale, dz);
    else
      for (Index i = 0; i < c.t * c.k; ++i) dz[i] = 0;
  }
  return static_cast<real>(loss);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real *z = r.x(0), *y = r.x(1), *scale = r.x(2);
  real *value = r.y(), *dz = r.dx(0);
  const Index size = c.t * c.k;
  parallel_for(r.pool, r.n, 1, [&](Index begin, Index end, int worker) {
    for (Index n = begin; n < end; ++n)
      value[n] = one_sample(
          {c, z + n * size, y + n * c.l, 0, r.scratch(c.alpha, worker), r.scratch(c.beta, worker),
           r.scratch(c.emit, worker), r.scratch(c.skip, worker), r.scratch(c.lse, worker),
           r.scratch(c.sums, worker)},
          dz ? scale[n] : 0, dz ? dz + n * size : nullptr);
  });
}

}  // namespace

extern const OpDef loss_ctc;
const OpDef loss_ctc{"ctc", plan, forward, nullptr};

}  // namespace pyseq::PYSEQ_NS
