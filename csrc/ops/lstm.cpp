// z = x K + h R + b in gates i, f, g, o;  c = rec(f) c + rec(i) act(g);  h = rec(o) act(c)
// x (N, T, I)  [mask (N, T)]  y (N, U) or (N, T, U)  [h (N, U)  c (N, U)]
// Hochreiter & Schmidhuber, "Long short-term memory", Neural Computation 9, 1997; forget gate: Gers,
// Schmidhuber & Cummins, "Learning to forget", Neural Computation 12, 2000.
#include "core/op.h"
#include "kernels/rnn.h"

namespace pyseq::PYSEQ_NS {
namespace {

void gates_standard(const RnnStep& s, Index row, Index u) {
  real* z = s.z + row * s.ld_z;
  const real* c = s.c + row * s.ld_h;
  real* c_next = s.c_next + row * s.ld_next;
  real* h_next = s.h_next + row * s.ld_next;
  real* tanh_c = s.tanh_c + row * s.ld_kept;
  const bool keeps = s.rnn->trains;
  rnn_lanes(u, [&](Index j, int k) __attribute__((always_inline)) {
    const V i = sigmoid_v(rnn_load(z + j, k)), f = sigmoid_v(rnn_load(z + u + j, k));
    const V g = tanh_v(rnn_load(z + 2 * u + j, k)), o = sigmoid_v(rnn_load(z + 3 * u + j, k));
    const V cell = f * rnn_load(c + j, k) + i * g;
    const V t = tanh_v(cell);
    rnn_store(c_next + j, cell, k);
    rnn_store(h_next + j, o * t, k);
    if (!keeps) return;
    rnn_store(z + j, i, k);
    rnn_store(z + u + j, f, k);
    rnn_store(z + 2 * u + j, g, k);
    rnn_store(z + 3 * u + j, o, k);
    rnn_store(tanh_c + j, t, k);
  });
}

void gates_any(const RnnStep& s, Index row, Index u) {
  real* z = s.z + row * s.ld_z;
  const real* c = s.c + row * s.ld_h;
  real* c_next = s.c_next + row * s.ld_next;
  real* h_next = s.h_next + row * s.ld_next;
  real* act_c = s.tanh_c + row * s.ld_kept;
  if (s.rnn->trains) rnn_keep_pre(s, row, 0, 4 * u);
  activation_forward(s.rnn->rec, z, z, 2 * u);
  activation_forward(s.rnn->act, z + 2 * u, z + 2 * u, u);
  activation_forward(s.rnn->rec, z + 3 * u, z + 3 * u, u);
  for (Index j = 0; j < u; ++j) c_next[j] = z[u + j] * c[j] + z[j] * z[2 * u + j];
  activation_forward(s.rnn->act, c_next, act_c, u);
  for (Index j = 0; j < u; ++j) h_next[j] = z[3 * u + j] * act_c[j];
}

void step(const RnnStep& s) {
  const Index u = s.rnn->u;
  for (int part = 0; part < s.rnn->parts; ++part) {
    Index ld = s.ld_h;
    const real* h = rnn_dropped(s, part, s.h, &ld);
    rnn_product(s, part, h, ld, s.z + s.rnn->part_begin[part], s.ld_z, true, nullptr);
  }
  for (Index row = 0; row < s.rows; ++row) {
    if (s.skips(row)) continue;
    if (s.rnn->standard)
      gates_standard(s, row, u);
    else
      gates_any(s, row, u);
  }
}

void gates_back_standard(const RnnStep& s, Index row, Index u) {
  real* z = s.z + row * s.ld_z;
  const real* c = s.c + row * s.ld_h;
  const real* tanh_c = s.tanh_c + row * s.ld_kept;
  const real* dh = s.dh + row * u;
  real* dc = s.dc + row * u;
  rnn_lanes(u, [&](Index j, int k) __attribute__((always_inline)) {
    const V i = rnn_load(z + j, k), f = rnn_load(z + u + j, k);
    const V g = rnn_load(z + 2 * u + j, k), o = rnn_load(z + 3 * u + j, k);
    const V t = rnn_load(tanh_c + j, k), d = rnn_load(dh + j, k);
    const V dcell = rnn_load(dc + j, k) + d * o * (1 - t * t);
    rnn_store(z + j, dcell * g * i * (1 - i), k);
    rnn_store(z + u + j, dcell * rnn_load(c + j, k) * f * (1 - f), k);
    rnn_store(z + 2 * u + j, dcell * i * (1 - g * g), k);
    rnn_store(z + 3 * u + j, d * t * o * (1 - o), k);
    rnn_store(dc + j, dcell * f, k);
  });
}

void gates_back_any(const RnnStep& s, Index row, Index u) {
  const Activation &act = s.rnn->act, &rec = s.rnn->rec;
  real* z = s.z + row * s.ld_z;
  const real* c = s.c + row * s.ld_h;
  const real* act_c = s.tanh_c + row * s.ld_kept;
  real* dh = s.dh + row * u;
  real* dc = s.dc + row * u;
  real* work = s.tmp + row * u;
  real* gate = s.dropped + row * u;
  // do, then what reaches c through h.
  for (Index j = 0; j < u; ++j) {
    const real o = z[3 * u + j];
    gate[j] = o;
    z[3 * u + j] = dh[j] * act_c[j];
    dh[j] *= o;
    work[j] = z[u + j] * c[j] + z[j] * z[2 * u + j];
  }
  rnn_through(s, rec, row, 3 * u, 4 * u, gate, z + 3 * u);
  activation_backward(act, activation_backward_uses_y(act) ? act_c : work, dh, dh, u);
  for (Index j = 0; j < u; ++j) dc[j] += dh[j];
  for (Index j = 0; j < u; ++j) {
    work[j] = z[j];
    gate[j] = z[2 * u + j];
    z[j] = dc[j] * gate[j];
    z[2 * u + j] = dc[j] * work[j];
  }
  rnn_through(s, rec, row, 0, u, work, z);
  rnn_through(s, act, row, 2 * u, 3 * u, gate, z + 2 * u);
  for (Index j = 0; j < u; ++j) {
    const real f = z[u + j];
    gate[j] = f;
    z[u + j] = dc[j] * c[j];
    dc[j] *= f;
  }
  rnn_through(s, rec, row, u, 2 * u, gate, z + u);
}

void step_back(const RnnStep& s) {
  const Index u = s.rnn->u;
  for (Index row = 0; row < s.rows; ++row) {
    if (s.skips(row)) {
      for (Index j = 0; j < 4 * u; ++j) s.z[row * s.ld_z + j] = 0;
      continue;
    }
    if (s.rnn->standard)
      gates_back_standard(s, row, u);
    else
      gates_back_any(s, row, u);
    for (Index j = 0; s.mask && j < u; ++j) s.dh[row * u + j] = 0;
  }
  // A masked row keeps its dh: its state went through unchanged.
  for (int part = 0; part < s.rnn->parts; ++part)
    rnn_dropped_product_back(s, part, s.z + s.rnn->part_begin[part], s.ld_z, s.dh,
                             part > 0 || s.mask);
}

const RnnCell cell{4, 2, false, step, step_back};

void plan(Plan& p) { rnn_plan(p, cell); }
void forward(const Run& r) noexcept { rnn_forward(r, cell); }
void backward(const Run& r) noexcept { rnn_backward(r, cell); }

}  // namespace

extern const OpDef op_lstm;
const OpDef op_lstm{"lstm", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
