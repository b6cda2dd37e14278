// y[.., c m + j] = act(sum over taps t of x[.. + t, c] w[t, c, j] + b[c m + j])
#include "cuda/conv.h"
#include "cuda/divide.h"
#include "cuda/vector.h"

namespace pyseq::cuda {
namespace {

struct Config {
  ConvShape shape;  // channels: C; filters: C m
  Activation act;
  Index multiplier;
  bool bias, keep_z;
  int dz, parts;  // scratch
};

constexpr int kTaps = 3;  // neighbouring taps along W that one pass over the pixels sums up

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0), w = p.param(0);
  Shape kernel = w;
  kernel[-2] = 1;
  c.shape = conv_shape_from(p, x, kernel);
  c.multiplier = w[-1];
  c.shape.filters = x[-1] * c.multiplier;
  c.act = activation_from(p);
  c.bias = p.params() > 1;
  Shape y;
  for (int i = 4 - x.rank; i < 3; ++i) y.push(c.shape.axis[i].out);
  y.push(c.shape.filters);
  p.output(y);
  c.keep_z = p.training() && !activation_backward_uses_y(c.act);
  if (!p.training()) return;
  p.backward_reads_input(0);
  if (c.keep_z) p.keep(y.size());
  else if (c.act.kind != kLinear) p.backward_reads_output(0);
  if (c.act.kind != kLinear) c.dz = p.scratch(y.size());
  c.parts = p.scratch(0, column_scratch<Sums<kTaps>>());
}

// Splits the number of a pixel of (N, D, H, W).
struct Grid {
  Divider d, h, w;
  Grid(Index d_, Index h_, Index w_) : d(d_), h(h_), w(w_) {}
  __device__ void split(Index i, Index& n, int& at_d, int& at_h, int& at_w) const {
    const Index row = w.quotient(i), plane = h.quotient(row);
    n = d.quotient(plane);
    at_w = static_cast<int>(i - row * w.d);
    at_h = static_cast<int>(row - plane * h.d);
    at_d = static_cast<int>(plane - n * d.d);
  }
};

// Taps [begin, end) of output o that lie inside.
struct Taps {
  int begin, end;
  __device__ Taps(const PassAxis& a, int o) {
    const int at = o * a.stride + a.first;
    begin = at < 0 ? (-at + a.step - 1) / a.step : 0;
    const int left = a.in - at;
    end = left > 0 ? (left + a.step - 1) / a.step : 0;
    if (end > a.taps) end = a.taps;
  }
};

template <int kWidth>
__device__ inline void read(const float* p, float (&v)[kWidth]) {
  if constexpr (kWidth == 4) {
    const Four f = *reinterpret_cast<const Four*>(p);
    for (int k = 0; k < 4; ++k) v[k] = f.v[k];
  } else {
    v[0] = *p;
  }
}

// One thread: one pixel, kWidth neighbouring channels of the result. `x` has C m channels divided by
// `share` (an output channel reads channel c / share); gradients sum over the m channels of w and dy.
template <bool kBack, int kWidth>
struct Kernel {
  ConvShape s;
  Grid grid;
  Divider groups, share;  // of kWidth channels of the result; multiplier
  const float *x, *w, *bias;
  float* y;
  bool relu;

  __device__ void operator()(Index i) const {
    const Index pixel = groups.quotient(i);
    const int c = static_cast<int>(i - pixel * groups.d) * kWidth;
    Index n;
    int at[3];
    grid.split(pixel, n, at[0], at[1], at[2]);
    PassAxis a[3];
    for (int k = 0; k < 3; ++k) {
      if (kBack) {
        const int stride = static_cast<int>(s.axis[k].stride), o = at[k] / stride;
        a[k] = gradient_axis(s.axis[k], at[k] - o * stride);
        at[k] = o;
      } else {
        a[k] = forward_axis(s.axis[k]);
      }
    }
    const int filters = static_cast<int>(s.filters), m = static_cast<int>(share.d);
    const int source_c = kBack ? filters : static_cast<int>(s.channels);
    const int first = kBack ? c * m : static_cast<int>(share.quotient(c));
    const Taps td(a[0], at[0]), th(a[1], at[1]), tw(a[2], at[2]);
    float sum[kWidth];
    for (int k = 0; k < kWidth; ++k) sum[k] = bias ? bias[c + k] : 0.0f;
    for (int d = td.begin; d < td.end; ++d)
      for (int h = th.begin; h < th.end; ++h) {
        const Index id = at[0] * a[0].stride + a[0].first + d * a[0].step;
        const Index ih = at[1] * a[1].stride + a[1].first + h * a[1].step;
        const Index row = (n * a[0].in + id) * a[1].in + ih;
        const int line = static_cast<int>((a[0].w_first + d * a[0].w_step) * s.axis[1].kernel + a[1].w_first +
                                          h * a[1].w_step) *
                         static_cast<int>(s.axis[2].kernel);
        for (int k = tw.begin; k < tw.end; ++k) {
          const int iw = at[2] * a[2].stride + a[2].first + k * a[2].step;
          const float* from = x + (row * a[2].in + iw) * source_c + first;
          const float* weight =
              w + static_cast<Index>(line + a[2].w_first + k * a[2].w_step) * filters + c * (kBack ? m : 1);
          for (int j = 0; j < (kBack ? m : 1); ++j) {
            float u[kWidth], v[kWidth];
            read(from + j, u);
            read(weight + j, v);
            for (int q = 0; q < kWidth; ++q) sum[q] += u[q] * v[q];
          }
        }
      }
    float* const to = y + i * kWidth;
    if (relu)
      for (int k = 0; k < kWidth; ++k) sum[k] = sum[k] <= 0 ? 0.0f : sum[k];
    if constexpr (kWidth == 4) {
      Four f;
      for (int k = 0; k < 4; ++k) f.v[k] = sum[k];
      *reinterpret_cast<Four*>(to) = f;
    } else {
      *to = sum[0];
    }
  }
};

