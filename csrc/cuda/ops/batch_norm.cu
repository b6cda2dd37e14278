#include "cuda/columns.h"
#include "cuda/divide.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Index outer;  // rows of a sample
  Divider c;    // channels
  double epsilon, momentum, renorm_momentum, rmin, rmax, dmax;
  int gamma, beta, moving;  // number of the variable, -1 for none
  bool batch, masked, by_element, renorm, keeps;
  int sums, coefficients;
};

// Offsets into the kept buffer, in channels: what backward needs of the forward pass. kCount: rows that
// went into the statistics.
enum { kMean, kInv, kR, kD, kCount, kKept };

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  if (x.rank < 1) p.fail("expected an input with a channel dimension, got none");
  c.c = Divider(x[-1]);
  c.outer = x.size(0, x.rank - 1);
  c.masked = p.inputs() > 1;
  if (c.masked) {
    const Index size = p.input(1).size();
    c.by_element = c.c.d > 1 && size == c.outer * c.c.d;
    if (size != c.outer && !c.by_element) p.fail("expected a mask for each row or element");
  }
  c.epsilon = p.number("epsilon");
  c.momentum = p.number("momentum", 0.99);
  c.batch = p.flag("batch_statistics");
  c.renorm = p.flag("renorm");
  c.renorm_momentum = p.number("renorm_momentum", 0.99);
  const double infinite = __builtin_inf();
  c.rmin = p.number("rmin", -infinite);
  c.rmax = p.number("rmax", infinite);
  c.dmax = p.number("dmax", infinite);
  int next = 0;
  c.gamma = p.flag("scale", true) ? next++ : -1;
  c.beta = p.flag("center", true) ? next++ : -1;
  c.moving = next;
  next += c.renorm && c.batch ? 5 : 2;
  if (p.params() != next) p.fail("expected %d variables, got %d", next, p.params());
  for (int i = 0; i < next; ++i)
    if (p.param(i).size() != c.c.d)
      p.fail("expected variables of %lld elements", static_cast<long long>(c.c.d));
  if (c.batch)
    for (int i = c.moving; i < next; ++i) p.writes_param(i);
  p.output(x);
  p.backward_reads_input(0);
  if (c.masked) p.backward_reads_input(1);
  c.keeps = p.training();
  if (!c.keeps) return;
  p.keep(0, kKept * c.c.d);
  c.sums = p.scratch(0, column_scratch<Moments>());
  c.coefficients = p.scratch(0, 4 * c.c.d);
}

// What one channel needs, in device memory.
struct Channel {
  const float *gamma, *beta;
  float *moving_mean, *moving_variance, *moving_stddev, *renorm_mean, *renorm_stddev;
  float *kept, *coefficients;
};

Channel channel(const Run& r, const Config& c) {
  Channel v{};
  v.gamma = c.gamma < 0 ? nullptr : static_cast<const float*>(r.param(c.gamma));
  v.beta = c.beta < 0 ? nullptr : static_cast<const float*>(r.param(c.beta));
  v.moving_mean = r.param(c.moving);
  v.moving_variance = r.param(c.moving + 1);
  if (c.renorm && c.batch) {
    v.moving_stddev = r.param(c.moving + 2);
    v.renorm_mean = r.param(c.moving + 3);
    v.renorm_stddev = r.param(c.moving + 4);
  }
  if (c.keeps) {
    v.kept = r.kept();
    v.coefficients = r.scratch(c.coefficients);
  }
  return v;
}

__device__ inline double move(float* v, double value, double momentum) {
  const double moved = static_cast<double>(*v) * momentum + value * (1 - momentum);
  *v = static_cast<float>(moved);
  return moved;
}

// y = (x - mean) scale + offset: coefficients of channel j, from what was kept.
__device__ inline void write_coefficients(const Channel& v, Index c, Index j) {
  const float gamma = v.gamma ? v.gamma[j] : 1;
  v.coefficients[j] = v.kept[kMean * c + j];
  v.coefficients[c + j] = v.kept[kInv * c + j] * v.kept[kR * c + j] * gamma;
  v.coefficients[2 * c + j] = v.kept[kD * c + j] * gamma + (v.beta ? v.beta[j] : 0);
}

// From the moments of one channel to what the moving statistics become and what forward uses.
__device__ inline void take_statistics(const Config& c, const Channel& v, Index j, double mean,
                                       double variance, float count) {
  const double s = sqrt(variance + c.epsilon);
  double correction = 1, shift = 0;
  move(v.moving_mean + j, mean, c.momentum);
  if (c.renorm) {
    const double least = sqrt(c.epsilon), known = static_cast<double>(v.renorm_stddev[j]);
    const double divisor = known > least ? known : least;
    correction = s / divisor;
    shift = (mean - static_cast<double>(v.renorm_mean[j])) / divisor;
    correction = correction < c.rmin ? c.rmin : correction > c.rmax ? c.rmax : correction;
    shift = shift < -c.dmax ? -c.dmax : shift > c.dmax ? c.dmax : shift;
    move(v.renorm_mean + j, mean, c.renorm_momentum);
    move(v.renorm_stddev + j, s, c.renorm_momentum);
    const double moved = move(v.moving_stddev + j, s, c.momentum);
    const double squared = moved * moved - c.epsilon;
    v.moving_variance[j] = static_cast<float>(squared > 0 ? squared : 0);
  } else {
    move(v.moving_variance + j, variance, c.momentum);
  }
  const Index n = c.c.d;
  v.kept[kMean * n + j] = static_cast<float>(mean);
  v.kept[kInv * n + j] = static_cast<float>(1 / s);
  v.kept[kR * n + j] = static_cast<float>(correction);
  v.kept[kD * n + j] = static_cast<float>(shift);
  v.kept[kCount * n + j] = count;
  write_coefficients(v, n, j);
}

