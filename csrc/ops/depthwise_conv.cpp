// y[.., c m + j] = act(sum over taps t of x[.. + t, c] w[t, c, j] + b[c m + j])
// x (N, ..., C)  w (k..., C, m)  b (C m)  y (N, ..., C m)
// For m > 1 each input channel is repeated m times first, which leaves one filter a channel.
// With `pointwise` (inference only, m = 1) a 1 x 1 convolution follows, y' = act'(y w' + b'): y is
// computed in pieces that stay in the caches.
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
  // The 1 x 1 convolution: scratch of a worker, packed weights, packed scale and shift.
  bool pointwise, last_bias;
  int last_kernel, piece, last_packed, last_shift;
  Index filters, piece_reals, fixed_reals;
  Activation last_act;
  FoldedNorm last_norm;
};

constexpr Index kPieceReals = 8192;  // of the depthwise result at a time
constexpr Index kPiecePixels = 28;   // but at least so many

// A 1 x 1 convolution of rows of pixels.
ConvShape pointwise_shape(const Config& c, Index pixels) {
  ConvShape s;
  s.axis[2].in = s.axis[2].out = pixels;
  s.channels = c.shape.channels, s.filters = c.filters;
  return s;
}

Index piece_pixels(const Config& c) {
  const Index wanted = kPieceReals / c.shape.channels;
  const Index pixels = wanted > kPiecePixels ? wanted : kPiecePixels;
  const Index group = depthwise_rows(c.shape, 1).pixels;
  return pixels > group ? pixels / group * group : group;
}

// Variables from `first` on: w' [b'] [norm]. The shape of the output's channels changes.
void plan_pointwise(Plan& p, Config& c, int first, Shape& y) {
  if (p.training() || c.multiplier != 1) p.fail("expected `pointwise` at inference, for m = 1");
  const Shape w = p.param(first, "a pointwise kernel", 3);
  if (w[-2] != c.shape.channels || w.size() != w[-2] * w[-1])
    p.fail("expected a 1 x 1 kernel for %d channels", static_cast<int>(c.shape.channels));
  c.pointwise = true, c.last_kernel = first, c.filters = w[-1];
  c.last_bias = p.flag("pointwise_use_bias");
  if (c.last_bias) p.param(first + 1, c.filters, "a pointwise bias");
  c.last_act = activation_from(p, "pointwise_activation", "pointwise_activation_args");
  c.last_norm = folded_norm_from(p, first + 1 + c.last_bias, c.filters,
                                 {"pointwise_norm", "pointwise_norm_scale", "pointwise_norm_center",
                                  "pointwise_norm_epsilon"});
  const ConvShape s = pointwise_shape(c, piece_pixels(c));
  const ConvScratch scratch = conv_forward_scratch(s, true);
  c.piece_reals = piece_pixels(c) * c.shape.channels, c.fixed_reals = scratch.fixed;
  c.piece = p.scratch(0, 0, c.piece_reals + scratch.fixed + scratch.per_worker);
  c.last_packed = p.pack(conv_packing(s, false).size);
  c.last_shift = c.last_norm.present ? p.pack(2 * c.filters) : -1;
  y[-1] = c.filters;
}

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0, 2), w = p.param(0, "a kernel", x.rank + 1, x.rank + 1);
  Shape kernel = w;
  kernel[-2] = 1;
  c.shape = conv_shape_from(p, x, kernel);
  if (w[-2] != x[-1])
    p.fail("expected a kernel for %d channels, got %d", static_cast<int>(x[-1]),
           static_cast<int>(w[-2]));
  c.multiplier = w[-1];
  c.shape.channels = c.shape.filters = x[-1] * c.multiplier;
  c.act = activation_from(p);
  const bool pointwise = p.flag("pointwise");
  c.bias = p.flag("norm") || pointwise ? p.flag("use_bias") : p.params() > 1;
  if (c.bias) p.param(1, c.shape.channels, "a bias");
  c.norm = folded_norm_from(p, 1 + c.bias, c.shape.channels);
  c.packed = c.norm.present ? p.pack((2 + c.shape.taps()) * c.shape.channels) : -1;
  Shape y;
  for (int i = 4 - x.rank; i < 3; ++i) y.push(c.shape.axis[i].out);
  y.push(c.shape.channels);
  if (pointwise) plan_pointwise(p, c, 1 + c.bias + norm_params(c.norm), y);
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
  const Index pixels = c.shape.out_pixels();
  const double work = 2.0 * static_cast<double>(c.shape.taps()) * static_cast<double>(pixels * c.shape.channels);
  const double last = 2.0 * static_cast<double>(c.filters) * static_cast<double>(pixels * c.shape.channels);
  p.flops(work + last, 2 * work);
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

