// y_i = x_0 + ... + x_i (cumsum) or x_0 ... x_i (cumprod) along one axis    x (N, ...)  y (N, ...)
// Attributes: function; axis; reverse: from the end.
#include "kernels/functions.h"
#include "kernels/simd.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  bool product, reverse;
  Index outer, axis, inner;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  c.product = function_of<int>(p, kScanNames, 2) == 1;
  c.reverse = p.flag("reverse");
  const int axis = p.axis("axis", x.rank);
  c.outer = x.size(0, axis), c.axis = x.dim[axis], c.inner = x.size(axis + 1, x.rank);
  p.output(x);
  p.in_place();
  if (c.product) {
    p.backward_reads_input(0);
    p.backward_reads_output(0);
  }
  const double work = 2.0 * static_cast<double>(x.size());
  p.flops(work, 2 * work);
}

// f(first element, width): columns that are scanned side by side.
template <class F>
PYSEQ_INLINE void for_columns(const Run& r, const Config& c, F&& f) {
  const Index tiles = (c.inner + kLanes - 1) / kLanes;
  const Index work = c.axis * (c.inner < kLanes ? c.inner : kLanes);
  parallel_for(r.pool, r.n * c.outer * tiles, 1 + 8192 / (work + 1), [&](Index b, Index e, int) {
    for (Index i = b; i < e; ++i) {
      const Index j = i % tiles * kLanes;
      f(i / tiles * c.axis * c.inner + j,
        static_cast<int>(c.inner - j < kLanes ? c.inner - j : kLanes));
    }
  });
}

// y = the running sum or product of x, `step` from one element to the next.
PYSEQ_INLINE void scan(const Config& c, bool product, const real* x, real* y, Index step,
                       int width) {
  if (width == 1) {
    real s = product ? 1 : 0;
    for (Index i = 0, at = 0; i < c.axis; ++i, at += step) {
      s = product ? s * x[at] : s + x[at];
      y[at] = s;
    }
    return;
  }
  V s = product ? splat(1) : V{};
  for (Index i = 0, at = 0; i < c.axis; ++i, at += step) {
    const V v = load_partial(x + at, width);
    s = product ? s * v : s + v;
    store_partial(y + at, s, width);
  }
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* x = r.x();
  real* y = r.y();
  const Index start = c.reverse ? (c.axis - 1) * c.inner : 0;
  for_columns(r, c, [&](Index at, int width) {
    scan(c, c.product, x + at + start, y + at + start, c.reverse ? -c.inner : c.inner, width);
  });
}

// cumprod: dx_i = y_{i-1} s_i with s_i = dy_i + x_{i+1} s_{i+1}: right where elements are 0, too.
void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (!r.dx()) return;
  const real *x = r.x(), *y = r.y(), *dy = r.dy();
  real* dx = r.dx();
  const Index step = c.reverse ? -c.inner : c.inner, end = c.reverse ? 0 : (c.axis - 1) * c.inner;
  for_columns(r, c, [&](Index first, int width) {
    const Index at = first + end;
    if (!c.product) return scan(c, false, dy + at, dx + at, -step, width);
    V s{};
    for (Index i = 0, j = at; i < c.axis; ++i, j -= step) {
      s += load_partial(dy + j, width);
      const V before = i + 1 < c.axis ? load_partial(y + j - step, width) : splat(1);
      const V v = load_partial(x + j, width);
      store_partial(dx + j, before * s, width);
      s *= v;
    }
  });
}

}  // namespace

extern const OpDef op_scan;
const OpDef op_scan{"scan", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
