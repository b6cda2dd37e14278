#include "cuda/divide.h"

namespace pyseq::cuda {
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
  const Shape x = p.input(0);
  if (x.rank != 3) p.fail("expected an input (height, width, channels), got %d axes", x.rank);
  const char* name = p.text("interpolation", "bilinear");
  double radius = 0;
  if (name[0] == 'n') c.kernel = kNearest;
  else if (name[0] == 'l') c.kernel = kLanczos, radius = name[7] == '3' ? 3 : 5;
  else if (name[2] == 'c') c.kernel = kBicubic, radius = 2;
  else c.kernel = kBilinear, radius = 1;
  const Index height = p.integer("height"), width = p.integer("width");
  if (height < 1 || width < 1) p.fail("expected a height and a width of at least 1");
  plan_axis(c, p.flag("antialias"), x[0], height, radius, c.h);
  plan_axis(c, p.flag("antialias"), x[1], width, radius, c.w);
  c.channels = x[2];
  Shape y = x;
  y[0] = height;
  y[1] = width;
  p.output(y);
  c.tables = p.scratch(0, height * (c.h.taps + 1) + width * (c.w.taps + 1));
  if (c.kernel != kNearest || p.training()) c.middle = p.scratch(height * x[1] * c.channels);
}

__device__ inline double sinc(double t) {
  constexpr double pi = 3.141592653589793;
  return t == 0 ? 1 : sin(pi * t) / (pi * t);
}

__device__ inline double kernel_at(Kernel kernel, double radius, double t) {
  t = fabs(t);
  if (t >= radius) return 0;
  if (kernel == kBilinear) return 1 - t;
  if (kernel == kLanczos) return sinc(t) * sinc(t / radius);
  return t < 1 ? (1.5 * t - 2.5) * t * t + 1 : ((-0.5 * t + 2.5) * t - 4) * t + 2;
}

// Row o: the first input, then the weight of each tap, 0 outside of the input.
__device__ inline void fill_row(Kernel kernel, const Axis& a, Index o, float* row) {
  const double u = (static_cast<double>(o) + 0.5) * static_cast<double>(a.in) / static_cast<double>(a.out);
  if (kernel == kNearest) {
    row[0] = static_cast<float>(floor(u));
    row[1] = 1;
    return;
  }
  const Index first = static_cast<Index>(floor(u - 0.5 - a.radius * a.stretch)) + 1;
  row[0] = static_cast<float>(first);
  double sum = 0;
  for (int pass = 0; pass < 2; ++pass)
    for (Index t = 0; t < a.taps; ++t) {
      const Index i = first + t;
      const double distance = (u - 0.5 - static_cast<double>(i)) / a.stretch;
      const double weight = i < 0 || i >= a.in ? 0 : kernel_at(kernel, a.radius, distance);
      if (pass == 0) sum += weight;
      else row[1 + t] = static_cast<float>(weight / sum);
    }
}

struct Tables {
  const float *h, *w;
};

Tables fill_tables(const Run& r, const Config& c) {
  float* const h = r.scratch(c.tables);
  float* const w = h + c.h.out * (c.h.taps + 1);
  const Axis height = c.h, width = c.w;
  const Kernel kernel = c.kernel;
  for_each(r.stream, height.out + width.out, [=] __device__(Index i) {
    if (i < height.out) fill_row(kernel, height, i, h + i * (height.taps + 1));
    else fill_row(kernel, width, i - height.out, w + (i - height.out) * (width.taps + 1));
  });
  return {h, w};
}

// One axis of (outer, in, inner), to (outer, out, inner).
void resample(DeviceStream* s, const Axis& axis, const float* table, Index outer, Index inner, const float* x,
              float* y) {
  const Axis a = axis;
  const Divider by_inner(inner), by_out(a.out);
  for_each(s, outer * a.out * inner, [=] __device__(Index i) {
    const Index line = by_inner.quotient(i), j = i - line * inner;
    const Index sample = by_out.quotient(line);
    const float* row = table + (line - sample * a.out) * (a.taps + 1);
    const Index first = static_cast<Index>(row[0]);
    const Index begin = first < 0 ? -first : 0, end = a.in - first < a.taps ? a.in - first : a.taps;
    const float* from = x + (sample * a.in + first) * inner + j;
    float sum = 0;
    for (Index t = begin; t < end; ++t) sum += row[1 + t] * from[t * inner];
    y[i] = sum;
  });
}

// The transposed map: each input looks for the outputs that took it.
void resample_back(DeviceStream* s, const Axis& axis, const float* table, Index outer, Index inner, const float* dy,
                   float* dx) {
  const Axis a = axis;
  const Divider by_inner(inner), by_in(a.in);
  const double ratio = static_cast<double>(a.out) / static_cast<double>(a.in);
  const double reach = a.radius * a.stretch + 1;
  for_each(s, outer * a.in * inner, [=] __device__(Index i) {
    const Index line = by_inner.quotient(i), j = i - line * inner;
    const Index sample = by_in.quotient(line), k = line - sample * a.in;
    // Outputs whose centre is near enough, with one to spare for rounding.
    const double centre = static_cast<double>(k) + 0.5;
    Index o = static_cast<Index>(floor((centre - reach) * ratio - 0.5)) - 1;
    Index last = static_cast<Index>(ceil((centre + reach) * ratio - 0.5)) + 1;
    o = o < 0 ? 0 : o;
    last = last < a.out - 1 ? last : a.out - 1;
    float sum = 0;
    for (; o <= last; ++o) {
      const float* row = table + o * (a.taps + 1);
      const Index t = k - static_cast<Index>(row[0]);
      if (t >= 0 && t < a.taps) sum += row[1 + t] * dy[(sample * a.out + o) * inner + j];
    }
    dx[i] = sum;
  });
}

void copy_nearest(const Run& r, const Config& c, const Tables& t, const float* x, float* y) {
  const Index in_h = c.h.in, in_w = c.w.in;
  const Divider channels(c.channels), out_w(c.w.out), out_h(c.h.out);
  for_each(r.stream, r.n * c.h.out * c.w.out * c.channels, [=] __device__(Index i) {
    const Index pixel = channels.quotient(i), line = out_w.quotient(pixel), sample = out_h.quotient(line);
    const Index h = static_cast<Index>(t.h[2 * (line - sample * out_h.d)]);
    const Index w = static_cast<Index>(t.w[2 * (pixel - line * out_w.d)]);
    y[i] = x[((sample * in_h + h) * in_w + w) * channels.d + (i - pixel * channels.d)];
  });
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Tables t = fill_tables(r, c);
  if (c.kernel == kNearest) return copy_nearest(r, c, t, r.x(), r.y());
  float* middle = r.scratch(c.middle);
  resample(r.stream, c.h, t.h, r.n, c.w.in * c.channels, r.x(), middle);
  resample(r.stream, c.w, t.w, r.n * c.h.out, c.channels, middle, r.y());
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (!r.dx()) return;
  const Tables t = fill_tables(r, c);
  float* middle = r.scratch(c.middle);
  resample_back(r.stream, c.w, t.w, r.n * c.h.out, c.channels, r.dy(), middle);
  resample_back(r.stream, c.h, t.h, r.n, c.w.in * c.channels, middle, r.dx());
}

}  // namespace

extern const OpDef op_resize;
const OpDef op_resize{"resize", plan, forward, backward};

}  // namespace pyseq::cuda
