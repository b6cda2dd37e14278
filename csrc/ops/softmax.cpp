// y = exp(x) / sum exp(x), or its logarithm, over adjacent axes    x (N, ...)  y (N, ...)
// Attributes: log; axis (one) or axes (several adjacent ones), of a sample, default -1.
#include "kernels/simd.h"
#include "kernels/vmath.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Index outer, axis, inner;  // of one sample
  bool log;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  Index axes[kMaxRank] = {-1};
  int count = 1;
  if (p.has("axes")) count = p.integers("axes", axes, kMaxRank);
  else axes[0] = p.integer("axis", -1);
  if (count < 1) p.fail("expected at least one axis");
  Index first = kMaxRank, last = -1;
  for (int i = 0; i < count; ++i) {
    const Index a = axes[i] < 0 ? axes[i] + x.rank : axes[i];
    if (a < 0 || a >= x.rank)
      p.fail("expected axes below rank %d, got %lld", x.rank, static_cast<long long>(axes[i]));
    first = a < first ? a : first, last = a > last ? a : last;
  }
  if (last - first + 1 != count) p.fail("expected adjacent axes; permute the input first");
  c.outer = x.size(0, static_cast<int>(first));
  c.axis = x.size(static_cast<int>(first), static_cast<int>(last) + 1);
  c.inner = x.size(static_cast<int>(last) + 1, x.rank);
  c.log = p.flag("log");
  p.output(x);
  p.in_place();
  p.backward_reads_output(0);
  const double work = 12.0 * static_cast<double>(x.size());
  p.flops(work, work);
}

Index grain(const Config& c) {
  const Index g = 8192 / (c.axis * c.inner + 1);
  return g > 1 ? g : 1;
}

void softmax_row(const real* x, real* y, Index n) {
  const V m = splat(vmax(x, n));
  map(x, y, n, [=](V v) { return exp_v(v - m); });
  const V scale = splat(1 / vsum(y, n));
  map(y, y, n, [=](V v) { return v * scale; });
}

void log_softmax_row(const real* x, real* y, Index n) {
  const real top = vmax(x, n);
  const V m = splat(top);
  V sum{};
  Index i = 0;
  for (; i + kLanes <= n; i += kLanes) sum += exp_v(load(x + i) - m);
  if (i < n) {
    const int rest = static_cast<int>(n - i);
    sum += select(lane_numbers() < rest, exp_v(load_partial(x + i, rest) - m), V{});
  }
  const V shift = splat(log_v(splat(horizontal_sum(sum)))[0]);
  map(x, y, n, [=](V v) { return (v - m) - shift; });
}

// kLanes columns at a time, `width` of them real, rows c.inner apart.
void columns(const Config& c, const real* x, real* y, int width) {
  V m = splat(-static_cast<real>(__builtin_inf())), sum{};
  for (Index i = 0; i < c.axis; ++i) m = max_v(load_partial(x + i * c.inner, width), m);
  for (Index i = 0; i < c.axis; ++i) {
    const V e = exp_v(load_partial(x + i * c.inner, width) - m);
    sum += e;
    if (!c.log) store_partial(y + i * c.inner, e, width);
  }
  if (c.log) {
    const V shift = log_v(sum);
    for (Index i = 0; i < c.axis; ++i)
      store_partial(y + i * c.inner, (load_partial(x + i * c.inner, width) - m) - shift, width);
  } else {
    for (Index i = 0; i < c.axis; ++i)
      store_partial(y + i * c.inner, load_partial(y + i * c.inner, width) / sum, width);
  }
}

// kLanes short rows at a time, a lane each: a vector that one of them fills in part would be wasted.
bool short_rows(const Config& c) { return c.inner == 1 && c.axis > 0 && c.axis < kLanes; }

// to (axis, kLanes) = rows (count, axis), and back
void gather_rows(const real* rows, real* to, Index axis, Index count) {
  for (Index l = 0; l < count; ++l)
    for (Index i = 0; i < axis; ++i) to[i * kLanes + l] = rows[l * axis + i];
}
void scatter_rows(const real* from, real* rows, Index axis, Index count) {
  for (Index l = 0; l < count; ++l)
    for (Index i = 0; i < axis; ++i) rows[l * axis + i] = from[i * kLanes + l];
}

