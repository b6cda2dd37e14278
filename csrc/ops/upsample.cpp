// y[o] = sum over i of k(u - i) x[i] / sum over i of k(u - i),  u = (o + 1/2) / size - 1/2,
// along H and W (half-pixel centres; i inside x only), k one of
//   bilinear  1 - |t|                          |t| < 1
//   bicubic   Keys, a = -1/2                   |t| < 2
//   lanczosR  sinc(t) sinc(t / R), R = 3 or 5  |t| < R
// nearest: y[o] = x[floor(o / size)] along 1 to 3 axes.   x (N, ..., C)  y (N, ..., C)
// Keys, "Cubic convolution interpolation for digital image processing", 1981.
#include "kernels/simd.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr Index kMaxTaps = 10;

enum Kernel { kNearest, kBilinear, kBicubic, kLanczos };

struct Config {
  Index in[3], size[3], channels;
  Kernel kernel;
  Index radius;
  int tables, middle;

  PYSEQ_INLINE Index out(int i) const { return in[i] * size[i]; }
};

// Row o: first input, then kMaxTaps weights.
constexpr Index kTableRow = kMaxTaps + 1;

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  const int rank = x.rank - 1;
  if (rank < 1 || rank > 3) p.fail("expected an input of 1 to 3 spatial axes, got %d", rank);
  Index size[3];
  if (p.integers("size", size, 3) != rank) p.fail("expected %d numbers in `size`", rank);
  const char* name = p.text("interpolation", "nearest");
  const struct {
    const char* name;
    Kernel kernel;
    Index radius;
  } kernels[] = {{"nearest", kNearest, 0},
                 {"bilinear", kBilinear, 1},
                 {"bicubic", kBicubic, 2},
                 {"lanczos3", kLanczos, 3},
                 {"lanczos5", kLanczos, 5}};
  bool found = false;
  for (const auto& k : kernels)
    if (__builtin_strcmp(name, k.name) == 0) {
      c.kernel = k.kernel;
      c.radius = k.radius;
      found = true;
    }
  if (!found) p.fail("expected a known interpolation, got %s", name);
  if (c.kernel != kNearest && rank != 2) p.fail("expected 2 spatial axes for %s", name);
  Shape y = x;
  for (int i = 0; i < 3; ++i) c.in[i] = c.size[i] = 1;
  for (int i = 0; i < rank; ++i) {
    if (size[i] < 1) p.fail("expected sizes of at least 1");
    c.in[3 - rank + i] = x[i];
    c.size[3 - rank + i] = size[i];
    y[i] *= size[i];
  }
  c.channels = x[-1];
  p.output(y);
  if (c.kernel != kNearest) {
    c.tables = p.scratch(0, (c.out(1) + c.out(2)) * kTableRow);
    c.middle = p.scratch(c.out(1) * c.in[2] * c.channels);
  }
  const double work = static_cast<double>(y.size() * (c.radius * 2 + 1));
  p.flops(work, work);
}

double sinc(double t) {
  constexpr double pi = 3.141592653589793;
  return t == 0 ? 1 : __builtin_sin(pi * t) / (pi * t);
}

double kernel_at(const Config& c, double t) {
  t = __builtin_fabs(t);
  if (t >= static_cast<double>(c.radius)) return 0;
  if (c.kernel == kBilinear) return 1 - t;
  if (c.kernel == kLanczos) return sinc(t) * sinc(t / static_cast<double>(c.radius));
  return t < 1 ? (1.5 * t - 2.5) * t * t + 1 : ((-0.5 * t + 2.5) * t - 4) * t + 2;
}

const real* fill_table(const Config& c, int axis, real* table) {
  for (Index o = 0; o < c.out(axis); ++o) {
    const double u = (static_cast<double>(o) + 0.5) / static_cast<double>(c.size[axis]) - 0.5;
    const Index first = static_cast<Index>(__builtin_floor(u)) - c.radius + 1;
    real* row = table + o * kTableRow;
    double weight[kMaxTaps], sum = 0;
    for (Index t = 0; t < 2 * c.radius; ++t) {
      const Index i = first + t;
      weight[t] = i < 0 || i >= c.in[axis] ? 0 : kernel_at(c, u - static_cast<double>(i));
      sum += weight[t];
    }
    row[0] = static_cast<real>(first);
    for (Index t = 0; t < 2 * c.radius; ++t) row[1 + t] = static_cast<real>(weight[t] / sum);
  }
  return table;
}

struct Tap {
  Index first, begin, end;  // inputs first + [begin, end)
  const real* weight;
};

Tap tap_of(const Config& c, int axis, const real* table, Index o) {
  const real* row = table + o * kTableRow;
  const Index first = static_cast<Index>(row[0]), left = c.in[axis] - first;
  return {first, first < 0 ? -first : 0, left < 2 * c.radius ? left : 2 * c.radius, row + 1};
}

PYSEQ_INLINE void scale_row(real* y, const real* x, real w, Index n, bool first) {
  if (first) map(x, y, n, [&](V v) { return w * v; });
  else map2(y, x, y, n, [&](V a, V v) { return a + w * v; });
}

