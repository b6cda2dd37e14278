// y = x; while training, kernel /= sigma: its largest singular value by power iteration, started
// from u    x (N, ...)  kernel (..., C) as (M, C)  u (1, C)  y (N, ...)
// Miyato et al., "Spectral Normalization for Generative Adversarial Networks", 2018. The gradient
// of the kernel is that of the normalized one.
#include "core/op.h"
#include "kernels/columns.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr double kLeastSquare = 1e-12;

struct Config {
  Index size, m, c, iterations;
  int v, sum;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0), kernel = p.param(0, "a kernel", 1);
  c.size = x.size();
  c.c = kernel[-1];
  c.m = kernel.size() / c.c;
  c.iterations = p.integer("power_iterations", between(0, 1000));
  p.param(1, c.c, "vector_u");
  p.output(x);
  p.in_place();
  p.writes_param(0);
  p.writes_param(1);
  c.v = p.scratch(0, c.m);
  c.sum = p.scratch(0, c.c);
  const double iterations = 4.0 * static_cast<double>(c.iterations) * static_cast<double>(kernel.size());
  p.flops(static_cast<double>(c.size) + iterations, static_cast<double>(c.size));
}

// Divides v by its length; returns the length it had.
double normalize(real* v, Index n) {
  double square = 0;
  for (Index i = 0; i < n; ++i) square += static_cast<double>(v[i]) * static_cast<double>(v[i]);
  const double scale = 1 / __builtin_sqrt(square > kLeastSquare ? square : kLeastSquare);
  for (Index i = 0; i < n; ++i) v[i] = static_cast<real>(static_cast<double>(v[i]) * scale);
  return __builtin_sqrt(square);
}

// v = W u
void times(const Config& c, const real* w, const real* u, real* v) {
  for (Index i = 0; i < c.m; ++i) {
    V sum{};
    for_lanes(c.c, [&](Index j, auto l) { sum += l.get(w + i * c.c + j) * l.get(u + j); });
    v[i] = horizontal_sum(sum);
  }
}
// u = W^T v
void transposed_times(const Config& c, const real* w, const real* v, real* u) {
  for (Index j = 0; j < c.c; ++j) u[j] = 0;
  for (Index i = 0; i < c.m; ++i) {
    const V s = splat(v[i]);
    for_lanes(c.c,
              [&](Index j, auto l) { l.put(u + j, l.get(u + j) + s * l.get(w + i * c.c + j)); });
  }
}

void normalize_kernel(const Run& r, const Config& c) {
  real *w = r.param(0), *u = r.param(1), *v = r.scratch(c.v), *sum = r.scratch(c.sum);
  bool zero = true;
  for (Index i = 0; zero && i < c.m * c.c; ++i) zero = w[i] == 0;
  if (zero) return;
  double sigma = 0;
  for (Index k = 0; k < c.iterations; ++k) {
    times(c, w, u, v);
    normalize(v, c.m);
    transposed_times(c, w, v, sum);
    // v W u^T with the new u = v W / |v W| is the length of v W.
    for (Index j = 0; j < c.c; ++j) u[j] = sum[j];
    sigma = normalize(u, c.c);
  }
  const real scale = static_cast<real>(1 / sigma);
  for (Index i = 0; i < c.m * c.c; ++i) w[i] *= scale;
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* x = r.x();
  real* y = r.y();
  if (x != y) __builtin_memcpy(y, x, static_cast<std::size_t>(r.n * c.size) * sizeof(real));
  if (r.training) normalize_kernel(r, c);
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* dy = r.dy();
  real* dx = r.dx();
  if (dx && dx != dy)
    __builtin_memcpy(dx, dy, static_cast<std::size_t>(r.n * c.size) * sizeof(real));
  // The layer's own op gives the kernel its gradient; this op adds nothing to it.
  for (int i = 0; i < 2; ++i)
    if (real* dw = r.dparam(i); dw)
      __builtin_memset(dw, 0, static_cast<std::size_t>(i ? c.c : c.m * c.c) * sizeof(real));
}

}  // namespace

extern const OpDef op_spectral_norm;
const OpDef op_spectral_norm{"spectral_norm", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