void pack_pointwise(const Run& r, const Config& c) {
  const real* bias = c.last_bias ? static_cast<const real*>(r.param(c.last_kernel + 1)) : nullptr;
  real *shift = nullptr, *scale = nullptr;
  if (c.last_norm.present) {
    shift = r.packed(c.last_shift), scale = shift + c.filters;
    fold_norm(r, c.last_norm, bias, scale, shift);
  }
  conv_pack(r.pool, pointwise_shape(c, 1), false, 0, r.param(c.last_kernel), scale,
            r.packed(c.last_packed));
}

void pack(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index channels = c.shape.channels;
  if (c.pointwise) pack_pointwise(r, c);
  if (!c.norm.present) return;
  real *scale = r.packed(c.packed), *shift = scale + channels, *to = shift + channels;
  fold_norm(r, c.norm, c.bias ? static_cast<const real*>(r.param(1)) : nullptr, scale, shift);
  const real* w = r.param(0);
  for (Index t = 0; t < c.shape.taps(); ++t)
    for (Index j = 0; j < channels; ++j) to[t * channels + j] = w[t * channels + j] * scale[j];
}

void forward_pointwise(const Run& r, const Config& c, const real* w, const real* bias) {
  const real* last_bias = nullptr;
  if (c.last_norm.present) last_bias = r.packed(c.last_shift);
  else if (c.last_bias) last_bias = r.param(c.last_kernel + 1);
  const DepthwiseRows rows = depthwise_rows(c.shape, r.n);
  const Index most = c.piece_reals / c.shape.channels / rows.pixels;
  const Index workers = pool_workers(r.pool), all = rows.groups * rows.pixels;
  const Index fewest = (rows.groups + most - 1) / most;
  // As many for each worker, where they are still large enough.
  Index pieces = (fewest + workers - 1) / workers * workers;
  if (pieces > rows.groups || all < pieces * kPiecePixels) pieces = fewest;
  const real *x = r.x(), *packed = r.packed(c.last_packed);
  real* y = r.y();
  parallel_for(r.pool, pieces, 1, [&](Index begin, Index end, int worker) {
    real* own = r.scratch(c.piece, worker);
    for (Index piece = begin; piece < end; ++piece) {
      const Index first = rows.groups * piece / pieces, last = rows.groups * (piece + 1) / pieces;
      const Index pixels = depthwise_forward_rows(c.shape, first, last, x, w,
                                                  {own, nullptr, bias, &c.act});
      const Index at = depthwise_first_pixel(c.shape, first) * c.filters;
      real* fixed = own + c.piece_reals;
      conv_forward(pointwise_shape(c, pixels), 1, {own}, nullptr,
                   {y + at, nullptr, last_bias, &c.last_act},
                   {nullptr, fixed, fixed + c.fixed_reals, 0}, packed);
    }
  });
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const bool keep = c.kept >= 0 && r.kept_;
  const real *w = r.param(0), *bias = c.bias ? static_cast<const real*>(r.param(1)) : nullptr;
  if (c.norm.present) {
    bias = static_cast<const real*>(r.packed(c.packed)) + c.shape.channels;
    w = bias + c.shape.channels;
  }
  if (c.pointwise) return forward_pointwise(r, c, w, bias);
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
