#include "cuda/conv.h"

namespace pyseq::cuda {
namespace {

struct Config {
  ConvShape shape;
  Activation act;
  bool bias, keep_z, trains, packed;
  int dz, parts;  // scratch
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  c.shape = conv_shape_from(p, x, p.param(0));
  c.act = activation_from(p);
  c.bias = p.params() > 1;
  Shape y;
  for (int i = 4 - x.rank; i < 3; ++i) y.push(c.shape.axis[i].out);
  y.push(c.shape.filters);
  p.output(y);
  c.trains = p.training();
  c.keep_z = c.trains && !activation_backward_uses_y(c.act);
  if (!c.trains) {
    const Index filters = conv_filter_size(c.shape);
    c.packed = filters > 0;
    if (c.packed) p.pack(filters);
    return;
  }
  p.backward_reads_input(0);
  if (c.keep_z) p.keep(y.size());
  else if (c.act.kind != kLinear) p.backward_reads_output(0);
  if (c.act.kind != kLinear) c.dz = p.scratch(y.size());
  const Index sums = column_scratch<Sums<1>>(), weights = conv_weight_gradient_scratch(c.shape).fixed;
  c.parts = p.scratch(0, sums > weights ? sums : weights);
}

void pack(const Run& r) noexcept { conv_pack(r.stream, r.config<Config>().shape, r.param(0), r.packed()); }

// Training plans book room for the weights' gradient, which is as large.
ConvFilters filters(const Run& r, const Config& c) {
  if (c.packed) return {r.packed(), true};
  float* room = nullptr;
  if (c.trains) room = r.scratch(c.parts);
  return {room, false};
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  ConvTarget y;
  y.y = r.y();
  if (c.keep_z) y.z = r.kept();
  if (c.bias) y.bias = r.param(1);
  y.act = &c.act;
  conv_forward(r.stream, c.shape, r.n, r.x(), r.param(0), y, filters(r, c));
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
  if (r.dparam(0)) conv_weight_gradient(r.stream, c.shape, r.n, r.x(), dz, r.dparam(0), r.scratch(c.parts));
  if (r.dx()) {
    ConvTarget dx;
    dx.y = r.dx();
    conv_data_gradient(r.stream, c.shape, r.n, dz, r.param(0), dx, filters(r, c));
  }
}

}  // namespace

extern const OpDef op_conv;
const OpDef op_conv{"conv", plan, forward, backward, pack};

}  // namespace pyseq::cuda
