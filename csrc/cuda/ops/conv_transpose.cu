// y = act(conv_data_gradient(x, w) + b); the convolution whose gradient this is maps y to x.
#include "cuda/conv.h"

namespace pyseq::cuda {
namespace {

struct Config {
  ConvShape shape;
  Activation act;
  bool bias, keep_z, trains, packed;
  int dz, parts;  // scratch
};

void read_axes(const Plan& p, const Shape& x, const Shape& w, ConvShape& s) {
  const int rank = x.rank - 1;
  Index stride[3], dilation[3], pad[3], output[3];
  if (rank < 1 || rank > 3 || w.rank != rank + 2 || p.integers("strides", stride, 3) != rank ||
      p.integers("dilations", dilation, 3) != rank || p.integers("pads", pad, 3) != rank ||
      p.integers("output", output, 3) != rank)
    p.fail("expected %d numbers in strides, dilations, pads and output", rank);
  s.channels = w[-2];
  s.filters = x[-1];
  for (int i = 0; i < rank; ++i)
    s.axis[3 - rank + i] = {output[i], x[i], w[i], stride[i], dilation[i], pad[i]};
}

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  read_axes(p, x, p.param(0), c.shape);
  c.act = activation_from(p);
  c.bias = p.params() > 1;
  Shape y;
  for (int i = 4 - x.rank; i < 3; ++i) y.push(c.shape.axis[i].in);
  y.push(c.shape.channels);
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
  conv_data_gradient(r.stream, c.shape, r.n, r.x(), r.param(0), y, filters(r, c));
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index pixels = r.n * c.shape.in_pixels();
  const float* dz = r.dy();
  if (c.act.kind != kLinear) {
    float* const to = r.scratch(c.dz);
    before_activation(r.stream, c.act, c.keep_z ? r.kept() : r.y(), dz, pixels * c.shape.channels, to);
    dz = to;
  }
  if (c.bias && r.dparam(1))
    sum_rows(r.stream, dz, pixels, c.shape.channels, r.dparam(1), r.scratch(c.parts));
  if (r.dparam(0)) conv_weight_gradient(r.stream, c.shape, r.n, dz, r.x(), r.dparam(0), r.scratch(c.parts));
  if (r.dx()) {
    ConvTarget dx;
    dx.y = r.dx();
    conv_forward(r.stream, c.shape, r.n, dz, r.param(0), dx, filters(r, c));
  }
}

}  // namespace

extern const OpDef op_conv_transpose;
const OpDef op_conv_transpose{"conv_transpose", plan, forward, backward, pack};

}  // namespace pyseq::cuda
