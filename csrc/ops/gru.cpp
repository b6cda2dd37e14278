// Gates z, r, g of x K + b:  z, r = rec(. + h R + b');  h = z h + (1 - z) g
// reset_after:  g = act(. + r (h R_g + b'_g));  else  g = act(. + (r h) R_g)
// x (N, T, I)  [mask (N, T)]  y (N, U) or (N, T, U)  [h (N, U)]
// Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014.
#include "core/op.h"
#include "kernels/gate_math.h"
#include "kernels/rnn.h"
#include "kernels/rnn_fused.h"

namespace pyseq::PYSEQ_NS {
namespace {

// The buffer `aux` holds q = h R_g + b'_g (reset_after), or r h.

void update_and_reset(const RnnStep& s) {
  const Rnn& c = *s.rnn;
  for (int part = 0; part < c.parts - 1; ++part) {
    Index ld = s.ld_h;
    const real* h = rnn_dropped(s, part, s.h, &ld);
    rnn_product(s, part, h, ld, s.z + c.part_begin[part], s.ld_z, true, nullptr);
  }
}

void gates_standard(const RnnStep& s, Index row, Index u) {
  real* z = s.z + row * s.ld_z;
  const real* h = s.h + row * s.ld_h;
  const real* q = s.aux + row * s.ld_kept;
  real* h_next = s.h_next + row * s.ld_next;
  const bool keeps = s.rnn->trains;
  rnn_lanes(
      u, [&](Index j, int k) __attribute__((always_inline)) {
        const V update = gate_sigmoid(rnn_load(z + j, k)),
                reset = gate_sigmoid(rnn_load(z + u + j, k));
        const V g = gate_tanh(rnn_load(z + 2 * u + j, k) + reset * rnn_load(q + j, k));
        rnn_store(h_next + j, update * rnn_load(h + j, k) + (1 - update) * g, k);
        if (!keeps) return;
        rnn_store(z + j, update, k);
        rnn_store(z + u + j, reset, k);
        rnn_store(z + 2 * u + j, g, k);
      });
}

void candidate_any(const RnnStep& s, Index row, Index u) {
  real* z = s.z + row * s.ld_z;
  const real* h = s.h + row * s.ld_h;
  real* h_next = s.h_next + row * s.ld_next;
  if (s.rnn->trains) rnn_keep_pre(s, row, 2 * u, 3 * u);
  activation_forward(s.rnn->act, z + 2 * u, z + 2 * u, u);
  for (Index j = 0; j < u; ++j) h_next[j] = z[j] * h[j] + (1 - z[j]) * z[2 * u + j];
}

void update_and_reset_any(const RnnStep& s, Index row, Index u) {
  real* z = s.z + row * s.ld_z;
  if (s.rnn->trains) rnn_keep_pre(s, row, 0, 2 * u);
  activation_forward(s.rnn->rec, z, z, 2 * u);
}

void step_reset_after(const RnnStep& s) {
  const Rnn& c = *s.rnn;
  const Index u = c.u;
  const int last = c.parts - 1;
  update_and_reset(s);
  Index ld = s.ld_h;
  const real* h = rnn_dropped(s, last, s.h, &ld);
  const real* bias = c.use_bias ? static_cast<const real*>(s.run->param(2)) + c.w + 2 * u : nullptr;
  rnn_product(s, last, h, ld, s.aux, s.ld_kept, false, bias);
  for (Index row = 0; row < s.rows; ++row) {
    if (s.skips(row)) continue;
    if (c.standard) {
      gates_standard(s, row, u);
      continue;
    }
    real* z = s.z + row * s.ld_z;
    const real* q = s.aux + row * s.ld_kept;
    update_and_reset_any(s, row, u);
    for (Index j = 0; j < u; ++j) z[2 * u + j] += z[u + j] * q[j];
    candidate_any(s, row, u);
  }
}

void step_reset_before(const RnnStep& s) {
  const Rnn& c = *s.rnn;
  const Index u = c.u;
  const int last = c.parts - 1;
  update_and_reset(s);
  for (Index row = 0; row < s.rows; ++row) {
    const real* reset = s.z + row * s.ld_z + u;
    const real* h = s.h + row * s.ld_h;
    const real* factors = rnn_h_mask(s, row, last);
    real* rh = s.aux + row * s.ld_kept;
    update_and_reset_any(s, row, u);
    for (Index j = 0; j < u; ++j) rh[j] = reset[j] * h[j];
    for (Index j = 0; factors && j < u; ++j) rh[j] *= factors[j];
  }
  rnn_product(s, last, s.aux, s.ld_kept, s.z + 2 * u, s.ld_z, true, nullptr);
  for (Index row = 0; row < s.rows; ++row)
    if (!s.skips(row)) candidate_any(s, row, u);
}

void step(const RnnStep& s) {
  if (s.rnn->reset_after) step_reset_after(s);
  else step_reset_before(s);
}

void fused(const RnnStep& s, Index first, Index last) {
  const Index u = s.rnn->u;
  const bool keeps = s.rnn->trains;
  const real* bias =
      s.rnn->use_bias ? static_cast<const real*>(s.run->param(2)) + s.rnn->w + 2 * u : nullptr;
  rnn_fused_step<3>(
      s, rnn_units(s), first, last,
      [&](Index row, Index j, int k, V(&z)[3]) __attribute__((always_inline)) {
        const real* from = s.z + row * s.ld_z + j;
        z[0] = rnn_load(from, k);
        z[1] = rnn_load(from + u, k);
        z[2] = bias ? rnn_load(bias + j, k) : V{};
      },
      [&](Index row, Index j, int k, V(&z)[3]) __attribute__((always_inline)) {
        real* to = s.z + row * s.ld_z + j;
        const V update = gate_sigmoid(z[0]), reset = gate_sigmoid(z[1]);
        const V g = gate_tanh(rnn_load(to + 2 * u, k) + reset * z[2]);
        const V h = rnn_load(s.h + row * s.ld_h + j, k);
        rnn_store(s.h_next + row * s.ld_next + j, update * h + (1 - update) * g, k);
        if (!keeps) return;
        rnn_store(s.aux + row * s.ld_kept + j, z[2], k);
        rnn_store(to, update, k);
        rnn_store(to + u, reset, k);
        rnn_store(to + 2 * u, g, k);
      });
}

void clear_masked(const RnnStep& s, Index row, Index u) {
  for (Index j = 0; j < 3 * u; ++j) s.z[row * s.ld_z + j] = 0;
  for (Index j = 0; j < u; ++j) s.aux[row * s.ld_kept + j] = 0;
}

// dh becomes the part that reaches h directly; the columns of g hold dz, those of the update gate
// the derivative by the gate. `update` receives the gate itself.
void candidate_back(const RnnStep& s, Index row, Index u, real* update) {
  real* z = s.z + row * s.ld_z;
  const real* h = s.h + row * s.ld_h;
  real* dh = s.dh + row * u;
  real* g = s.dropped + row * u;
  for (Index j = 0; j < u; ++j) {
    const real gate = z[j], d = dh[j];
    g[j] = z[2 * u + j];
    update[j] = gate;
    z[j] = d * (h[j] - g[j]);
    z[2 * u + j] = d * (1 - gate);
    dh[j] = d * gate;
  }
  rnn_through(s, s.rnn->act, row, 2 * u, 3 * u, g, z + 2 * u);
}

void gates_back_standard(const RnnStep& s, Index row, Index u) {
  real* z = s.z + row * s.ld_z;
  const real* h = s.h + row * s.ld_h;
  real* q = s.aux + row * s.ld_kept;
  real* dh = s.dh + row * u;
  rnn_lanes(
      u, [&](Index j, int k) __attribute__((always_inline)) {
        const V update = rnn_load(z + j, k), reset = rnn_load(z + u + j, k);
        const V g = rnn_load(z + 2 * u + j, k), d = rnn_load(dh + j, k);
        const V dg = d * (1 - update) * (1 - g * g);
        rnn_store(z + j, d * (rnn_load(h + j, k) - g) * update * (1 - update), k);
        rnn_store(z + u + j, dg * rnn_load(q + j, k) * reset * (1 - reset), k);
        rnn_store(z + 2 * u + j, dg, k);
        rnn_store(q + j, dg * reset, k);
        rnn_store(dh + j, d * update, k);
      });
}

void gates_back_any(const RnnStep& s, Index row, Index u) {
  real* z = s.z + row * s.ld_z;
  real* q = s.aux + row * s.ld_kept;
  real* gate = s.tmp + row * u;
  candidate_back(s, row, u, gate);
  rnn_through(s, s.rnn->rec, row, 0, u, gate, z);
  for (Index j = 0; j < u; ++j) {
    gate[j] = z[u + j];
    z[u + j] = z[2 * u + j] * q[j];
    q[j] = z[2 * u + j] * gate[j];
  }
  rnn_through(s, s.rnn->rec, row, u, 2 * u, gate, z + u);
}

void update_and_reset_back(const RnnStep& s) {
  const Rnn& c = *s.rnn;
  for (int part = 0; part < c.parts - 1; ++part)
    rnn_dropped_product_back(s, part, s.z + c.part_begin[part], s.ld_z, s.dh, true);
}

void step_back_reset_after(const RnnStep& s) {
  const Index u = s.rnn->u;
  for (Index row = 0; row < s.rows; ++row) {
    if (s.skips(row)) clear_masked(s, row, u);
    else if (s.rnn->standard) gates_back_standard(s, row, u);
    else gates_back_any(s, row, u);
  }
  update_and_reset_back(s);
  rnn_dropped_product_back(s, s.rnn->parts - 1, s.aux, s.ld_kept, s.dh, true);
}

void step_back_reset_before(const RnnStep& s) {
  const Index u = s.rnn->u;
  const int last = s.rnn->parts - 1;
  for (Index row = 0; row < s.rows; ++row) {
    if (s.skips(row)) {
      clear_masked(s, row, u);
      continue;
    }
    real* gate = s.tmp + row * u;
    candidate_back(s, row, u, gate);
    rnn_through(s, s.rnn->rec, row, 0, u, gate, s.z + row * s.ld_z);
  }
  rnn_product_back(s, last, s.z + 2 * u, s.ld_z, s.tmp, false);
  for (Index row = 0; row < s.rows; ++row) {
    if (s.skips(row)) continue;
    real* z = s.z + row * s.ld_z;
    const real* h = s.h + row * s.ld_h;
    const real* factors = rnn_h_mask(s, row, last);
    real* drh = s.tmp + row * u;
    real* gate = s.dropped + row * u;
    real* dh = s.dh + row * u;
    for (Index j = 0; factors && j < u; ++j) drh[j] *= factors[j];
    for (Index j = 0; j < u; ++j) {
      gate[j] = z[u + j];
      dh[j] += drh[j] * gate[j];
      z[u + j] = drh[j] * h[j];
    }
    rnn_through(s, s.rnn->rec, row, u, 2 * u, gate, z + u);
  }
  update_and_reset_back(s);
}

void step_back(const RnnStep& s) {
  if (s.rnn->reset_after) step_back_reset_after(s);
  else step_back_reset_before(s);
}

const RnnCell cell{3, 1, true, step, step_back, fused};

void plan(Plan& p) { rnn_plan(p, cell); }
void forward(const Run& r) noexcept { rnn_forward(r, cell); }
void backward(const Run& r) noexcept { rnn_backward(r, cell); }

}  // namespace

extern const OpDef op_gru;
const OpDef op_gru{"gru", plan, forward, backward, rnn_pack};

}  // namespace pyseq::PYSEQ_NS
