// y = the point of the simplex nearest to x along an axis: max(x - tau, 0) with sum y = 1
// (Martins and Astudillo, "From softmax to sparsemax", ICML 2016)    x (N, ...)  y (N, ...)
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Index outer, axis, inner;  // of one sample
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  const int at = p.axis("axis", x.rank, -1);
  c.outer = x.size(0, at), c.axis = x[at], c.inner = x.size(at + 1, x.rank);
  p.output(x);
  p.in_place();
  p.backward_reads_output(0);
  const double work = 20.0 * static_cast<double>(x.size());
  p.flops(work, 4.0 * static_cast<double>(x.size()));
}

// Michelot's iteration: tau of the current support, from which elements only ever leave. Ends after
// a handful of passes, without sorting.
real find_threshold(const real* x, Index n, Index step) {
  real top = x[0];
  for (Index i = 1; i < n; ++i) top = x[i * step] > top ? x[i * step] : top;
  // tau lies in [top - 1, top): nothing below takes part, and differences to top lose no digits.
  real tau = -1;
  Index support = 0;
  for (;;) {
    real sum = 0;
    Index count = 0;
    for (Index i = 0; i < n; ++i) {
      const real v = x[i * step] - top;
      if (v > tau) sum += v, ++count;
    }
    // NaN and infinite inputs have no support.
    if (count == 0) return top - top + static_cast<real>(__builtin_nan(""));
    if (count == support) return tau + top;
    support = count;
    tau = (sum - 1) / static_cast<real>(count);
  }
}

Index grain(const Config& c) {
  const Index g = 4096 / c.axis;
  return g > 1 ? g : 1;
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* x = r.x();
  real* y = r.y();
  parallel_for(r.pool, r.n * c.outer * c.inner, grain(c), [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      const Index at = i / c.inner * c.axis * c.inner + i % c.inner;
      const real tau = find_threshold(x + at, c.axis, c.inner);
      for (Index j = 0; j < c.axis; ++j) {
        const real v = x[at + j * c.inner] - tau;
        y[at + j * c.inner] = v <= 0 ? 0 : v;
      }
    }
  });
}

// dx = dy - mean of dy over the support, on the support; 0 elsewhere.
void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (!r.dx()) return;
  const real *y = r.y(), *dy = r.dy();
  real* dx = r.dx();
  parallel_for(r.pool, r.n * c.outer * c.inner, grain(c), [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      const Index at = i / c.inner * c.axis * c.inner + i % c.inner;
      real sum = 0, count = 0;
      for (Index j = 0; j < c.axis; ++j) {
        const bool inside = y[at + j * c.inner] != 0;
        sum += inside ? dy[at + j * c.inner] : real(0);
        count += inside;
      }
      const real mean = sum / count;
      for (Index j = 0; j < c.axis; ++j) {
        const Index k = at + j * c.inner;
        dx[k] = y[k] != 0 ? dy[k] - mean : 0;
      }
    }
  });
}

}  // namespace

extern const OpDef op_sparsemax;
const OpDef op_sparsemax{"sparsemax", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
