// y[.., c m + j] = act(sum over taps t of x[.. + t, c] w[t, c, j] + b[c m + j])
// x (N, ..., C)  w (k..., C, m)  b (C m)  y (N, ..., C m)
// For m > 1 each input channel is repeated m times first, which leaves one filter a channel.
#include "kernels/depthwise.h"
#include "kernels/folded_norm.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  ConvShape shape;  // of the repeated channels
  Activation act;
  Index multiplier;
  int kept, wide, dz, shared, worker;  // buffers; -1 where there is none
  int packed;                          // with a norm: its scale, its shift, scaled weights
  bool bias;
  FoldedNorm norm;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0), w = p.param(0);
  Shape kernel = w;
  kernel[-2] = 1;
  c.shape = conv_shape_from(p, x, kernel);
  if (w[-2] != x[-1])
    p.fail("expected a kernel for %d channels, got %d", static_cast<int>(x[-1]),
           static_cast<int>(w[-2]));
  c.multiplier = w[-1];
  if (c.multiplier < 1) p.fail("expected a depth multiplier of at least 1");
  c.shape.channels = c.shape.filters = x[-1] * c.multiplier;
  c.act = activation_from(p);
  c.bias = p.flag("norm") ? p.flag("use_bias") : p.params() > 1;
  c.norm = folded_norm_from(p, 1 + c.bias, c.shape.channels);
  c.packed = c.norm.present ? p.pack((2 + c.shape.taps()) * c.shape.channels) : -1;
  if (c.bias && p.param(1).size() != c.shape.channels)
    p.fail("expected one bias for each output channel");
  Shape y;
  for (int i = 4 - x.rank; i < 3; ++i) y.push(c.shape.axis[i].out);
  y.push(c.shape.channels);
  p.output(y);
  c.kept = c.wide = c.dz = c.shared = c.worker = -1;
  if (c.multiplier > 1) c.wide = p.scratch(x.size() * c.multiplier);
  if (p.training()) {
    p.backward_reads_input(0);
    if (c.act.kind != kLinear) {
      if (activation_backward_uses_y(c.act)) p.backward_reads_output(0);
      else c.kept = p.keep(y.size());
      c.dz = p.scratch(y.size());
    }
    ConvScratch s = conv_bias_gradient_scratch(c.shape.channels);
    s.cover({depthwise_weight_gradient_scratch(c.shape), 0});
    c.shared = p.scratch(0, s.fixed);
    c.worker = p.scratch(0, 0, s.per_worker);
  }
  const double work = 2.0 * static_cast<double>(c.shape.taps() * y.size());
  p.flops(work, 2 * work);
}

const real* widen(const Run& r, const Config& c) {
  const real* x = r.x();
  if (c.multiplier == 1) return x;
  real* wide = r.scratch(c.wide);
  const Index m = c.multiplier, count = r.n * c.shape.in_pixels() * (c.shape.channels / m);
  parallel_for(r.pool, count, 8192, [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i)
      for (Index k = 0; k < m; ++k) wide[i * m + k] = x[i];
  });
  return wide;
}

void pack(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index channels = c.shape.channels;
  real *scale = r.packed(c.packed), *shift = scale + channels, *to = shift + channels;
  fold_norm(r, c.norm, c.bias ? static_cast<const real*>(r.param(1)) : nullptr, scale, shift);
  const real* w = r.param(0);
  for (Index t = 0; t < c.shape.taps(); ++t)
    for (Index j = 0; j < channels; ++j) to[t * channels + j] = w[t * channels + j] * scale[j];
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const bool keep = c.kept >= 0 && r.kept_;
  const real *w = r.param(0), *bias = c.bias ? static_cast<const real*>(r.param(1)) : nullptr;
  if (c.norm.present) {
    bias = static_cast<const real*>(r.packed(c.packed)) + c.shape.channels;
    w = bias + c.shape.channels;
  }
  const ConvTarget y{r.y(), keep ? static_cast<real*>(r.kept(c.kept)) : nullptr, bias, &c.act};
  depthwise_forward(c.shape, r.n, widen(r, c), w, y, r.pool);
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index channels = c.shape.channels, pixels = r.n * c.shape.out_pixels();
  const real* dz = r.dy();
  if (c.act.kind != kLinear) {
    real* out = r.scratch(c.dz);
    const real* v = c.kept >= 0 ? r.kept(c.kept) : r.y();
    parallel_for(r.pool, pixels * channels, 16384, [&](Index begin, Index end, int) {
      activation_backward(c.act, v + begin, dz + begin, out + begin, end - begin);
    });
    dz = out;
  }
  real* shared = r.scratch(c.shared);
  if (c.bias && r.dparam(1)) {
    const ConvWork work{r.pool, shared, r.scratch(c.worker),
                        r.worker_stride_[c.worker] / static_cast<Index>(sizeof(real))};
    conv_bias_gradient({dz, nullptr, nullptr}, pixels, channels, r.dparam(1), work);
  }
  if (r.dparam(0))
    depthwise_weight_gradient(c.shape, r.n, widen(r, c), dz, r.dparam(0), shared, r.pool);
  if (!r.dx()) return;
  real* dx = r.dx();
  if (c.multiplier == 1) {
    depthwise_data_gradient(c.shape, r.n, dz, r.param(0), dx, r.pool);
    return;
  }
  real* wide = r.scratch(c.wide);
  depthwise_data_gradient(c.shape, r.n, dz, r.param(0), wide, r.pool);
  const Index m = c.multiplier, count = r.n * c.shape.in_pixels() * (channels / m);
  parallel_for(r.pool, count, 8192, [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      real sum = 0;
      for (Index k = 0; k < m; ++k) sum += wide[i * m + k];
      dx[i] = sum;
    }
  });
}

}  // namespace

extern const OpDef op_depthwise_conv;
const OpDef op_depthwise_conv{"depthwise_conv", plan, forward, backward, pack};

}  // namespace pyseq::PYSEQ_NS
