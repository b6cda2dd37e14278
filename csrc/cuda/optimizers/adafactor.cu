// Slots: v, or r, c, v for matrices. Matrices one after the other: sums of rows, of columns, then v; the
// rest for all variables at once.
#include "cuda/columns.h"
#include "cuda/divide.h"
#include "cuda/rows.h"
#include "cuda/total.h"
#include "cuda/update.h"

namespace pyseq::cuda {
namespace {

struct Config {
  double beta_2_decay, epsilon_1, epsilon_2, clip_threshold;
  Index inverse;  // where in scratch the factors of a variable's matrices lie
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  c.beta_2_decay = p.number("beta_2_decay");
  c.epsilon_1 = p.number("epsilon_1");
  c.epsilon_2 = p.number("epsilon_2");
  c.clip_threshold = p.number("clip_threshold");
  c.inverse = column_scratch<Sums<1>>();
  p.scratch(0, c.inverse + p.input(0).size());
}

// How the second moment moves.
struct Moment {
  float keep, rest, epsilon;
  __device__ Moment(const Config& c, const DeviceUpdates& u) : epsilon(static_cast<float>(c.epsilon_1)) {
    const double beta = 1 - pow(update_number(u), c.beta_2_decay);
    keep = static_cast<float>(beta);
    rest = static_cast<float>(1 - beta);
  }
  __device__ float square(float g) const { return g * g + epsilon; }
};

struct Matrix {
  Index rows, cols, count;
};

// v of a variable whose last two axes are matrices.
void factored(DeviceStream* s, const DeviceUpdates& u, const Config& config, int segment) {
  const Config c = config;
  const DeviceSegment v = u.segments[segment];
  const Matrix m{v.shape[-2], v.shape[-1], v.n / (v.shape[-2] * v.shape[-1])};
  float* const inverse = u.scratch + c.inverse;
  for_rows(s, m.count * m.rows, m.cols, [=] __device__(Index i, Team team) {
    const Moment k(c, u);
    const Inputs in(u, segment, 0);
    float sum = 0;
    for (Index j = team.lane; j < team.n; j += team.lanes) sum += k.square(in.gradient(i * m.cols + j));
    sum = team.sum(sum);
    if (team.leads && updates_now(u))
      v.slot[0][i] = k.keep * v.slot[0][i] + k.rest / static_cast<float>(m.cols) * sum;
  });
  reduce_columns<Sums<1>>(
      s, m.count, m.rows, m.cols, u.scratch,
      [=] __device__(Sums<1>& sum, Index row, Index col) {
        sum.v[0] += Moment(c, u).square(Inputs(u, segment, 0).gradient(row * m.cols + col));
      },
      [=] __device__(Index b, Index col, const Sums<1>& sum) {
        if (!updates_now(u)) return;
        const Moment k(c, u);
        float& at = v.slot[1][b * m.cols + col];
        at = k.keep * at + k.rest / static_cast<float>(m.rows) * sum.v[0];
      });
  for_blocks(s, m.count, threads_for_row(m.rows), 0, [=] __device__(Index b, Block t) {
    double sum = 0;
    for (Index i = t.thread; i < m.rows; i += t.threads)
      sum += static_cast<double>(v.slot[0][b * m.rows + i]);
    sum = t.sum(sum);
    if (t.thread == 0) inverse[b] = static_cast<float>(static_cast<double>(m.rows) / sum);
  });
  const Divider by_cols(m.cols), by_rows(m.rows);
  for_each(s, v.n, [=] __device__(Index i) {
    if (!updates_now(u)) return;
    const Index row = by_cols.quotient(i), b = by_rows.quotient(row), col = i - row * m.cols;
    v.slot[2][i] = v.slot[0][row] * inverse[b] * v.slot[1][b * m.cols + col];
  });
}

struct Squares {
  double weight, step;
};

// Weights decay, vectors get their v, and the norms' parts.
struct SquaresKernel {
  DeviceUpdates u;
  Config c;
  Squares* squares;  // of each part

  __device__ void operator()(Index b, const Block& t) const {
    if (!updates_now(u)) return;
    const Part part(u, b);
    const DeviceSegment& s = u.device_segments[part.segment];
    const Inputs in(u, part.segment, learning_rate(u));
    const Moment k(c, u);
    const bool matrix = s.shape.rank >= 2;
    float* v = s.slot[matrix ? 2 : 0];
    Squares sum{0, 0};
    for (Index i = part.begin + t.thread; i < part.end; i += t.threads) {
      const float g = in.gradient(i), w = in.variable(i);
      in.w[i] = w;
      if (!matrix) v[i] = k.keep * v[i] + k.rest * k.square(g);
      sum.weight += static_cast<double>(w) * static_cast<double>(w);
      sum.step += static_cast<double>(g * g / v[i]);
    }
    sum.weight = t.sum(sum.weight);
    sum.step = t.sum(sum.step);
    if (t.thread == 0) squares[b] = sum;
  }
};

struct StepKernel {
  DeviceUpdates u;
  const double* alpha;  // of each segment

  __device__ void operator()(Index b, const Block& t) const {
    if (!updates_now(u)) return;
    const Part part(u, b);
    const DeviceSegment& s = u.device_segments[part.segment];
    const Inputs in(u, part.segment, 0);
    const float* v = s.slot[s.shape.rank >= 2 ? 2 : 0];
    const float a = static_cast<float>(alpha[part.segment]);
    for (Index i = part.begin + t.thread; i < part.end; i += t.threads)
      in.w[i] -= a * in.gradient(i) / sqrtf(v[i]);
  }
};

void update(DeviceStream* s, const DeviceUpdates& updates) {
  const DeviceUpdates u = updates;
  const Config c = u.config<Config>();
  for (int i = 0; i < u.count; ++i)
    if (u.segments[i].shape.rank >= 2) factored(s, u, c, i);
  const Index all = parts(u);
  auto* const squares = reinterpret_cast<Squares*>(partial_sums(s));
  double* const alpha = partial_sums(s) + 2 * all;
  for_blocks(s, all, kThreads, 0, SquaresKernel{u, c, squares});
  for_blocks(s, u.count, kThreads, 0, [=] __device__(Index b, Block t) {
    Squares sum{0, 0};
    for (Index i = t.thread; i < all; i += t.threads)
      if (u.pieces[i / kPieceParts].segment == b) {
        sum.weight += squares[i].weight;
        sum.step += squares[i].step;
      }
    const double n = static_cast<double>(u.device_segments[b].n);
    const double rms = sqrt(t.sum(sum.weight) / n), size = sqrt(t.sum(sum.step) / n) / c.clip_threshold;
    const double lr = learning_rate(u), cap = 1 / sqrt(update_number(u)), rho = lr < cap ? lr : cap;
    if (t.thread == 0) alpha[b] = (rms > c.epsilon_2 ? rms : c.epsilon_2) * rho / (size > 1 ? size : 1);
  });
  for_blocks(s, all, kThreads, 0, StepKernel{u, alpha});
}

}  // namespace

extern const DeviceOptimizerDef optimizer_adafactor;
const DeviceOptimizerDef optimizer_adafactor{"adafactor", plan, update};

}  // namespace pyseq::cuda
