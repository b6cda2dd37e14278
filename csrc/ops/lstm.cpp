// z = x K + h R + b in gates i, f, g, o;  c = rec(f) c + rec(i) act(g);  h = rec(o) act(c)
// x (N, T, I)  [mask (N, T)]  y (N, U) or (N, T, U)  [h (N, U)  c (N, U)]
// Hochreiter & Schmidhuber, "Long short-term memory", Neural Computation 9, 1997; forget gate:
// Gers, Schmidhuber & Cummins, "Learning to forget", Neural Computation 12, 2000.
#include "core/op.h"
#include "kernels/lstm_gates.h"
#include "kernels/rnn.h"
#include "kernels/rnn_fused.h"

namespace pyseq::PYSEQ_NS {
namespace {

LstmMath math_of(const Rnn& c) { return {c.u, c.act, c.rec, c.standard, c.trains}; }

void step(const RnnStep& s) {
  for (int part = 0; part < s.rnn->parts; ++part) {
    Index ld = s.ld_h;
    const real* h = rnn_dropped(s, part, s.h, &ld);
    rnn_product(s, part, h, ld, s.z + s.rnn->part_begin[part], s.ld_z, true, nullptr);
  }
  const LstmMath m = math_of(*s.rnn);
  for (Index row = 0; row < s.rows; ++row) {
    if (s.skips(row)) continue;
    lstm_gates(m, s.z + row * s.ld_z, s.pre ? s.pre + row * s.ld_z : nullptr, s.c + row * s.ld_h,
               s.c_next + row * s.ld_next, s.h_next + row * s.ld_next, s.tanh_c + row * s.ld_kept);
  }
}

void fused(const RnnStep& s, Index first, Index last) {
  const Index u = s.rnn->u;
  const bool keeps = s.rnn->trains;
  rnn_fused_step<4>(
      s, rnn_units(s), first, last,
      [&](Index row, Index j, int k, V(&z)[4]) __attribute__((always_inline)) {
        const real* from = s.z + row * s.ld_z + j;
#pragma GCC unroll 4
        for (int g = 0; g < 4; ++g) z[g] = rnn_load(from + g * u, k);
      },
      [&](Index row, Index j, int k, V(&z)[4]) __attribute__((always_inline)) {
        const V i = gate_sigmoid(z[0]), f = gate_sigmoid(z[1]), g = gate_tanh(z[2]),
                o = gate_sigmoid(z[3]);
        const V cell = f * rnn_load(s.c + row * s.ld_h + j, k) + i * g;
        const V t = gate_tanh(cell);
        rnn_store(s.c_next + row * s.ld_next + j, cell, k);
        rnn_store(s.h_next + row * s.ld_next + j, o * t, k);
        if (!keeps) return;
        real* to = s.z + row * s.ld_z + j;
        rnn_store(to, i, k);
        rnn_store(to + u, f, k);
        rnn_store(to + 2 * u, g, k);
        rnn_store(to + 3 * u, o, k);
        rnn_store(s.tanh_c + row * s.ld_kept + j, t, k);
      });
}

void step_back(const RnnStep& s) {
  const LstmMath m = math_of(*s.rnn);
  const Index u = m.u;
  for (Index row = 0; row < s.rows; ++row) {
    real* z = s.z + row * s.ld_z;
    if (s.skips(row)) {
      for (Index j = 0; j < 4 * u; ++j) z[j] = 0;
      continue;
    }
    lstm_gates_back(m, z, s.pre ? s.pre + row * s.ld_z : nullptr, s.c + row * s.ld_h,
                    s.tanh_c + row * s.ld_kept, s.dh + row * u, s.dc + row * u, s.tmp + row * u,
                    s.dropped + row * u);
    for (Index j = 0; s.mask && j < u; ++j) s.dh[row * u + j] = 0;
  }
  // A masked row keeps its dh: its state went through unchanged.
  for (int part = 0; part < s.rnn->parts; ++part)
    rnn_dropped_product_back(s, part, s.z + s.rnn->part_begin[part], s.ld_z, s.dh,
                             part > 0 || s.mask);
}

const RnnCell cell{4, 2, false, step, step_back, fused};

void plan(Plan& p) { rnn_plan(p, cell); }
void forward(const Run& r) noexcept { rnn_forward(r, cell); }
void backward(const Run& r) noexcept { rnn_backward(r, cell); }

}  // namespace

extern const OpDef op_lstm;
const OpDef op_lstm{"lstm", plan, forward, backward, rnn_pack};

}  // namespace pyseq::PYSEQ_NS
