// y = (x - center) scale + offset, all three constant    x (N, ...)  y (N, ...)
// Variables center, scale, offset: p elements each that repeat with period p in a sample. Not
// trained.
#include "core/op.h"
#include "kernels/columns.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Index size, period, wide;
  int wide_values;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  c.size = x.size();
  c.period = p.param(0, "a variable", 0).size();
  if (c.size % c.period)
    p.fail("expected variables of a size that divides %lld, got %lld", static_cast<long long>(c.size),
           static_cast<long long>(c.period));
  for (int i = 1; i < 3; ++i) p.param(i, c.period, "a variable");
  c.wide = c.period * rows_together(c.period);
  p.output(x);
  p.in_place();
  c.wide_values = p.scratch(0, 3 * c.wide);
  p.flops(3.0 * static_cast<double>(c.size), static_cast<double>(c.size));
}

// y = (x - center) scale + offset, or y = x scale for gradients.
void run(const Run& r, const real* x, real* y, bool shifts) {
  const Config& c = r.config<Config>();
  real* const center = r.scratch(c.wide_values);
  real *const scale = center + c.wide, *const offset = scale + c.wide;
  const real *centers = r.param(0), *scales = r.param(1), *offsets = r.param(2);
  for (Index j = 0; j < c.wide; ++j) {
    center[j] = shifts ? centers[j % c.period] : 0;
    scale[j] = scales[j % c.period];
    offset[j] = shifts ? offsets[j % c.period] : 0;
  }
  const Index count = r.n * c.size, blocks = (count + c.wide - 1) / c.wide;
  parallel_for(r.pool, blocks, 1 + 16384 / (c.wide + 1), [&](Index begin, Index end, int) {
    for (Index b = begin; b < end; ++b) {
      const Index first = b * c.wide, n = count - first < c.wide ? count - first : c.wide;
      for_lanes(n, [&](Index j, auto l) {
        const V d = l.get(x + first + j) - l.get(center + j);
        l.put(y + first + j, d * l.get(scale + j) + l.get(offset + j));
      });
    }
  });
}

void forward(const Run& r) noexcept { run(r, r.x(), r.y(), true); }
void backward(const Run& r) noexcept {
  if (r.dx()) run(r, r.dy(), r.dx(), false);
}

}  // namespace

extern const OpDef op_affine;
const OpDef op_affine{"affine", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
