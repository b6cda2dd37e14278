// y[o] = sum over i of k((u - i) / s) x[i] / sum over i of k((u - i) / s),
// u = (o + 1/2) in / out - 1/2, along H and W (half-pixel centres; i inside x only), k one of
//   bilinear  1 - |t|                          |t| < 1
//   bicubic   Keys, a = -1/2                   |t| < 2
//   lanczosR  sinc(t) sinc(t / R), R = 3 or 5  |t| < R
// s = max(in / out, 1) with antialias, else 1. nearest: y[o] = x[floor((o + 1/2) in / out)].
//     x (N, H, W, C)  y (N, H', W', C)
// Keys, "Cubic convolution interpolation for digital image processing", 1981.
#include "kernels/simd.h"

namespace pyseq::PYSEQ_NS {
namespace {

enum Kernel { kNearest, kBilinear, kBicubic, kLanczos };

struct Axis {
  Index in, out, taps;
  double radius, stretch;
};

struct Config {
  Axis h, w;
  Index channels;
  Kernel kernel;
  int tables, middle;
};

void plan_axis(const Config& c, bool antialias, Index in, Index out, double radius, Axis& a) {
  a = {in, out, 1, radius, 1};
  if (c.kernel == kNearest) return;
  if (antialias && in > out) a.stretch = static_cast<double>(in) / static_cast<double>(out);
  a.taps = static_cast<Index>(__builtin_ceil(2 * radius * a.stretch));
}

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0, 3, 3);
  const char* name = p.text("interpolation", "bilinear");
  const struct {
    const char* name;
    Kernel kernel;
    double radius;
  } kernels[] = {{"nearest", kNearest, 0},
                 {"bilinear", kBilinear, 1},
                 {"bicubic", kBicubic, 2},
                 {"lanczos3", kLanczos, 3},
                 {"lanczos5", kLanczos, 5}};
  double radius = -1;
  for (const auto& k : kernels)
    if (__builtin_strcmp(name, k.name) == 0) {
      c.kernel = k.kernel;
      radius = k.radius;
    }
  if (radius < 0) p.fail("expected a known interpolation, got %s", name);
  const Index height = p.integer("height", at_least(1)), width = p.integer("width", at_least(1));
  plan_axis(c, p.flag("antialias"), x[0], height, radius, c.h);
  plan_axis(c, p.flag("antialias"), x[1], width, radius, c.w);
  c.channels = x[2];
  Shape y = x;
  y[0] = height;
  y[1] = width;
  p.output(y);
  const Index middle = p.product(height, x[1], c.channels);
  c.tables = p.scratch(0, p.product(height, c.h.taps + 1) + p.product(width, c.w.taps + 1));
  c.middle = p.scratch(middle);
  const double work = static_cast<double>(y.size()) * static_cast<double>(c.w.taps) +
                      static_cast<double>(middle) * static_cast<double>(c.h.taps);
  p.flops(2 * work, 2 * work);
}

double sinc(double t) {
  constexpr double pi = 3.141592653589793;
  return t == 0 ? 1 : __builtin_sin(pi * t) / (pi * t);
}

double kernel_at(const Config& c, double radius, double t) {
  t = __builtin_fabs(t);
  if (t >= radius) return 0;
  if (c.kernel == kBilinear) return 1 - t;
  if (c.kernel == kLanczos) return sinc(t) * sinc(t / radius);
  return t < 1 ? (1.5 * t - 2.5) * t * t + 1 : ((-0.5 * t + 2.5) * t - 4) * t + 2;
}

