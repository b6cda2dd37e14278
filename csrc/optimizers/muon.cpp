// Matrices: m = mu m + g, d = g + mu m (or m), w -= lr O(d) sqrt(max(rows, cols)) rms_rate, where
// O(d) is d with its singular values pushed to about 1    slots: m
// Other variables, and those that have a second slot: adam    slots: m, v
// K. Jordan et al., "Muon: an optimizer for hidden layers" (2024); scale of J. Liu et al., "Muon is
// scalable for LLM training" (2025).
#include "kernels/gemm.h"
#include "optimizers/adam.h"

namespace pyseq::PYSEQ_NS {
namespace {

// The core books one piece of scratch for an optimizer, for whatever number of workers.
constexpr int kMaxWorkers = 64;

struct Config {
  Adam adam;
  double a, b, c, momentum, rms_rate, adam_lr_ratio, weight_decay, adam_weight_decay;
  Index steps;
  bool nesterov, scaled;
  Index room;  // of one matrix
  GemmScratch scratch;
};

void plan(Plan& p) {
  p.slots_of_matrices();
  Config& c = p.config<Config>();
  c.adam = {p.number("adam_beta_1"), p.number("adam_beta_2"), p.number("epsilon"), false};
  c.a = p.number("muon_a");
  c.b = p.number("muon_b");
  c.c = p.number("muon_c");
  c.momentum = p.number("momentum");
  c.steps = p.integer("ns_steps", between(0, 1000));
  c.nesterov = p.flag("nesterov");
  c.scaled = p.has("rms_rate");
  c.rms_rate = p.number("rms_rate", 1.0);
  c.adam_lr_ratio = p.number("adam_lr_ratio");
  // The core decays by lr times 1 (or 0 for excluded variables); the factors are applied here.
  c.weight_decay = p.number("weight_decay", 0.0);
  c.adam_weight_decay = p.number("adam_weight_decay", 0.0);
  c.room = (p.input(0).size() + 15) / 16 * 16;
  c.scratch = gemm_scratch(c.room, c.room, c.room);
  // Two matrices (small, large), two (small, small), and what their products need.
  p.scratch(0, 4 * c.room + c.scratch.fixed + kMaxWorkers * c.scratch.per_worker);
}

struct Work {
  Pool* pool;
  real *x, *y;  // (r, c), r <= c
  real *p, *q;  // (r, r)
  real *shared, *worker;
  Index stride;
};

// out (r, n) (+)= a (r, k) b (k, n)
void product(const Work& w, const real* a, const real* b, Index b_row, Index b_col, Index r,
             Index n, Index k, bool accumulate, real* out) {
  Gemm g;
  g.m = r, g.n = n, g.k = k;
  g.a = a, g.a_row = k;
  g.b = b, g.b_row = b_row, g.b_col = b_col;
  g.c = out, g.ldc = n;
  g.accumulate = accumulate;
  gemm(pool_workers(w.pool) <= kMaxWorkers ? w.pool : nullptr, g, w.shared, w.worker, w.stride);
}

void scaled(const Work& w, real f, const real* x, real* y, Index n) {
  parallel_for(w.pool, n, 16384, [&](Index begin, Index end, int) {
    map(x + begin, y + begin, end - begin, [f](V v) { return f * v; });
  });
}

// x (r, c) through Newton-Schulz steps x = a x + (b A + c A A) x, A = x x^T. Returns the result.
const real* orthogonalize(Work w, const Config& o, Index r, Index c) {
  for (Index step = 0; step < o.steps; ++step) {
    product(w, w.x, w.x, 1, c, r, r, c, false, w.p);
    scaled(w, static_cast<real>(o.c), w.p, w.y, r * r);
    scaled(w, static_cast<real>(o.b), w.p, w.q, r * r);
    product(w, w.y, w.p, r, 1, r, r, r, true, w.q);
    scaled(w, static_cast<real>(o.a), w.x, w.y, r * c);
    product(w, w.q, w.x, c, 1, r, c, r, true, w.y);
    real* t = w.x;
    w.x = w.y;
    w.y = t;
  }
  return w.x;
}

void update(const Update& u) noexcept {
  const Config& o = u.config<Config>();
  const double wd = u.slot[1] ? o.adam_weight_decay : o.weight_decay;
  Update own = u;
  own.decay = u.decay * wd;
  if (u.slot[1]) {
    adam_update(o.adam, own, u.lr * o.adam_lr_ratio);
    return;
  }
  const Index rows = u.shape[0], cols = u.shape[1];
  const bool tall = rows > cols;
  const Index r = tall ? cols : rows, c = tall ? rows : cols;
  real *x = static_cast<real*>(u.scratch), *y = x + o.room, *p = y + o.room, *q = p + o.room;
  real *shared = q + o.room, *ms = slot(u, 0);
  const Inputs in(own);
  const real mu = static_cast<real>(o.momentum);
  // The direction goes to y; x gets it with the short side first.
  const double squares = chunked_sum(u.pool, u.n, [&](const Place& at) {
    const V g = in.gradient(at), m = mu * at.load(ms) + g, d = o.nesterov ? g + mu * m : m;
    at.store(ms, m);
    at.store(y, d);
    return d * d;
  });
  const real inverse = static_cast<real>(1 / (__builtin_sqrt(squares) + 1e-7));
  if (tall) {
    parallel_for(u.pool, r, 1 + 8192 / (c + 1), [&](Index begin, Index end, int) {
      for (Index i = begin; i < end; ++i)
        for (Index j = 0; j < c; ++j) x[i * c + j] = inverse * y[j * r + i];
    });
  } else {
    map(y, x, u.n, [inverse](V d) { return inverse * d; });
  }
  const real* result = orthogonalize(
      {u.pool, x, y, p, q, shared, shared + o.scratch.fixed, o.scratch.per_worker}, o, r, c);
  const double size = o.scaled ? __builtin_sqrt(static_cast<double>(c)) * o.rms_rate : 1;
  const real lr = static_cast<real>(u.lr * size);
  parallel_for(u.pool, rows, 1 + 8192 / (cols + 1), [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i)
      for (Index j = 0; j < cols; ++j) {
        real& w = in.w[i * cols + j];
        w = w * in.keep - lr * (tall ? result[j * c + i] : result[i * c + j]);
      }
  });
}

}  // namespace

extern const OptimizerDef optimizer_muon;
const OptimizerDef optimizer_muon{"muon", plan, false, update};

}  // namespace pyseq::PYSEQ_NS
