// rho = min(lr, 1 / sqrt(t)), beta = 1 - t^beta_2_decay, s = g^2 + eps_1
// rank 0 and 1: v = beta v + (1 - beta) s    slots: v
// else r, c average s over the last and the second last axis, v = r / mean(r) * c    slots: r, c, v
// q = g / sqrt(v), w -= max(eps_2, rms(w)) rho q / max(1, rms(q) / clip_threshold)
// N. Shazeer, M. Stern, "Adafactor: adaptive learning rates with sublinear memory cost" (2018)
#include "optimizers/update.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  double beta_2_decay, epsilon_1, epsilon_2, clip_threshold;
};

void plan(Plan& p) {
  p.factored_slots();
  p.config<Config>() = {p.number("beta_2_decay"), p.number("epsilon_1"), p.number("epsilon_2"),
                        p.number("clip_threshold")};
}

struct Moments {
  real beta, rest, epsilon;
  PYSEQ_INLINE V square(V g) const { return g * g + epsilon; }
};

// One matrix (rows, cols) of the last two axes.
void factored(Pool* pool, const Moments& k, const Inputs& in, Index first, Index rows, Index cols,
              real* r, real* c, real* v) {
  const real per_row = k.rest / static_cast<real>(cols), per_col = k.rest / static_cast<real>(rows);
  const Index grain = 1 + 8192 / (cols + 1);
  parallel_for(pool, rows, grain, [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      V s{};
      each_place(first + i * cols, first + (i + 1) * cols, [&](const Place& at) {
        const V q = k.square(in.gradient(at));
        s += at.n == kLanes ? q : select(lane_numbers() < at.n, q, V{});
      });
      r[i] = k.beta * r[i] + per_row * horizontal_sum(s);
    }
  });
  const Index blocks = (cols + kLanes - 1) / kLanes;
  parallel_for(pool, blocks, 1 + 8192 / (rows * kLanes), [&](Index begin, Index end, int) {
    for (Index b = begin; b < end; ++b) {
      const Index j = b * kLanes;
      const int n = static_cast<int>(cols - j < kLanes ? cols - j : kLanes);
      V s{};
      for (Index i = 0; i < rows; ++i) s += k.square(in.gradient({first + i * cols + j, n}));
      const Place at{j, n};
      at.store(c, k.beta * at.load(c) + per_col * s);
    }
  });
  double total = 0;
  for (Index i = 0; i < rows; ++i) total += static_cast<double>(r[i]);
  const real inverse = static_cast<real>(static_cast<double>(rows) / total);
  parallel_for(pool, rows, grain, [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      const real f = r[i] * inverse;
      map(c, v + first + i * cols, cols, [f](V x) { return f * x; });
    }
  });
}

void update(const Update& u) noexcept {
  const Config& o = u.config<Config>();
  const double t = static_cast<double>(u.t), n = static_cast<double>(u.n);
  const double beta = 1 - power(t, o.beta_2_decay), cap = 1 / __builtin_sqrt(t);
  const Moments k{static_cast<real>(beta), static_cast<real>(1 - beta),
                  static_cast<real>(o.epsilon_1)};
  const Inputs in(u);
  const bool matrix = u.shape.rank >= 2;
  real* v = slot(u, matrix ? 2 : 0);
  if (matrix) {
    const Index rows = u.shape[-2], cols = u.shape[-1], size = rows * cols;
    for (Index b = 0; b * size < u.n; ++b)
      factored(u.pool, k, in, b * size, rows, cols, slot(u, 0) + b * rows, slot(u, 1) + b * cols,
               v);
  }
  const double weights = chunked_sum(u.pool, u.n, [&](const Place& at) {
    const V w = in.variable(at);
    at.store(in.w, w);
    return w * w;
  });
  const double steps = chunked_sum(u.pool, u.n, [&](const Place& at) {
    const V g = in.gradient(at);
    V s = at.load(v);
    if (!matrix) at.store(v, s = k.beta * s + k.rest * k.square(g));
    return g * g / s;
  });
  const double rho = u.lr < cap ? u.lr : cap, rms = __builtin_sqrt(weights / n);
  const double size = __builtin_sqrt(steps / n) / o.clip_threshold;
  const real alpha =
      static_cast<real>((rms > o.epsilon_2 ? rms : o.epsilon_2) * rho / (size > 1 ? size : 1));
  parallel_for(u.pool, u.n, 16384, [&](Index begin, Index end, int) {
    each_place(begin, end, [&](const Place& at) {
      at.store(in.w, at.load(in.w) - alpha * in.gradient(at) / sqrt_v(at.load(v)));
    });
  });
}

}  // namespace

extern const OptimizerDef optimizer_adafactor;
const OptimizerDef optimizer_adafactor{"adafactor", plan, false, update};

}  // namespace pyseq::PYSEQ_NS
