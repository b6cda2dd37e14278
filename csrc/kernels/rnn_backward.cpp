// Blocks of rows back through all steps; after them the gradients of weights and input.
#include "kernels/rnn_detail.h"

namespace pyseq::PYSEQ_NS {
namespace {

// Adds dy of this step to dh. Where a masked step repeated the output before it, its gradient waits
// in `waiting` for the step that made that output.
void add_output_gradient(const Run& r, const Rnn& c, const RnnStep& s, Index position,
                         real* waiting) {
  const real* dy = r.dy();
  if (!c.sequences && position != c.t - 1) dy = nullptr;
  const Index ld = c.sequences ? c.t * c.u : c.u;
  if (dy) dy += s.first * ld + (c.sequences ? position * c.u : 0);
  if (!dy && !c.masked) return;
  for (Index n = 0; n < s.rows; ++n) {
    real* to = s.dh + n * c.u;
    real* w = waiting + n * c.u;
    if (!c.masked) {
      for (Index j = 0; j < c.u; ++j) to[j] += dy[n * ld + j];
      continue;
    }
    if (dy)
      for (Index j = 0; j < c.u; ++j) w[j] += dy[n * ld + j];
    const bool skips = s.skips(n);
    if (!skips)
      for (Index j = 0; j < c.u; ++j) to[j] += w[j];
    if (!skips || c.zero_masked) zero(w, c.u);
  }
}

// dx of one step, while its dz is in the cache.
void input_gradient_step(const Run& r, const Rnn& c, const RnnStep& s) {
  Gemm m;
  m.m = s.rows;
  m.n = c.i;
  m.k = c.w;
  m.a = s.z;
  m.a_row = s.ld_z;
  m.c = static_cast<real*>(r.dx()) + (s.first * c.t + s.t) * c.i;
  m.ldc = c.t * c.i;
  m.like = r.n;
  gemm_packed(m, static_cast<const real*>(r.scratch(c.packed)) + c.input_back_offset);
  if (!r.training || !c.x_masks) return;
  const real* factors = r.kept(c.x_mask);
  for (Index n = 0; n < s.rows; ++n)
    for (Index j = 0; j < c.i; ++j) m.c[n * m.ldc + j] *= factors[(s.first + n) * c.i + j];
}

bool input_gradient_in_steps(const Run& r, const Rnn& c) {
  return c.input_back_offset >= 0 && r.dx() && rnn_projects_in_steps(c, r.n);
}

void backward_block(const Run& r, const Rnn& c, const RnnCell& cell, const RnnBlock& b, real* z) {
  RnnStep s = rnn_begin_block(r, c, b);
  const bool input = input_gradient_in_steps(r, c);
  s.dh = b.slot(c, 0);
  s.dc = b.slot(c, 1);
  real* waiting = b.slot(c, 2);
  zero(waiting, b.rows * c.u);
  for (int which = 0; which < c.states; ++which) {
    real* to = which ? s.dc : s.dh;
    const real* from = c.states_out ? static_cast<const real*>(r.dy(1 + which)) : nullptr;
    if (from) copy(from + b.first * c.u, to, b.rows * c.u);
    else zero(to, b.rows * c.u);
  }
  for (Index position = c.t - 1; position >= 0; --position) {
    if (pool_interrupted(r.pool)) return;
    rnn_at_step(s, r, c, b, z, c.backwards ? c.t - 1 - position : position);
    add_output_gradient(r, c, s, position, waiting);
    cell.backward(s);
    if (input) input_gradient_step(r, c, s);
  }
}

void kernel_gradients(const Run& r, const Rnn& c, const real* dz, int groups) {
  const Index rows = r.n * c.t, columns = c.w / groups;
  real* dx = input_gradient_in_steps(r, c) ? nullptr : static_cast<real*>(r.dx());
  real* dropped = c.x_dropped >= 0 ? static_cast<real*>(r.scratch(c.x_dropped)) : nullptr;
  const bool dropping = r.training && c.x_masks;
  const real* factors = dropping ? rnn_buffer(r, c, c.x_mask) : nullptr;
  for (int g = 0; g < groups; ++g) {
    if (r.dparam(0)) {
      const real* a = r.x();
      if (dropping) {
        rnn_drop(r, a, factors, groups, g, c.t, c.i, dropped);
        a = dropped;
      }
      Gemm m;
      m.m = c.i;
      m.n = columns;
      m.k = rows;
      m.a = a;
      m.a_row = 1;
      m.a_col = c.i;
      m.b = dz + g * columns;
      m.b_row = c.w;
      m.c = static_cast<real*>(r.dparam(0)) + g * columns;
      m.ldc = c.w;
      rnn_gemm(r, c, m);
    }
    if (!dx) continue;
    Gemm m;
    m.m = rows;
    m.n = c.i;
    m.k = columns;
    m.a = dz + g * columns;
    m.a_row = c.w;
    m.b = static_cast<const real*>(r.param(0)) + g * columns;
    m.b_row = 1;
    m.b_col = c.w;
    m.c = dropping ? dropped : dx;
    m.ldc = c.i;
    rnn_gemm(r, c, m);
    if (!dropping) continue;
    parallel_for(r.pool, r.n, 8192 / (c.t * c.i) + 1, [&](Index begin, Index end, int) {
      for (Index n = begin; n < end; ++n) {
        const real* f = factors + (n * groups + g) * c.i;
        for (Index s = n * c.t; s < (n + 1) * c.t; ++s)
          for (Index j = 0; j < c.i; ++j) {
            const real v = dropped[s * c.i + j] * f[j];
            dx[s * c.i + j] = g ? dx[s * c.i + j] + v : v;
          }
      }
    });
  }
}

void recurrent_gradient(const Run& r, const Rnn& c, const real* dz) {
  const real* aux = c.aux >= 0 ? static_cast<const real*>(r.kept(c.aux)) : nullptr;
  const bool dropping = r.training && c.h_masks;
  for (int k = 0; k < c.parts; ++k) {
    const bool special = aux && k == c.parts - 1;
    Gemm m;
    m.m = c.u;
    m.n = c.part_begin[k + 1] - c.part_begin[k];
    m.k = r.n * c.t;
    m.a = r.kept(c.h);
    if (dropping) {
      real* dropped = r.scratch(c.h_dropped);
      rnn_drop(r, m.a, rnn_buffer(r, c, c.h_mask), c.h_masks, k, c.t, c.u, dropped);
      m.a = dropped;
    }
    m.a_row = 1;
    m.a_col = c.u;
    m.b = dz + c.part_begin[k];
    m.b_row = c.w;
    if (special && c.reset_after) {
      m.b = aux;
      m.b_row = c.u;
    } else if (special) {
      m.a = aux;
    }
    m.c = static_cast<real*>(r.dparam(1)) + c.part_begin[k];
    m.ldc = c.w;
    rnn_gemm(r, c, m);
  }
}

void bias_gradient(const Run& r, const Rnn& c, const real* dz) {
  real* db = r.dparam(2);
  real* sums = r.scratch(c.sums);
  column_sum(r.pool, dz, c.w, r.n * c.t, c.w, db, false, sums);
  if (!(c.aux_used && c.reset_after)) return;
  copy(db, db + c.w, 2 * c.u);
  column_sum(r.pool, r.kept(c.aux), c.u, r.n * c.t, c.u, db + c.w + 2 * c.u, false, sums);
}

}  // namespace

void rnn_backward(const Run& r, const RnnCell& cell) {
  const Rnn& c = r.config<Rnn>();
  if (!rnn_is_fresh(c, r.n)) rnn_pack_backward(r, c, input_gradient_in_steps(r, c));
  real* z = r.kept(c.z);
  rnn_for_blocks(r, c, 0, r.n,
             [&](const RnnBlock& b) { backward_block(r, c, cell, b, z + b.first * c.t * c.w); });
  const int groups = r.training && c.x_masks ? c.x_masks : 1;
  kernel_gradients(r, c, z, groups);
  if (r.dparam(1)) recurrent_gradient(r, c, z);
  if (c.use_bias && r.dparam(2)) bias_gradient(r, c, z);
}

}  // namespace pyseq::PYSEQ_NS
