// y = act(x W + b) over the last axis    x (N, ..., I)  W (I, O)  b (O)  y (N, ..., O)
#include "kernels/folded_norm.h"
#include "kernels/gemm.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr Index kManyRows = Index{1} << 40;  // the batch is not known when planning

struct Config {
  Index rows, inputs, units;  // rows of one sample
  Index like;                 // rows of the product whose bits are wanted, or 0
  bool bias, keep_z;
  Activation act;
  int shared, worker, dz, partial;  // scratch
  int blocks;  // of W; -1 for none
  int scaled;  // with a norm: its scale, its shift, scaled W
  FoldedNorm norm;
};

// W as forward multiplies it.
const real* weights_of(const Run& r, const Config& c) {
  if (!c.norm.present) return r.param(0);
  return static_cast<const real*>(r.packed(c.scaled)) + 2 * c.units;
}

void plan(Plan& p) {
  Config& c = p.config<Config>();
  Shape y = p.input(0, 1);
  c.inputs = y[-1];
  c.units = p.integer("units", at_least(1));
  c.like = p.integer("like_rows", 0, at_least(0));
  c.bias = p.flag("use_bias", true);
  c.act = activation_from(p);
  c.rows = y.size(0, y.rank - 1);
  p.param(0, Shape::of(c.inputs, c.units), "a kernel");
  if (c.bias) p.param(1, c.units, "a bias");
  y[-1] = c.units;
  p.output(y);

  c.norm = folded_norm_from(p, 1 + c.bias, c.units);
  c.blocks = c.scaled = -1;
  if (!p.training()) {
    c.blocks = p.pack(gemm_blocks_size(c.units, c.inputs));
    if (c.norm.present) c.scaled = p.pack((2 + c.inputs) * c.units);
  }
  const bool linear = c.act.kind == kLinear;
  c.keep_z = p.training() && !activation_backward_uses_y(c.act);
  GemmScratch s = gemm_scratch(kManyRows, c.units, c.inputs);
  if (p.training()) {
    p.backward_reads_input(0);
    if (!linear && !c.keep_z) p.backward_reads_output(0);
    if (c.keep_z) p.keep(c.rows * c.units);
    const GemmScratch others[] = {gemm_scratch(kManyRows, c.inputs, c.units),
                                  gemm_scratch(c.inputs, c.units, kManyRows)};
    for (const GemmScratch& o : others) {
      if (o.fixed > s.fixed) s.fixed = o.fixed;
      if (o.per_worker > s.per_worker) s.per_worker = o.per_worker;
    }
  }
  c.shared = p.scratch(0, s.fixed);
  c.worker = p.scratch(0, 0, s.per_worker);
  if (p.training()) {
    if (!linear) c.dz = p.scratch(c.rows * c.units);
    if (c.bias) c.partial = p.scratch(0, column_sum_scratch(kManyRows, c.units));
  }
  const double f = 2.0 * static_cast<double>(c.rows * c.inputs) * static_cast<double>(c.units);
  p.flops(f, 2 * f);
}

// (rows, I) times W.
Gemm product(const Run& r, const Config& c, Index rows) {
  Gemm g;
  g.m = rows, g.n = c.units, g.k = c.inputs;
  g.b = weights_of(r, c), g.b_row = c.units;
  return g;
}

void multiply(const Run& r, const Config& c, const Gemm& g) {
  gemm(r.pool, g, r.scratch(c.shared), r.scratch(c.worker, 0),
       r.worker_stride_[c.worker] / static_cast<Index>(sizeof(real)));
}

void pack(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (c.norm.present) {
    real *scale = r.packed(c.scaled), *shift = scale + c.units, *to = shift + c.units;
    fold_norm(r, c.norm, c.bias ? static_cast<const real*>(r.param(1)) : nullptr, scale, shift);
    const real* w = r.param(0);
    for (Index i = 0; i < c.inputs; ++i)
      for (Index j = 0; j < c.units; ++j) to[i * c.units + j] = w[i * c.units + j] * scale[j];
  }
  gemm_forget_blocks(r.packed(c.blocks));
  if (r.n > 0) gemm_pack_all_blocks(r.pool, product(r, c, 0), r.packed(c.blocks));
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index rows = r.n * c.rows;
  Gemm g = product(r, c, rows);
  g.like = c.like;
  g.a = r.x(), g.a_row = c.inputs;
  g.ldc = c.units;
  if (c.bias) g.bias = r.param(1);
  if (c.norm.present) g.bias = static_cast<const real*>(r.packed(c.scaled)) + c.units;
  if (c.blocks >= 0 && gemm_wants_blocks(g)) {
    // Packed at the first call that wants them: most programs see few rows or many, not both.
    gemm_pack_blocks(r.pool, g, r.packed(c.blocks));
    g.blocks = r.packed(c.blocks);
  }
  if (!c.keep_z) {
    g.c = r.y(), g.act = c.act;
    return multiply(r, c, g);
  }
  const real* z = g.c = r.kept();
  multiply(r, c, g);
  real* y = r.y();
  parallel_for(r.pool, rows * c.units, 16384, [&](Index begin, Index end, int) {
    activation_forward(c.act, z + begin, y + begin, end - begin);
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index rows = r.n * c.rows;
  const real* dz = r.dy();
  if (c.act.kind != kLinear) {
    const real* v = c.keep_z ? r.kept() : r.y();
    const real* dy = dz;
    real* to = r.scratch(c.dz);
    parallel_for(r.pool, rows * c.units, 16384, [&](Index begin, Index end, int) {
      activation_backward(c.act, v + begin, dy + begin, to + begin, end - begin);
    });
    dz = to;
  }
  if (r.dparam(0)) {  // dW = xᵀ dz
    Gemm g;
    g.m = c.inputs, g.n = c.units, g.k = rows;
    g.a = r.x(), g.a_row = 1, g.a_col = c.inputs;
    g.b = dz, g.b_row = c.units;
    g.c = r.dparam(0), g.ldc = c.units;
    multiply(r, c, g);
  }
  if (c.bias && r.dparam(1))
    column_sum(r.pool, dz, c.units, rows, c.units, r.dparam(1), false, r.scratch(c.partial));
  if (r.dx()) {  // dx = dz Wᵀ
    Gemm g;
    g.m = rows, g.n = c.inputs, g.k = c.units;
    g.a = dz, g.a_row = c.units;
    g.b = r.param(0), g.b_row = 1, g.b_col = c.units;
    g.c = r.dx(), g.ldc = c.inputs;
    multiply(r, c, g);
  }
}

}  // namespace

extern const OpDef op_dense;
const OpDef op_dense{"dense", plan, forward, backward, pack};

}  // namespace pyseq::PYSEQ_NS