template <bool kBack>
void run(DeviceStream* stream, const Config& c, Index n, const float* x, const float* w, const float* bias,
         float* y, bool relu) {
  const ConvShape& s = c.shape;
  const auto size = [&](int k) { return kBack ? s.axis[k].in : s.axis[k].out; };
  const Grid grid(size(0), size(1), size(2));
  const Index channels = kBack ? s.channels : s.filters, pixels = n * size(0) * size(1) * size(2);
  const Divider share(c.multiplier);
  if (c.multiplier == 1 && channels % 4 == 0)
    for_each(stream, pixels * channels / 4,
             Kernel<kBack, 4>{s, grid, Divider(channels / 4), share, x, w, bias, y, relu});
  else
    for_each(stream, pixels * channels,
             Kernel<kBack, 1>{s, grid, Divider(channels), share, x, w, bias, y, relu});
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const bool relu = !c.keep_z && is_plain_relu(c.act);
  float* const y = r.y();
  float* const z = c.keep_z ? static_cast<float*>(r.kept()) : y;
  run<false>(r.stream, c, r.n, r.x(), r.param(0), c.bias ? r.param(1) : Pointer{nullptr}, z, relu);
  if (relu || (c.act.kind == kLinear && !c.keep_z)) return;
  const Activation act = c.act;
  for_each(r.stream, r.n * c.shape.out_pixels() * c.shape.filters,
           [=] __device__(Index i) { y[i] = activate(act, z[i]); });
}

void weight_gradient(const Run& r, const Config& c, const float* dy, float* dw) {
  const ConvShape s = c.shape;
  const Grid grid(s.axis[0].out, s.axis[1].out, s.axis[2].out);
  const Index cols = s.filters, rows = r.n * s.out_pixels();
  const Index per_line = (s.axis[2].kernel + kTaps - 1) / kTaps;
  const Divider all_rows(rows), share(c.multiplier), line_of(per_line), kernel_h(s.axis[1].kernel);
  const float* const x = r.x();
  reduce_columns<Sums<kTaps>>(
      r.stream, s.axis[0].kernel * s.axis[1].kernel * per_line, rows, cols, r.scratch(c.parts),
      [=] __device__(Sums<kTaps> & state, Index row, Index j) {
        const Index segment = all_rows.quotient(row), pixel = row - segment * rows;
        const Index line = line_of.quotient(segment), td = kernel_h.quotient(line);
        const Index first = (segment - line * line_of.d) * kTaps;
        Index n;
        int d, h, w;
        grid.split(pixel, n, d, h, w);
        const Index id = d * s.axis[0].stride - s.axis[0].pad + td * s.axis[0].dilation;
        const Index ih = h * s.axis[1].stride - s.axis[1].pad + (line - td * kernel_h.d) * s.axis[1].dilation;
        if (id < 0 || id >= s.axis[0].in || ih < 0 || ih >= s.axis[1].in) return;
        const float g = dy[pixel * cols + j];
        const float* const from =
            x + ((n * s.axis[0].in + id) * s.axis[1].in + ih) * s.axis[2].in * s.channels + share.quotient(j);
        for (int k = 0; k < kTaps; ++k) {
          const Index iw = w * s.axis[2].stride - s.axis[2].pad + (first + k) * s.axis[2].dilation;
          if (first + k < s.axis[2].kernel && iw >= 0 && iw < s.axis[2].in)
            state.v[k] += g * from[iw * s.channels];
        }
      },
      [=] __device__(Index segment, Index j, const Sums<kTaps>& state) {
        const Index line = line_of.quotient(segment), first = (segment - line * line_of.d) * kTaps;
        for (int k = 0; k < kTaps; ++k)
          if (first + k < s.axis[2].kernel) dw[(line * s.axis[2].kernel + first + k) * cols + j] = state.v[k];
      });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index pixels = r.n * c.shape.out_pixels();
  const float* dz = r.dy();
  if (c.act.kind != kLinear) {
    float* const to = r.scratch(c.dz);
    before_activation(r.stream, c.act, c.keep_z ? r.kept() : r.y(), dz, pixels * c.shape.filters, to);
    dz = to;
  }
  if (c.bias && r.dparam(1)) sum_rows(r.stream, dz, pixels, c.shape.filters, r.dparam(1), r.scratch(c.parts));
  if (r.dparam(0)) weight_gradient(r, c, dz, r.dparam(0));
  if (r.dx()) run<true>(r.stream, c, r.n, dz, r.param(0), nullptr, r.dx(), false);
}

}  // namespace

extern const OpDef op_depthwise_conv;
const OpDef op_depthwise_conv{"depthwise_conv", plan, forward, backward};

}  // namespace pyseq::cuda
