// y = act(conv_data_gradient(x, w) + b)   x (N, ..., C)  w (k..., F, C)  b (F)  y (N, ..., F)
// The convolution whose gradient this is maps (N, ..., F) to (N, ..., C); attribute `pads` says how
// much of the scattered output is cut off at the beginning of each axis, `output` its length.
// dz = dy act'(.)   dx = conv(dz, w)   dw = conv_weight_gradient(dz, x)   db = sum dz
#include "kernels/conv.h"
#include "kernels/folded_norm.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  ConvShape shape;
  Activation act;
  int shared, worker, kept;
  int packed, shift, tile;  // packed = -1: weights are packed in each call; shift = -1: no norm
  bool bias;
  FoldedNorm norm;
};

void read_axes(const Plan& p, const Shape& x, const Shape& w, ConvShape& s) {
  const int rank = x.rank - 1;
  if (rank < 1 || rank > 3) p.fail("expected an input of 1 to 3 spatial axes, got %d", rank);
  if (w[-1] != x[-1])
    p.fail("expected a kernel for %d channels, got %d", static_cast<int>(x[-1]),
           static_cast<int>(w[-1]));
  Index stride[3], dilation[3], pad[3], output[3];
  if (p.integers("strides", stride, 3, at_least(1)) != rank ||
      p.integers("dilations", dilation, 3, at_least(1)) != rank ||
      p.integers("pads", pad, 3, at_least(0)) != rank ||
      p.integers("output", output, 3, at_least(1)) != rank)
    p.fail("expected %d numbers in strides, dilations, pads and output", rank);
  s.channels = w[-2];
  s.filters = x[-1];
  s.groups = 1;
  for (int i = 0; i < rank; ++i) {
    if ((x[i] - 1) * stride[i] - pad[i] >= output[i])
      p.fail("expected an output of more than %lld along spatial axis %d, got %lld",
             static_cast<long long>((x[i] - 1) * stride[i] - pad[i]), i,
             static_cast<long long>(output[i]));
    s.axis[3 - rank + i] = {output[i], x[i], w[i], stride[i], dilation[i], pad[i]};
  }
}

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  read_axes(p, x, p.param(0, "a kernel", x.rank + 1, x.rank + 1), c.shape);
  c.act = activation_from(p);
  c.bias = p.flag("norm") ? p.flag("use_bias") : p.params() > 1;
  if (c.bias) p.param(1, c.shape.channels, "a bias");
  c.norm = folded_norm_from(p, 1 + c.bias, c.shape.channels);
  Shape y;
  for (int i = 4 - x.rank; i < 3; ++i) y.push(c.shape.axis[i].in);
  y.push(c.shape.channels);
  p.output(y);
  ConvScratch s = conv_data_gradient_scratch(c.shape, !p.training());
  c.kept = c.packed = c.shift = -1;
  if (!p.training()) {
    const ConvPacking packing = conv_packing(c.shape, true);
    c.tile = packing.tile;
    c.packed = p.pack(packing.size);
    if (c.norm.present) c.shift = p.pack(2 * c.shape.channels);
  }
  if (p.training()) {
    s.cover(conv_forward_scratch(c.shape));
    s.cover(conv_weight_gradient_scratch(c.shape));
    s.cover(conv_bias_gradient_scratch(c.shape.channels));
    p.backward_reads_input(0);
    if (c.act.kind != kLinear) {
      if (activation_backward_uses_y(c.act)) p.backward_reads_output(0);
      else c.kept = p.keep(y.size());
    }
  }
  c.shared = p.scratch(0, s.fixed);
  c.worker = p.scratch(0, 0, s.per_worker);
  const double work = 2.0 * static_cast<double>(c.shape.depth()) *
                      static_cast<double>(c.shape.out_pixels() * c.shape.filters);
  p.flops(work, 2 * work);
}

ConvWork work_of(const Run& r, const Config& c) {
  return {r.pool, r.scratch(c.shared), r.scratch(c.worker),
          r.worker_stride_[c.worker] / static_cast<Index>(sizeof(real))};
}

void pack(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* bias = c.bias ? static_cast<const real*>(r.param(1)) : nullptr;
  real *shift = nullptr, *scale = nullptr;
  if (c.norm.present) {
    shift = r.packed(c.shift), scale = shift + c.shape.channels;
    fold_norm(r, c.norm, bias, scale, shift);
  }
  conv_pack(r.pool, c.shape, true, c.tile, r.param(0), scale, r.packed(c.packed));
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const bool keep = c.kept >= 0 && r.kept_;
  const real* packed = c.packed >= 0 ? static_cast<const real*>(r.packed(c.packed)) : nullptr;
  if (packed && conv_pack_stale(c.shape, true, c.tile, packed)) pack(r);
  const real* bias = c.bias ? static_cast<const real*>(r.param(1)) : nullptr;
  if (c.norm.present) bias = r.packed(c.shift);
  const ConvTarget y{r.y(), keep ? static_cast<real*>(r.kept(c.kept)) : nullptr, bias, &c.act};
  conv_data_gradient(c.shape, r.n, {r.x()}, r.param(0), y, work_of(r, c), packed);
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  ConvSource dz{r.dy()};
  if (c.act.kind != kLinear) {
    dz.v = c.kept >= 0 ? r.kept(c.kept) : r.y();
    dz.act = &c.act;
  }
  const ConvWork work = work_of(r, c);
  if (c.bias && r.dparam(1))
    conv_bias_gradient(dz, r.n * c.shape.in_pixels(), c.shape.channels, r.dparam(1), work);
  if (r.dparam(0)) conv_weight_gradient(c.shape, r.n, dz, {r.x()}, r.dparam(0), nullptr, work);
  if (r.dx()) {
    ConvTarget dx;
    dx.y = r.dx();
    conv_forward(c.shape, r.n, dz, r.param(0), dx, work);
  }
}

}  // namespace

extern const OpDef op_conv_transpose;
const OpDef op_conv_transpose{"conv_transpose", plan, forward, backward, pack};

}  // namespace pyseq::PYSEQ_NS