// Row o: the first input, then the weight of each tap.
const real* fill_table(const Config& c, const Axis& a, real* table) {
  for (Index o = 0; o < a.out; ++o) {
    const double u =
        (static_cast<double>(o) + 0.5) * static_cast<double>(a.in) / static_cast<double>(a.out);
    real* row = table + o * (a.taps + 1);
    if (c.kernel == kNearest) {
      row[0] = static_cast<real>(__builtin_floor(u));
      row[1] = 1;
      continue;
    }
    const Index first = static_cast<Index>(__builtin_floor(u - 0.5 - a.radius * a.stretch)) + 1;
    double sum = 0;
    for (int pass = 0; pass < 2; ++pass)
      for (Index t = 0; t < a.taps; ++t) {
        const Index i = first + t;
        const double distance = (u - 0.5 - static_cast<double>(i)) / a.stretch;
        const double weight = i < 0 || i >= a.in ? 0 : kernel_at(c, a.radius, distance);
        if (pass == 0) sum += weight;
        else row[1 + t] = static_cast<real>(weight / sum);
      }
    row[0] = static_cast<real>(first);
  }
  return table;
}

struct Tap {
  Index first, begin, end;  // inputs first + [begin, end)
  const real* weight;
};

Tap tap_of(const Axis& a, const real* table, Index o) {
  const real* row = table + o * (a.taps + 1);
  const Index first = static_cast<Index>(row[0]), left = a.in - first;
  return {first, first < 0 ? -first : 0, left < a.taps ? left : a.taps, row + 1};
}

PYSEQ_INLINE void scale_row(real* y, const real* x, real w, Index n, bool first) {
  if (first) map(x, y, n, [&](V v) { return w * v; });
  else map2(y, x, y, n, [&](V a, V v) { return a + w * v; });
}

void zero(real* p, Index n) { __builtin_memset(p, 0, sizeof(real) * static_cast<std::size_t>(n)); }

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  real* table = r.scratch(c.tables);
  const real* th = fill_table(c, c.h, table);
  const real* tw = fill_table(c, c.w, table + c.h.out * (c.h.taps + 1));
  const Index row = c.w.in * c.channels, out_row = c.w.out * c.channels;
  const real* x = r.x();
  real *middle = r.scratch(c.middle), *y = r.y();
  parallel_for(r.pool, r.n * c.h.out, 4, [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      const Tap h = tap_of(c.h, th, i % c.h.out);
      const real* from = x + (i / c.h.out * c.h.in + h.first) * row;
      real* m = middle + i * row;
      for (Index t = h.begin; t < h.end; ++t)
        scale_row(m, from + t * row, h.weight[t], row, t == h.begin);
      for (Index o = 0; o < c.w.out; ++o) {
        const Tap w = tap_of(c.w, tw, o);
        for (Index t = w.begin; t < w.end; ++t)
          scale_row(y + i * out_row + o * c.channels, m + (w.first + t) * c.channels, w.weight[t],
                    c.channels, t == w.begin);
      }
    }
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (!r.dx()) return;
  real* table = r.scratch(c.tables);
  const real* th = fill_table(c, c.h, table);
  const real* tw = fill_table(c, c.w, table + c.h.out * (c.h.taps + 1));
  const Index row = c.w.in * c.channels, out_row = c.w.out * c.channels;
  const real* dy = r.dy();
  real *middle = r.scratch(c.middle), *dx = r.dx();
  parallel_for(r.pool, r.n * c.h.out, 4, [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      real* m = middle + i * row;
      zero(m, row);
      for (Index o = 0; o < c.w.out; ++o) {
        const Tap w = tap_of(c.w, tw, o);
        for (Index t = w.begin; t < w.end; ++t)
          scale_row(m + (w.first + t) * c.channels, dy + i * out_row + o * c.channels, w.weight[t],
                    c.channels, false);
      }
    }
  });
  parallel_for(r.pool, r.n * c.h.in, 4, [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      const Index n = i / c.h.in, k = i % c.h.in;
      zero(dx + i * row, row);
      for (Index o = 0; o < c.h.out; ++o) {
        const Tap h = tap_of(c.h, th, o);
        const Index t = k - h.first;
        if (t < h.begin || t >= h.end) continue;
        scale_row(dx + i * row, middle + (n * c.h.out + o) * row, h.weight[t], row, false);
      }
    }
  });
}

}  // namespace

extern const OpDef op_resize;
const OpDef op_resize{"resize", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
