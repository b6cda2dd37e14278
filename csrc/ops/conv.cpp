// y = act(conv(x, w) + b)   x (N, ..., C)  w (k..., C / groups, F)  b (F)  y (N, ..., F)
// dz = dy act'(.)   dx = conv_data_gradient(dz, w)   dw = conv_weight_gradient(x, dz)   db = sum dz
#include "kernels/conv.h"
#include "kernels/folded_norm.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  ConvShape shape;
  Activation act;
  int shared, worker, kept;  // scratch buffers; kept = -1: backward reads y
  int packed, shift, tile;   // packed = -1: weights are packed in each call; shift = -1: no norm
  bool bias;
  FoldedNorm norm;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0), w = p.param(0, "a kernel", x.rank + 1, x.rank + 1);
  c.shape = conv_shape_from(p, x, w);
  c.act = activation_from(p);
  c.bias = p.flag("norm") ? p.flag("use_bias") : p.params() > 1;
  if (w[-2] * c.shape.groups != c.shape.channels)
    p.fail("expected a kernel for %d channels a group, got %d",
           static_cast<int>(c.shape.channels / c.shape.groups), static_cast<int>(w[-2]));
  if (c.bias) p.param(1, c.shape.filters, "a bias");
  c.norm = folded_norm_from(p, 1 + c.bias, c.shape.filters);
  Shape y;
  for (int i = 4 - x.rank; i < 3; ++i) y.push(c.shape.axis[i].out);
  y.push(c.shape.filters);
  p.output(y);
  ConvScratch s = conv_forward_scratch(c.shape, !p.training());
  c.kept = c.packed = c.shift = -1;
  if (!p.training()) {
    const ConvPacking packing = conv_packing(c.shape, false);
    c.tile = packing.tile;
    c.packed = p.pack(packing.size);
    if (c.norm.present) c.shift = p.pack(2 * c.shape.filters);
  }
  if (p.training()) {
    s.cover(conv_data_gradient_scratch(c.shape));
    s.cover(conv_weight_gradient_scratch(c.shape));
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
    shift = r.packed(c.shift), scale = shift + c.shape.filters;
    fold_norm(r, c.norm, bias, scale, shift);
  }
  conv_pack(r.pool, c.shape, false, c.tile, r.param(0), scale, r.packed(c.packed));
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const bool keep = c.kept >= 0 && r.kept_;
  const real* packed = c.packed >= 0 ? static_cast<const real*>(r.packed(c.packed)) : nullptr;
  if (packed && conv_pack_stale(c.shape, false, c.tile, packed)) pack(r);
  const real* bias = c.bias ? static_cast<const real*>(r.param(1)) : nullptr;
  if (c.norm.present) bias = r.packed(c.shift);
  const ConvTarget y{r.y(), keep ? static_cast<real*>(r.kept(c.kept)) : nullptr, bias, &c.act};
  conv_forward(c.shape, r.n, {r.x()}, r.param(0), y, work_of(r, c), packed);
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  ConvSource dz{r.dy()};
  if (c.act.kind != kLinear) {
    dz.v = c.kept >= 0 ? r.kept(c.kept) : r.y();
    dz.act = &c.act;
  }
  const ConvWork work = work_of(r, c);
  real* db = c.bias ? static_cast<real*>(r.dparam(1)) : nullptr;
  if (r.dparam(0) || db) conv_weight_gradient(c.shape, r.n, {r.x()}, dz, r.dparam(0), db, work);
  if (r.dx()) {
    ConvTarget dx;
    dx.y = r.dx();
    conv_data_gradient(c.shape, r.n, dz, r.param(0), dx, work);
  }
}

}  // namespace

extern const OpDef op_conv;
const OpDef op_conv{"conv", plan, forward, backward, pack};

}  // namespace pyseq::PYSEQ_NS