void zero(real* p, Index n) { __builtin_memset(p, 0, sizeof(real) * static_cast<std::size_t>(n)); }

void interpolate(const Run& r, const Config& c) {
  real* table = r.scratch(c.tables);
  const real* th = fill_table(c, 1, table);
  const real* tw = fill_table(c, 2, table + c.out(1) * kTableRow);
  const Index row = c.in[2] * c.channels, out_row = c.out(2) * c.channels;
  const real* x = r.x();
  real* middle = r.scratch(c.middle);
  real* y = r.y();
  parallel_for(r.pool, r.n * c.out(1), 4, [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      const Tap h = tap_of(c, 1, th, i % c.out(1));
      const real* from = x + (i / c.out(1) * c.in[1] + h.first) * row;
      real* m = middle + i * row;
      for (Index t = h.begin; t < h.end; ++t)
        scale_row(m, from + t * row, h.weight[t], row, t == h.begin);
      for (Index o = 0; o < c.out(2); ++o) {
        const Tap w = tap_of(c, 2, tw, o);
        for (Index t = w.begin; t < w.end; ++t)
          scale_row(y + i * out_row + o * c.channels, m + (w.first + t) * c.channels, w.weight[t],
                    c.channels, t == w.begin);
      }
    }
  });
}

void interpolate_gradient(const Run& r, const Config& c) {
  real* table = r.scratch(c.tables);
  const real* th = fill_table(c, 1, table);
  const real* tw = fill_table(c, 2, table + c.out(1) * kTableRow);
  const Index row = c.in[2] * c.channels, out_row = c.out(2) * c.channels;
  const real* dy = r.dy();
  real* middle = r.scratch(c.middle);
  real* dx = r.dx();
  parallel_for(r.pool, r.n * c.out(1), 4, [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      real* m = middle + i * row;
      zero(m, row);
      for (Index o = 0; o < c.out(2); ++o) {
        const Tap w = tap_of(c, 2, tw, o);
        for (Index t = w.begin; t < w.end; ++t)
          scale_row(m + (w.first + t) * c.channels, dy + i * out_row + o * c.channels, w.weight[t],
                    c.channels, false);
      }
    }
  });
  parallel_for(r.pool, r.n * c.in[1], 4, [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      const Index n = i / c.in[1], k = i % c.in[1];
      zero(dx + i * row, row);
      for (Index o = 0; o < c.out(1); ++o) {
        const Tap h = tap_of(c, 1, th, o);
        const Index t = k - h.first;
        if (t < h.begin || t >= h.end) continue;
        scale_row(dx + i * row, middle + (n * c.out(1) + o) * row, h.weight[t], row, false);
      }
    }
  });
}

// One row of inputs along W at a time; its copies along D and H are rows of the output.
void repeat(const Run& r, const Config& c) {
  const Index ch = c.channels, row = c.in[2] * ch, out_row = c.out(2) * ch;
  const real* x = r.x();
  real* y = r.y();
  parallel_for(r.pool, r.n * c.out(0) * c.out(1), 8192 / out_row + 1, [&](Index b, Index e, int) {
    for (Index i = b; i < e; ++i) {
      const Index h = i % c.out(1), d = i / c.out(1) % c.out(0), n = i / c.out(1) / c.out(0);
      const real* from = x + ((n * c.in[0] + d / c.size[0]) * c.in[1] + h / c.size[1]) * row;
      real* to = y + i * out_row;
      for (Index w = 0; w < c.in[2]; ++w)
        for (Index k = 0; k < c.size[2]; ++k, to += ch)
          for (Index j = 0; j < ch; ++j) to[j] = from[w * ch + j];
    }
  });
}

void repeat_gradient(const Run& r, const Config& c) {
  const Index ch = c.channels, row = c.in[2] * ch, out_row = c.out(2) * ch;
  const real* dy = r.dy();
  real* dx = r.dx();
  parallel_for(r.pool, r.n * c.in[0] * c.in[1], 8192 / row + 1, [&](Index b, Index e, int) {
    for (Index i = b; i < e; ++i) {
      const Index h = i % c.in[1], d = i / c.in[1] % c.in[0], n = i / c.in[1] / c.in[0];
      real* to = dx + i * row;
      zero(to, row);
      for (Index kd = 0; kd < c.size[0]; ++kd)
        for (Index kh = 0; kh < c.size[1]; ++kh) {
          const Index od = d * c.size[0] + kd, oh = h * c.size[1] + kh;
          const real* from = dy + ((n * c.out(0) + od) * c.out(1) + oh) * out_row;
          for (Index w = 0; w < c.in[2]; ++w)
            for (Index k = 0; k < c.size[2]; ++k, from += ch)
              for (Index j = 0; j < ch; ++j) to[w * ch + j] += from[j];
        }
    }
  });
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (c.kernel == kNearest) repeat(r, c);
  else interpolate(r, c);
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (!r.dx()) return;
  if (c.kernel == kNearest) repeat_gradient(r, c);
  else interpolate_gradient(r, c);
}

}  // namespace

extern const OpDef op_upsample;
const OpDef op_upsample{"upsample", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
