// y = a * sigmoid(b), (a, b) = the halves of x along an axis    x (N, ..., 2C, ...)  y (N, ..., C,
// ...)
#include "kernels/simd.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Index outer, half;  // half = C x what follows it
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  Shape y = p.input(0);
  const int at = p.axis("axis", y.rank, -1);
  if (y[at] % 2)
    p.fail("expected an even size along the axis, got %lld", static_cast<long long>(y[at]));
  c.outer = y.size(0, at);
  y[at] /= 2;
  c.half = y.size(at, y.rank);
  p.output(y);
  p.backward_reads_input(0);
  const double work = 12.0 * static_cast<double>(y.size());
  p.flops(work, work);
}

Index grain(const Config& c) {
  const Index g = 8192 / (c.half + 1);
  return g > 1 ? g : 1;
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* x = r.x();
  real* y = r.y();
  parallel_for(r.pool, r.n * c.outer, grain(c), [&](Index begin, Index end, int) {
    for (Index o = begin; o < end; ++o) {
      const real* a = x + 2 * o * c.half;
      map2(a, a + c.half, y + o * c.half, c.half, [](V u, V v) { return u * sigmoid_v(v); });
    }
  });
}

// da = dy s(b);  db = dy a s(b) (1 - s(b))
void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (!r.dx()) return;
  const real *x = r.x(), *dy = r.dy();
  real* dx = r.dx();
  parallel_for(r.pool, r.n * c.outer, grain(c), [&](Index begin, Index end, int) {
    for (Index o = begin; o < end; ++o) {
      const real *a = x + 2 * o * c.half, *b = a + c.half, *g = dy + o * c.half;
      real *da = dx + 2 * o * c.half, *db = da + c.half;
      for (Index j = 0; j < c.half; j += kLanes) {
        const int width = static_cast<int>(c.half - j < kLanes ? c.half - j : kLanes);
        const V u = load_partial(g + j, width), s = sigmoid_v(load_partial(b + j, width));
        store_partial(da + j, u * s, width);
        store_partial(db + j, u * load_partial(a + j, width) * (s * (1 - s)), width);
      }
    }
  });
}

}  // namespace

extern const OpDef op_glu;
const OpDef op_glu{"glu", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
