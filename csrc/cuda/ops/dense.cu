#include "cuda/columns.h"
#include "cuda/gemm.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Index rows, inputs, units;  // rows of one sample
  bool bias, keep_z;
  Activation act;
  int dz, sums;  // scratch
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  Shape y = p.input(0);
  if (y.rank < 1) p.fail("expected an input with a last axis, got rank 0");
  c.inputs = y[-1];
  c.units = p.integer("units");
  c.bias = p.flag("use_bias", true);
  c.act = activation_from(p);
  c.rows = y.size(0, y.rank - 1);
  y[-1] = c.units;
  p.output(y);
  const bool linear = c.act.kind == kLinear;
  c.keep_z = p.training() && !activation_backward_uses_y(c.act);
  if (!p.training()) return;
  p.backward_reads_input(0);
  if (c.keep_z) p.keep(c.rows * c.units);
  else if (!linear) p.backward_reads_output(0);
  if (!linear) c.dz = p.scratch(c.rows * c.units);
  if (c.bias) c.sums = p.scratch(0, column_scratch<Sums<1>>());
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index rows = r.n * c.rows;
  Gemm g;
  g.m = rows, g.n = c.units, g.k = c.inputs;
  g.a = r.x(), g.a_row = c.inputs;
  g.b = r.param(0), g.b_row = c.units;
  g.ldc = c.units;
  if (c.bias) g.bias = r.param(1);
  if (!c.keep_z) {
    g.c = r.y(), g.act = c.act;
    return gemm(r.stream, g);
  }
  const float* z = g.c = r.kept();
  gemm(r.stream, g);
  const Activation act = c.act;
  float* y = r.y();
  for_each(r.stream, rows * c.units, [=] __device__(Index i) { y[i] = activate(act, z[i]); });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index rows = r.n * c.rows;
  const float* dz = r.dy();
  if (c.act.kind != kLinear) {
    const Activation act = c.act;
    const float* v = c.keep_z ? r.kept() : r.y();
    const float* dy = dz;
    float* to = r.scratch(c.dz);
    for_each(r.stream, rows * c.units,
             [=] __device__(Index i) { to[i] = activate_back(act, v[i], dy[i]); });
    dz = to;
  }
  if (r.dparam(0)) {  // dW = xᵀ dz
    Gemm g;
    g.m = c.inputs, g.n = c.units, g.k = rows;
    g.a = r.x(), g.a_row = 1, g.a_col = c.inputs;
    g.b = dz, g.b_row = c.units;
    g.c = r.dparam(0), g.ldc = c.units;
    gemm(r.stream, g);
  }
  if (c.bias && r.dparam(1)) sum_rows(r.stream, dz, rows, c.units, r.dparam(1), r.scratch(c.sums));
  if (r.dx()) {  // dx = dz Wᵀ
    Gemm g;
    g.m = rows, g.n = c.inputs, g.k = c.units;
    g.a = dz, g.a_row = c.units;
    g.b = r.param(0), g.b_row = 1, g.b_col = c.units;
    g.c = r.dx(), g.ldc = c.inputs;
    gemm(r.stream, g);
  }
}

}  // namespace

extern const OpDef op_dense;
const OpDef op_dense{"dense", plan, forward, backward};

}  // namespace pyseq::cuda