template <class F>
void each_short_row(const Run& r, const Config& c, F&& f) {
  const Index rows = r.n * c.outer;
  parallel_for(r.pool, (rows + kLanes - 1) / kLanes, 1 + 512 / c.axis, [&](Index begin, Index end, int) {
    for (Index g = begin; g < end; ++g) {
      const Index first = g * kLanes;
      f(first * c.axis, rows - first < kLanes ? rows - first : static_cast<Index>(kLanes));
    }
  });
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* x = r.x();
  real* y = r.y();
  if (short_rows(c)) {
    Config columns_of = c;
    columns_of.inner = kLanes;
    return each_short_row(r, c, [&](Index at, Index count) {
      real values[kLanes * kLanes] = {};
      gather_rows(x + at, values, c.axis, count);
      columns(columns_of, values, values, kLanes);
      scatter_rows(values, y + at, c.axis, count);
    });
  }
  parallel_for(r.pool, r.n * c.outer, grain(c), [&](Index begin, Index end, int) {
    for (Index o = begin; o < end; ++o) {
      const Index at = o * c.axis * c.inner;
      if (c.inner == 1) {
        if (c.log) log_softmax_row(x + at, y + at, c.axis);
        else softmax_row(x + at, y + at, c.axis);
        continue;
      }
      for (Index j = 0; j < c.inner; j += kLanes) {
        const int width = static_cast<int>(c.inner - j < kLanes ? c.inner - j : kLanes);
        columns(c, x + at + j, y + at + j, width);
      }
    }
  });
}

// softmax: dx = y (dy - sum(y dy));  log: dx = dy - exp(y) sum(dy)
void row_gradient(bool log, const real* y, const real* dy, real* dx, Index n) {
  V sum{};
  Index i = 0;
  for (; i + kLanes <= n; i += kLanes) sum += log ? load(dy + i) : load(y + i) * load(dy + i);
  if (i < n) {
    const int rest = static_cast<int>(n - i);
    const V g = load_partial(dy + i, rest);
    sum += log ? g : load_partial(y + i, rest) * g;
  }
  const V s = splat(horizontal_sum(sum));
  if (log) map2(y, dy, dx, n, [=](V a, V g) { return g - exp_v(a) * s; });
  else map2(y, dy, dx, n, [=](V a, V g) { return a * (g - s); });
}

void column_gradients(const Config& c, const real* y, const real* dy, real* dx, int width) {
  V sum{};
  for (Index i = 0; i < c.axis; ++i) {
    const V g = load_partial(dy + i * c.inner, width);
    sum += c.log ? g : load_partial(y + i * c.inner, width) * g;
  }
  for (Index i = 0; i < c.axis; ++i) {
    const V a = load_partial(y + i * c.inner, width), g = load_partial(dy + i * c.inner, width);
    store_partial(dx + i * c.inner, c.log ? g - exp_v(a) * sum : a * (g - sum), width);
  }
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (!r.dx()) return;
  const real *y = r.y(), *dy = r.dy();
  real* dx = r.dx();
  if (short_rows(c)) {
    Config columns_of = c;
    columns_of.inner = kLanes;
    return each_short_row(r, c, [&](Index at, Index count) {
      real values[kLanes * kLanes] = {}, gradients[kLanes * kLanes] = {};
      gather_rows(y + at, values, c.axis, count);
      gather_rows(dy + at, gradients, c.axis, count);
      column_gradients(columns_of, values, gradients, gradients, kLanes);
      scatter_rows(gradients, dx + at, c.axis, count);
    });
  }
  parallel_for(r.pool, r.n * c.outer, grain(c), [&](Index begin, Index end, int) {
    for (Index o = begin; o < end; ++o) {
      const Index at = o * c.axis * c.inner;
      if (c.inner == 1) {
        row_gradient(c.log, y + at, dy + at, dx + at, c.axis);
        continue;
      }
      for (Index j = 0; j < c.inner; j += kLanes) {
        const int width = static_cast<int>(c.inner - j < kLanes ? c.inner - j : kLanes);
        column_gradients(c, y + at + j, dy + at + j, dx + at + j, width);
      }
    }
  });
}

}  // namespace

extern const OpDef op_softmax;
const OpDef op_softmax{"softmax", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
