// Matrices: m = mu m + g, d = g + mu m (or m), w -= lr O(d) sqrt(max(rows, cols)) rms_rate, where
// O(d) is d with its singular values pushed to about 1    slots: m
// Other variables, and those that have a second slot: adam    slots: m, v
// K. Jordan et al., "Muon: an optimizer for hidden layers" (2024); scale of J. Liu et al., "Muon is
// scalable for LLM training" (2025).
#include "optimizers/adam.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Adam adam;
  double a, b, c, momentum, rms_rate, adam_lr_ratio, weight_decay, adam_weight_decay;
  Index steps;
  bool nesterov, scaled;
  Index room;  // of one matrix
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  c.adam = {p.number("adam_beta_1"), p.number("adam_beta_2"), p.number("epsilon"), false};
  c.a = p.number("muon_a");
  c.b = p.number("muon_b");
  c.c = p.number("muon_c");
  c.momentum = p.number("momentum");
  c.steps = p.integer("ns_steps");
  c.nesterov = p.flag("nesterov");
  c.scaled = p.has("rms_rate");
  c.rms_rate = p.number("rms_rate", 1.0);
  c.adam_lr_ratio = p.number("adam_lr_ratio");
  // The core decays by lr times 1 (or 0 for excluded variables); the factors are applied here.
  c.weight_decay = p.number("weight_decay", 0.0);
  c.adam_weight_decay = p.number("adam_weight_decay", 0.0);
  c.room = p.input(0).size();
  // Two matrices (small, large), and two (small, small).
  p.scratch(0, 4 * c.room);
}

// The products below are between row-major operands or their transposes; a plain loop over blocks of
// columns keeps them free of further scratch.
// out (m, n) = f a (m, k) b (k, n) + h out
void product(Pool* pool, real f, const real* a, Index a_row, Index a_col, const real* b, Index m,
             Index n, Index k, real h, real* out) {
  constexpr int kRows = 4;
  const Index row_blocks = (m + kRows - 1) / kRows, blocks = (n + kLanes - 1) / kLanes;
  parallel_for(pool, row_blocks * blocks, 1 + 16384 / (kRows * kLanes * k + 1),
               [&](Index begin, Index end, int) {
    for (Index block = begin; block < end; ++block) {
      const Index i = block / blocks * kRows, j = block % blocks * kLanes;
      const int rows = static_cast<int>(m - i < kRows ? m - i : kRows);
      const int width = static_cast<int>(n - j < kLanes ? n - j : kLanes);
      V s[kRows] = {};
      for (Index l = 0; l < k; ++l) {
        const V y = load_partial(b + l * n + j, width);
        for (int q = 0; q < kRows; ++q)
          if (q < rows) s[q] += a[(i + q) * a_row + l * a_col] * y;
      }
      for (int q = 0; q < rows; ++q) {
        real* at = out + (i + q) * n + j;
        V v = f * s[q];
        if (h != 0) v += h * load_partial(at, width);
        store_partial(at, v, width);
      }
    }
  });
}

// out (r, r) = x (r, c) x^T: dot products of rows.
void gram(Pool* pool, const real* x, Index r, Index c, real* out) {
  parallel_for(pool, r, 1 + 16384 / (r * c + 1), [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i)
      for (Index j = 0; j < r; ++j) {
        const real *a = x + i * c, *b = x + j * c;
        V s[2] = {};
        Index k = 0;
        for (; k + 2 * kLanes <= c; k += 2 * kLanes)
          for (int q = 0; q < 2; ++q) s[q] += load(a + k + q * kLanes) * load(b + k + q * kLanes);
        for (; k < c; k += kLanes) {
          const int n = static_cast<int>(c - k < kLanes ? c - k : kLanes);
          s[0] += load_partial(a + k, n) * load_partial(b + k, n);
        }
        out[i * r + j] = horizontal_sum(s[0] + s[1]);
      }
  });
}

// x (r, c), r <= c, through `steps` Newton-Schulz steps; returns where the result lies: x or y.
real* orthogonalize(Pool* pool, const Config& o, Index r, Index c, real* x, real* y, real* p,
                    real* q) {
  for (Index step = 0; step < o.steps; ++step) {
    gram(pool, x, r, c, p);
    __builtin_memcpy(q, p, static_cast<std::size_t>(r * r) * sizeof(real));
    // q = b A + c A^2
    product(pool, static_cast<real>(o.c), p, r, 1, p, r, r, r, static_cast<real>(o.b), q);
    __builtin_memcpy(y, x, static_cast<std::size_t>(r * c) * sizeof(real));
    product(pool, 1, q, r, 1, x, r, c, r, static_cast<real>(o.a), y);
    real* t = x;
    x = y;
    y = t;
  }
  return x;
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
  real* x = static_cast<real*>(u.scratch);
  real *y = x + o.room, *p = y + o.room, *q = p + o.room, *ms = slot(u, 0);
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
  const real* result = orthogonalize(u.pool, o, r, c, x, y, p, q);
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
