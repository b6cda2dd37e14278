// Slots: m for matrices; m, v for what adam updates. Matrices go one after the other, through the
// matrix products of Newton-Schulz steps; these run also when a step only accumulates, without effect.
#include "cuda/adam.h"
#include "cuda/divide.h"
#include "cuda/gemm.h"

namespace pyseq::cuda {
namespace {

constexpr Index kSumParts = 256;

struct Config {
  Adam adam;
  double a, b, c, momentum, rms_rate, weight_decay, adam_weight_decay;
  Index steps;
  bool nesterov, scaled;
  Index room;  // of one matrix
};

// What adam updates.
struct AdamPart : Adam {
  double factor;  // of the decay
  __device__ bool takes(const DeviceSegment& s) const { return s.slot[1] != nullptr; }
  __device__ double decay(const DeviceSegment& s) const { return s.weight_decay * factor; }
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  c.adam.beta_1 = p.number("adam_beta_1");
  c.adam.beta_2 = p.number("adam_beta_2");
  c.adam.epsilon = p.number("epsilon");
  c.adam.rate = p.number("adam_lr_ratio");
  c.adam.amsgrad = false;
  c.a = p.number("muon_a");
  c.b = p.number("muon_b");
  c.c = p.number("muon_c");
  c.momentum = p.number("momentum");
  c.steps = p.integer("ns_steps");
  c.nesterov = p.flag("nesterov");
  c.scaled = p.has("rms_rate");
  c.rms_rate = p.number("rms_rate", 1.0);
  // The core decays by lr times 1 (or 0 for excluded variables); the factors are applied here.
  c.weight_decay = p.number("weight_decay", 0.0);
  c.adam_weight_decay = p.number("adam_weight_decay", 0.0);
  c.room = (p.input(0).size() + 15) / 16 * 16;
  p.scratch(0, 4 * c.room + 2 * kSumParts);
}

// out (r, n) (+)= a (r, k) b (k, n)
void product(DeviceStream* s, const float* a, const float* b, Index b_row, Index b_col, Index r, Index n, Index k,
             bool accumulate, float* out) {
  Gemm g;
  g.m = r, g.n = n, g.k = k;
  g.a = a, g.a_row = k;
  g.b = b, g.b_row = b_row, g.b_col = b_col;
  g.c = out, g.ldc = n;
  g.accumulate = accumulate;
  gemm(s, g);
}

struct Work {
  float *x, *y;  // (r, c), r <= c
  float *p, *q;  // (r, r)
};

// x (r, c) through Newton-Schulz steps x = a x + (b A + c A A) x, A = x x^T. Returns the result.
const float* orthogonalize(DeviceStream* s, Work w, const Config& o, Index r, Index c) {
  const float fa = static_cast<float>(o.a), fb = static_cast<float>(o.b), fc = static_cast<float>(o.c);
  for (Index step = 0; step < o.steps; ++step) {
    float *x = w.x, *y = w.y, *p = w.p, *q = w.q;
    product(s, x, x, 1, c, r, r, c, false, p);
    for_each(s, r * r, [=] __device__(Index i) {
      y[i] = fc * p[i];
      q[i] = fb * p[i];
    });
    product(s, y, p, r, 1, r, r, r, true, q);
    for_each(s, r * c, [=] __device__(Index i) { y[i] = fa * x[i]; });
    product(s, q, x, c, 1, r, c, r, true, y);
    w.x = y;
    w.y = x;
  }
  return w.x;
}

void update_matrix(DeviceStream* s, const DeviceUpdates& updates, const Config& o, int segment) {
  const DeviceUpdates u = updates;
  const DeviceSegment v = u.segments[segment];
  const Index rows = v.shape[0], cols = v.shape[1], n = v.n;
  const bool tall = rows > cols, nesterov = o.nesterov;
  const Index r = tall ? cols : rows, c = tall ? rows : cols;
  float *x = u.scratch, *y = x + o.room, *p = y + o.room, *q = p + o.room;
  auto* const squares = reinterpret_cast<double*>(q + o.room);
  const float mu = static_cast<float>(o.momentum);
  const Index chunk = (n + kSumParts - 1) / kSumParts;
  // The direction goes to y; x gets it with the short side first.
  for_blocks(s, kSumParts, kThreads, 0, [=] __device__(Index b, Block t) {
    const bool now = updates_now(u);
    const Inputs in(u, segment, 0);
    const Index end = (b + 1) * chunk < n ? (b + 1) * chunk : n;
    double sum = 0;
    for (Index i = b * chunk + t.thread; i < end; i += t.threads) {
      const float g = in.gradient(i), m = mu * v.slot[0][i] + g, d = nesterov ? g + mu * m : m;
      if (now) v.slot[0][i] = m;
      y[i] = d;
      sum += static_cast<double>(d) * static_cast<double>(d);
    }
    sum = t.sum(sum);
    if (t.thread == 0) squares[b] = sum;
  });
  for_blocks(s, 1, kThreads, 0, [=] __device__(Index, Block t) {
    const double sum = t.sum(t.thread < kSumParts ? squares[t.thread] : 0.0);
    if (t.thread == 0) squares[0] = 1 / (sqrt(sum) + 1e-7);
  });
  const Divider by_c(c), by_cols(cols);
  for_each(s, n, [=] __device__(Index i) {
    const Index row = by_c.quotient(i), col = i - row * c;
    x[i] = static_cast<float>(squares[0]) * (tall ? y[col * r + row] : y[i]);
  });
  const float* result = orthogonalize(s, {x, y, p, q}, o, r, c);
  const double size = o.scaled ? sqrt(static_cast<double>(c)) * o.rms_rate : 1;
  const double decay = v.weight_decay * o.weight_decay;
  for_each(s, n, [=] __device__(Index i) {
    if (!updates_now(u)) return;
    const double lr = learning_rate(u);
    const Index row = by_cols.quotient(i), col = i - row * cols;
    v.w[i] = v.w[i] * static_cast<float>(1 - decay * lr) -
             static_cast<float>(lr * size) * (tall ? result[col * c + row] : result[i]);
  });
}

void update(DeviceStream* s, const DeviceUpdates& u) {
  const Config& o = u.config<Config>();
  bool adam = false;
  for (int i = 0; i < u.count; ++i)
    if (u.segments[i].slot[1]) adam = true;
    else update_matrix(s, u, o, i);
  if (!adam) return;
  AdamPart rule;
  static_cast<Adam&>(rule) = o.adam;
  rule.factor = o.adam_weight_decay;
  update_elements(s, u, rule);
}

}  // namespace

extern const DeviceOptimizerDef optimizer_muon;
const DeviceOptimizerDef optimizer_muon{"muon", plan, update};

}  // namespace pyseq::cuda
