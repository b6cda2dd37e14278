#include "cuda/divide.h"
#include "cuda/rows.h"
#include "cuda/total.h"

namespace pyseq::cuda {
namespace {

constexpr float kLeastSquare = 1e-12f;

struct Config {
  Index size;
  double l1, l2, orthogonal;
  bool columns;
  int unit;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  c.size = x.size();
  c.l1 = p.number("l1", 0);
  c.l2 = p.number("l2", 0);
  c.orthogonal = p.number("orthogonal", 0);
  c.columns = p.text("mode", "rows")[0] == 'c';
  if (c.orthogonal != 0 && x.rank != 1) p.fail("expected an output of rank 2 (with the batch)");
  p.output(x);
  p.in_place();
  // y is x; the output is read so that input 0 need not be kept beside it.
  p.backward_reads_output(0);
  p.adds_loss();
  // Unit vectors and what they become, the inverse of each length, a sum for each vector.
  if (c.orthogonal != 0) c.unit = p.scratch(2 * c.size + 2, 2 * c.size);
}

// Vectors of the batch matrix: `count` vectors of `length` elements, element j of i at i*row + j*col.
struct Vectors {
  Index count, length, row, col;
};
Vectors vectors(const Config& c, Index n) {
  return c.columns ? Vectors{c.size, n, 1, c.size} : Vectors{n, c.size, c.size, 1};
}

__device__ inline float dot(const Vectors& v, const float* x, Index i, Index k) {
  float s = 0;
  for (Index j = 0; j < v.length; ++j) s += x[i * v.row + j * v.col] * x[k * v.row + j * v.col];
  return s;
}

struct Unit {
  float *vectors, *gradients, *inverse, *sums;
};
Unit unit_of(const Run& r, const Config& c, const Vectors& v) {
  float* p = r.scratch(c.unit);
  return {p, p + r.n * c.size, p + 2 * r.n * c.size, p + 2 * r.n * c.size + v.count};
}

void normalize(const Run& r, const Vectors& v, const float* x, const Unit& unit) {
  float *to = unit.vectors, *inverses = unit.inverse;
  for_rows(r.stream, v.count, v.length, [=] __device__(Index i, const Team& team) {
    float square = 0;
    for (Index j = team.lane; j < team.n; j += team.lanes) {
      const float a = x[i * v.row + j * v.col];
      square += a * a;
    }
    square = team.sum(square);
    const float inverse = 1 / sqrtf(square > kLeastSquare ? square : kLeastSquare);
    if (team.leads) inverses[i] = inverse;
    for (Index j = team.lane; j < team.n; j += team.lanes)
      to[i * v.row + j * v.col] = x[i * v.row + j * v.col] * inverse;
  });
}

double pair_scale(const Config& c, const Vectors& v) {
  return v.count < 2 ? 0 : c.orthogonal / static_cast<double>(v.count * (v.count - 1));
}

// unit.sums[i] = sum over k != i of |u_i u_k|
void sum_cosines(const Run& r, const Vectors& v, const Unit& unit) {
  const float* u = unit.vectors;
  float* sums = unit.sums;
  for_blocks(r.stream, v.count, kThreads, 0, [=] __device__(Index i, Block t) {
    float sum = 0;
    for (Index k = t.thread; k < v.count; k += t.threads)
      if (k != i) sum += fabsf(dot(v, u, i, k));
    sum = t.sum(sum);
    if (t.thread == 0) sums[i] = sum;
  });
}

// dx += d loss / dx: with u = x / |x|, du_i = 2 s sum_k sign(u_i u_k) u_k, dx = (du - (du u) u) / |x|
void orthogonal_gradient(const Run& r, const Config& c, const float* y, float* dx) {
  const Vectors v = vectors(c, r.n);
  const Unit unit = unit_of(r, c, v);
  normalize(r, v, y, unit);
  const float scale = static_cast<float>(2 * pair_scale(c, v) / static_cast<double>(r.n));
  const float *u = unit.vectors, *inverses = unit.inverse;
  float* gradients = unit.gradients;
  for_blocks(r.stream, v.count, kThreads, kThreads, [=] __device__(Index i, Block t) {
    for (Index first = 0; first < v.count; first += t.threads) {
      const Index own = first + t.thread;
      const float cosine = own < v.count && own != i ? dot(v, u, i, own) : 0;
      t.shared[t.thread] = cosine > 0 ? scale : cosine < 0 ? -scale : 0;
      t.sync();
      const Index many = v.count - first < t.threads ? v.count - first : t.threads;
      for (Index j = t.thread; j < v.length; j += t.threads) {
        float& to = gradients[i * v.row + j * v.col];
        float sum = first == 0 ? 0 : to;
        for (Index k = 0; k < many; ++k) sum += t.shared[k] * u[(first + k) * v.row + j * v.col];
        to = sum;
      }
      t.sync();
    }
    float along = 0;
    for (Index j = t.thread; j < v.length; j += t.threads)
      along += gradients[i * v.row + j * v.col] * u[i * v.row + j * v.col];
    along = t.sum(along);
    // Below the least length the divisor is constant.
    if (inverses[i] >= 1 / sqrtf(kLeastSquare)) along = 0;
    for (Index j = t.thread; j < v.length; j += t.threads) {
      const Index at = i * v.row + j * v.col;
      dx[at] += (gradients[at] - along * u[at]) * inverses[i];
    }
  });
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const float* x = r.x();
  float* y = r.y();
  double* loss = r.loss;
  const float l1 = static_cast<float>(c.l1), l2 = static_cast<float>(c.l2);
  const double rows = static_cast<double>(r.n);
  total(
      r.stream, r.n * c.size,
      [=] __device__(Index i) -> double {
        const float v = x[i];
        y[i] = v;
        return static_cast<double>(l1 * fabsf(v) + l2 * (v * v));
      },
      [=] __device__(double sum) { *loss = sum / rows; });
  if (c.orthogonal == 0) return;
  const Vectors v = vectors(c, r.n);
  const Unit unit = unit_of(r, c, v);
  normalize(r, v, y, unit);
  sum_cosines(r, v, unit);
  const float* sums = unit.sums;
  const double scale = pair_scale(c, v) / rows;
  total(
      r.stream, v.count, [=] __device__(Index i) -> double { return sums[i]; },
      [=] __device__(double sum) { *loss += scale * sum; });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (!r.dx()) return;
  const float *y = r.y(), *dy = r.dy();
  float* dx = r.dx();
  const float l1 = static_cast<float>(c.l1 / static_cast<double>(r.n));
  const float l2 = static_cast<float>(2 * c.l2 / static_cast<double>(r.n));
  for_each(r.stream, r.n * c.size, [=] __device__(Index i) {
    const float v = y[i], sign = v > 0 ? l1 : v < 0 ? -l1 : 0;
    dx[i] = (dy ? dy[i] : 0) + (sign + l2 * v);
  });
  if (c.orthogonal != 0) orthogonal_gradient(r, c, y, dx);
}

}  // namespace

extern const OpDef op_activity_regularizer;
const OpDef op_activity_regularizer{"activity_regularizer", plan, forward, backward};

}  // namespace pyseq::cuda
