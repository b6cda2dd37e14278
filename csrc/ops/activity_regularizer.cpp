// y = x; loss += (l1 sum|x| + l2 sum x^2) / N    x (N, ...)  y (N, ...)
// orthogonal: loss += factor / (K (K - 1)) sum over i != j of |cos(x_i, x_j)| / N, where x_i are
// the K rows (or columns) of the batch as a matrix; Keras's OrthogonalRegularizer.
#include "core/op.h"
#include "kernels/columns.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr double kLeastSquare = 1e-12;

struct Config {
  Index size;
  double l1, l2, orthogonal;
  bool columns;
  int parts, unit;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  c.size = x.size();
  c.l1 = p.number("l1", 0);
  c.l2 = p.number("l2", 0);
  c.orthogonal = p.number("orthogonal", 0);
  c.columns = p.text("mode", "rows")[0] == 'c';
  if (c.orthogonal != 0 && x.rank != 1)
    p.fail("expected an output of rank 2 (with the batch) for an orthogonal regularizer, got %d",
           x.rank + 1);
  p.output(x);
  p.in_place();
  // y is x; the output is read so that input 0 need not be kept beside it.
  p.backward_reads_output(0);
  p.adds_loss();
  // One sum for each chunk of 8192 elements.
  c.parts = p.scratch((c.size + 8191) / 8192, 2);
  if (c.orthogonal != 0) c.unit = p.scratch(2 * c.size + 1, c.size);
  p.flops(3.0 * static_cast<double>(c.size), 3.0 * static_cast<double>(c.size));
}

// Vectors of the batch matrix: `count` vectors of `length` elements, element j of i at i*row +
// j*col.
struct Vectors {
  Index count, length, row, col;
};
PYSEQ_INLINE Vectors vectors(const Config& c, Index n) {
  return c.columns ? Vectors{c.size, n, 1, c.size} : Vectors{n, c.size, c.size, 1};
}
PYSEQ_INLINE double dot(const Vectors& v, const real* x, Index i, Index k) {
  double s = 0;
  for (Index j = 0; j < v.length; ++j)
    s += static_cast<double>(x[i * v.row + j * v.col]) *
         static_cast<double>(x[k * v.row + j * v.col]);
  return s;
}
// Unit vectors, and the inverse of each length behind them.
void normalize(const Vectors& v, const real* x, real* unit, real* inverse) {
  for (Index i = 0; i < v.count; ++i) {
    const double square = dot(v, x, i, i);
    inverse[i] =
        static_cast<real>(1 / __builtin_sqrt(square > kLeastSquare ? square : kLeastSquare));
    for (Index j = 0; j < v.length; ++j)
      unit[i * v.row + j * v.col] = x[i * v.row + j * v.col] * inverse[i];
  }
}
PYSEQ_INLINE double pair_scale(const Config& c, const Vectors& v) {
  return v.count < 2 ? 0 : c.orthogonal / static_cast<double>(v.count * (v.count - 1));
}

double orthogonal_loss(const Run& r, const Config& c, const real* y) {
  const Vectors v = vectors(c, r.n);
  real* unit = r.scratch(c.unit);
  normalize(v, y, unit, unit + r.n * c.size);
  double sum = 0;
  for (Index i = 0; i < v.count; ++i)
    for (Index k = 0; k < i; ++k) {
      const double cosine = dot(v, unit, i, k);
      sum += 2 * (cosine < 0 ? -cosine : cosine);
    }
  return sum * pair_scale(c, v);
}

// dx += d loss / dx: with u = x / |x|, du_i = 2 s sum_k sign(u_i u_k) u_k, dx = (du - (du u) u) /
// |x|
void orthogonal_gradient(const Run& r, const Config& c, const real* y, real* dx) {
  const Vectors v = vectors(c, r.n);
  real* const unit = r.scratch(c.unit);
  real* const inverse = unit + r.n * c.size;
  normalize(v, y, unit, inverse);
  const double scale = 2 * pair_scale(c, v) / static_cast<double>(r.n);
  real* const du = inverse + (c.columns ? c.size : r.n);
  for (Index i = 0; i < v.count; ++i) {
    for (Index j = 0; j < v.length; ++j) du[j] = 0;
    for (Index k = 0; k < v.count; ++k) {
      if (k == i) continue;
      const double cosine = dot(v, unit, i, k);
      const real s = static_cast<real>(cosine > 0 ? scale : cosine < 0 ? -scale : 0);
      for (Index j = 0; j < v.length; ++j) du[j] += s * unit[k * v.row + j * v.col];
    }
    double along = 0;
    for (Index j = 0; j < v.length; ++j)
      along += static_cast<double>(du[j]) * static_cast<double>(unit[i * v.row + j * v.col]);
    // Below the least length the divisor is constant.
    if (static_cast<double>(inverse[i]) >= 1 / __builtin_sqrt(kLeastSquare)) along = 0;
    for (Index j = 0; j < v.length; ++j) {
      const Index at = i * v.row + j * v.col;
      dx[at] += (du[j] - static_cast<real>(along) * unit[at]) * inverse[i];
    }
  }
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* x = r.x();
  real *y = r.y(), *parts = r.scratch(c.parts);
  const Index count = r.n * c.size, chunks = (count + 8191) / 8192;
  parallel_for(r.pool, chunks, 1, [&](Index begin, Index end, int) {
    for (Index k = begin; k < end; ++k) {
      const real* in = x + k * 8192;
      real* out = y + k * 8192;
      const Index n = count - k * 8192 < 8192 ? count - k * 8192 : 8192;
      V absolute{}, square{};
      for_lanes(n, [&](Index j, auto l) {
        const V v = l.get(in + j);
        absolute += abs_v(v);
        square += v * v;
        l.put(out + j, v);
      });
      parts[k] = static_cast<real>(c.l1) * horizontal_sum(absolute) +
                 static_cast<real>(c.l2) * horizontal_sum(square);
    }
  });
  double sum = 0;
  for (Index k = 0; k < chunks; ++k) sum += static_cast<double>(parts[k]);
  if (c.orthogonal != 0) sum += orthogonal_loss(r, c, y);
  *r.loss = sum / static_cast<double>(r.n);
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real *y = r.y(), *dy = r.dy();
  real* dx = r.dx();
  if (!dx) return;
  const real l1 = static_cast<real>(c.l1 / static_cast<double>(r.n));
  const real l2 = static_cast<real>(2 * c.l2 / static_cast<double>(r.n));
  parallel_for(r.pool, r.n * c.size, 16384, [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      const real v = y[i], sign = v > 0 ? l1 : v < 0 ? -l1 : 0;
      dx[i] = (dy ? dy[i] : 0) + (sign + l2 * v);
    }
  });
  if (c.orthogonal != 0) orthogonal_gradient(r, c, y, dx);
}

}  // namespace

extern const OpDef op_activity_regularizer;
const OpDef op_activity_regularizer{"activity_regularizer", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