void batch_statistics(const Run& r, const Config& config, const Channel& v) {
  const Config c = config;
  const Index channels = c.c.d;
  const float* x = r.x();
  const float* mask = c.masked ? static_cast<const float*>(r.x(1)) : nullptr;
  const bool by_element = c.by_element;
  reduce_columns<Moments>(
      r.stream, 1, r.n * c.outer, channels, r.scratch(c.sums),
      [=] __device__(Moments & m, Index i, Index j) {
        const Index at = i * channels + j;
        if (!mask || mask[by_element ? at : i] != 0) m.add(x[at]);
      },
      [=] __device__(Index, Index j, const Moments& m) {
        const double variance = m.count > 0 ? static_cast<double>(m.squares()) / m.count : 0;
        take_statistics(c, v, j, static_cast<double>(m.mean()), variance, m.count);
      });
}

void moving_statistics(const Run& r, const Config& c, const Channel& v) {
  const Index n = c.c.d;
  const double epsilon = c.epsilon;
  for_each(r.stream, n, [=] __device__(Index j) {
    v.kept[kMean * n + j] = v.moving_mean[j];
    v.kept[kInv * n + j] = static_cast<float>(1 / sqrt(static_cast<double>(v.moving_variance[j]) + epsilon));
    v.kept[kR * n + j] = 1;
    v.kept[kD * n + j] = 0;
    v.kept[kCount * n + j] = 0;
    write_coefficients(v, n, j);
  });
}

void infer(const Run& r, const Config& c, const Channel& v) {
  const Divider channels = c.c;
  const float epsilon = static_cast<float>(c.epsilon), *x = r.x();
  float* y = r.y();
  for_each(r.stream, r.n * c.outer * channels.d, [=] __device__(Index i) {
    const Index j = i - channels.quotient(i) * channels.d;
    const float inv = 1 / sqrtf(v.moving_variance[j] + epsilon);
    y[i] = (x[i] - v.moving_mean[j]) * (v.gamma ? inv * v.gamma[j] : inv) + (v.beta ? v.beta[j] : 0);
  });
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Channel v = channel(r, c);
  if (!c.keeps) return infer(r, c, v);
  if (c.batch && r.training) batch_statistics(r, c, v);
  else moving_statistics(r, c, v);
  const Divider channels = c.c;
  const Index n = channels.d;
  const float *x = r.x(), *mean = v.coefficients, *scale = mean + n, *offset = scale + n;
  float* y = r.y();
  for_each(r.stream, r.n * c.outer * n, [=] __device__(Index i) {
    const Index j = i - channels.quotient(i) * n;
    y[i] = (x[i] - mean[j]) * scale[j] + offset[j];
  });
}

// dgamma, dbeta, and a, b, e of dx = a dy + w (b (x - mean) + e), w = 0 where a mask says so.
void gradients(const Run& r, const Config& c, const Channel& v) {
  const Index n = c.c.d;
  const float *x = r.x(), *dy = r.dy();
  float* dgamma = c.gamma < 0 ? nullptr : static_cast<float*>(r.dparam(c.gamma));
  float* dbeta = c.beta < 0 ? nullptr : static_cast<float*>(r.dparam(c.beta));
  reduce_columns<Sums<2>>(
      r.stream, 1, r.n * c.outer, n, r.scratch(c.sums),
      [=] __device__(Sums<2> & sum, Index i, Index j) {
        const float g = dy[i * n + j];
        sum.v[0] += g;
        sum.v[1] += g * (x[i * n + j] - v.kept[kMean * n + j]);
      },
      [=] __device__(Index, Index j, const Sums<2>& sum) {
        const float inv = v.kept[kInv * n + j], count = v.kept[kCount * n + j];
        const float total = sum.v[0], moment = sum.v[1], scale = v.kept[kR * n + j] * inv;
        if (dgamma) dgamma[j] = scale * moment + v.kept[kD * n + j] * total;
        if (dbeta) dbeta[j] = total;
        const float a = scale * (v.gamma ? v.gamma[j] : 1);
        v.coefficients[n + j] = a;
        v.coefficients[2 * n + j] = count > 0 ? -a * inv * inv * moment / count : 0;
        v.coefficients[3 * n + j] = count > 0 ? -a * total / count : 0;
      });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Channel v = channel(r, c);
  const Divider channels = c.c;
  const Index n = channels.d, rows = r.n * c.outer;
  const bool by_element = c.by_element;
  if (c.masked && r.dx(1)) zero_floats(r.stream, r.dx(1), by_element ? rows * n : rows);
  gradients(r, c, v);
  if (!r.dx()) return;
  const float *x = r.x(), *dy = r.dy();
  const float* mask = c.masked ? static_cast<const float*>(r.x(1)) : nullptr;
  const float *mean = v.kept + kMean * n, *a = v.coefficients + n, *b = a + n, *e = b + n;
  float* dx = r.dx();
  for_each(r.stream, rows * n, [=] __device__(Index i) {
    const Index row = channels.quotient(i), j = i - row * n;
    const float g = a[j] * dy[i];
    const float w = !mask ? 1 : by_element ? mask[i] : mask[row] != 0 ? 1.0f : 0.0f;
    dx[i] = w == 0 ? g : g + w * (b[j] * (x[i] - mean[j]) + e[j]);
  });
}

}  // namespace

extern const OpDef op_batch_norm;
const OpDef op_batch_norm{"batch_norm", plan, forward, backward};

}  // namespace pyseq::cuda
