#include "cuda/columns.h"
#include "cuda/divide.h"
#include "cuda/rows.h"

namespace pyseq::cuda {
namespace {

constexpr double kLeastSquare = 1e-12;

struct Config {
  Index size, m, c, iterations;
  int v, product, state, sums;
};

// In scratch: sigma, and whether the kernel is anything but zeros.
enum { kSigma, kActive, kState };

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0), kernel = p.param(0);
  if (kernel.rank < 1) p.fail("expected a kernel of rank 1 or more, got 0");
  c.size = x.size();
  c.c = kernel[-1];
  c.m = c.c ? kernel.size() / c.c : 0;
  c.iterations = p.integer("power_iterations");
  if (c.iterations < 1) p.fail("expected at least one power iteration");
  if (p.params() != 2 || p.param(1).size() != c.c)
    p.fail("expected a vector_u of %lld elements", static_cast<long long>(c.c));
  p.output(x);
  p.in_place();
  p.writes_param(0);
  p.writes_param(1);
  c.v = p.scratch(0, 2 * c.m);
  c.product = p.scratch(0, c.c);
  c.state = p.scratch(0, kState);
  c.sums = p.scratch(0, column_scratch<Sums<1>>());
}

// v = W u with rows of zeros marked behind it, then product = W^T v.
void multiply(const Run& r, const Config& c) {
  const Index m = c.m, n = c.c;
  const float *w = r.param(0), *u = r.param(1);
  float *v = r.scratch(c.v), *product = r.scratch(c.product);
  for_rows(r.stream, m, n, [=] __device__(Index row, const Team& team) {
    float sum = 0, any = 0;
    for (Index j = team.lane; j < team.n; j += team.lanes) {
      const float a = w[row * n + j];
      sum += a * u[j];
      if (a != 0) any = 1;
    }
    sum = team.sum(sum);
    any = team.max(any);
    if (team.leads) v[row] = sum, v[m + row] = any;
  });
  reduce_columns<Sums<1>>(
      r.stream, 1, m, n, r.scratch(c.sums),
      [=] __device__(Sums<1> & sum, Index i, Index j) { sum.v[0] += v[i] * w[i * n + j]; },
      [=] __device__(Index, Index j, const Sums<1>& sum) { product[j] = sum.v[0]; });
}

// u = W^T v / |W^T v|, sigma = |W^T v| / |v|: v is normalized here, where its length is known.
void normalize(const Run& r, const Config& c) {
  const Index m = c.m, n = c.c;
  const float *v = r.scratch(c.v), *product = r.scratch(c.product);
  float *u = r.param(1), *state = r.scratch(c.state);
  for_blocks(r.stream, 1, kThreads, 0, [=] __device__(Index, Block t) {
    double square = 0;
    float any = 0;
    for (Index i = t.thread; i < m; i += t.threads) {
      square += static_cast<double>(v[i]) * static_cast<double>(v[i]);
      any = fmaxf(any, v[m + i]);
    }
    square = t.sum(square);
    any = t.max(any);
    const double scale = 1 / sqrt(square > kLeastSquare ? square : kLeastSquare);
    square = 0;
    for (Index j = t.thread; j < n; j += t.threads) {
      const double s = static_cast<double>(product[j]) * scale;
      square += s * s;
    }
    square = t.sum(square);
    const double inverse = 1 / sqrt(square > kLeastSquare ? square : kLeastSquare);
    if (t.thread == 0) state[kSigma] = static_cast<float>(sqrt(square)), state[kActive] = any;
    if (any == 0) return;
    for (Index j = t.thread; j < n; j += t.threads)
      u[j] = static_cast<float>(static_cast<double>(product[j]) * scale * inverse);
  });
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  copy_floats(r.stream, r.y(), r.x(), r.n * c.size);
  if (!r.training) return;
  for (Index k = 0; k < c.iterations; ++k) {
    multiply(r, c);
    normalize(r, c);
  }
  const float* state = r.scratch(c.state);
  float* w = r.param(0);
  for_each(r.stream, c.m * c.c, [=] __device__(Index i) {
    if (state[kActive] != 0) w[i] *= 1 / state[kSigma];
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (r.dx()) copy_floats(r.stream, r.dx(), r.dy(), r.n * c.size);
  // The layer's own op gives the kernel its gradient; this op adds nothing to it.
  if (r.dparam(0)) zero_floats(r.stream, r.dparam(0), c.m * c.c);
  if (r.dparam(1)) zero_floats(r.stream, r.dparam(1), c.c);
}

}  // namespace

extern const OpDef op_spectral_norm;
const OpDef op_spectral_norm{"spectral_norm", plan, forward, backward};

}  // namespace pyseq::cuda
