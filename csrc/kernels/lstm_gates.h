#pragma once
// One step of a long short-term memory for one row (or pixel) of U units: gates i, f, g, o.
#include "kernels/activation.h"
#include "kernels/gate_math.h"
#include "kernels/rnn.h"

namespace pyseq::PYSEQ_NS {

struct LstmMath {
  Index u;
  Activation act, rec;
  bool standard;  // tanh and sigmoid
  bool keeps;     // backward will follow
};

// z (4U): pre-activations, then gates where `keeps`. pre (4U): receives the pre-activations, or
// null. c_next may be c.
PYSEQ_INLINE void lstm_gates(const LstmMath& m, real* z, real* pre, const real* c, real* c_next,
                             real* h_next, real* act_c) {
  const Index u = m.u;
  if (m.standard) {
    rnn_lanes(
        u, [&](Index j, int k) __attribute__((always_inline)) {
          const V i = gate_sigmoid(rnn_load(z + j, k)), f = gate_sigmoid(rnn_load(z + u + j, k));
          const V g = gate_tanh(rnn_load(z + 2 * u + j, k)),
                  o = gate_sigmoid(rnn_load(z + 3 * u + j, k));
          const V cell = f * rnn_load(c + j, k) + i * g;
          const V t = gate_tanh(cell);
          rnn_store(c_next + j, cell, k);
          rnn_store(h_next + j, o * t, k);
          if (!m.keeps) return;
          rnn_store(z + j, i, k);
          rnn_store(z + u + j, f, k);
          rnn_store(z + 2 * u + j, g, k);
          rnn_store(z + 3 * u + j, o, k);
          rnn_store(act_c + j, t, k);
        });
    return;
  }
  for (Index j = 0; pre && j < 4 * u; ++j) pre[j] = z[j];
  activation_forward(m.rec, z, z, 2 * u);
  activation_forward(m.act, z + 2 * u, z + 2 * u, u);
  activation_forward(m.rec, z + 3 * u, z + 3 * u, u);
  for (Index j = 0; j < u; ++j) c_next[j] = z[u + j] * c[j] + z[j] * z[2 * u + j];
  activation_forward(m.act, c_next, act_c, u);
  for (Index j = 0; j < u; ++j) h_next[j] = z[3 * u + j] * act_c[j];
}

// z (4U): gates, then dz. dh: gradient of h; left undefined. dc: in, gradient of c after the step;
// out, of c before it. work, gate (U): scratch.
PYSEQ_INLINE void lstm_gates_back(const LstmMath& m, real* z, const real* pre, const real* c,
                                  const real* act_c, real* dh, real* dc, real* work, real* gate) {
  const Index u = m.u;
  if (m.standard) {
    rnn_lanes(
        u, [&](Index j, int k) __attribute__((always_inline)) {
          const V i = rnn_load(z + j, k), f = rnn_load(z + u + j, k);
          const V g = rnn_load(z + 2 * u + j, k), o = rnn_load(z + 3 * u + j, k);
          const V t = rnn_load(act_c + j, k), d = rnn_load(dh + j, k);
          const V dcell = rnn_load(dc + j, k) + d * o * (1 - t * t);
          rnn_store(z + j, dcell * g * i * (1 - i), k);
          rnn_store(z + u + j, dcell * rnn_load(c + j, k) * f * (1 - f), k);
          rnn_store(z + 2 * u + j, dcell * i * (1 - g * g), k);
          rnn_store(z + 3 * u + j, d * t * o * (1 - o), k);
          rnn_store(dc + j, dcell * f, k);
        });
    return;
  }
  // `gate` holds the value of the gate whose column of z becomes its gradient.
  const auto through = [&](const Activation& act, Index at) __attribute__((always_inline)) {
    activation_backward(act, activation_backward_uses_y(act) ? gate : pre + at, z + at, z + at, u);
  };
  for (Index j = 0; j < u; ++j) {
    gate[j] = z[3 * u + j];
    z[3 * u + j] = dh[j] * act_c[j];
    dh[j] *= gate[j];
    work[j] = z[u + j] * c[j] + z[j] * z[2 * u + j];
  }
  through(m.rec, 3 * u);
  activation_backward(m.act, activation_backward_uses_y(m.act) ? act_c : work, dh, dh, u);
  for (Index j = 0; j < u; ++j) {
    dc[j] += dh[j];
    work[j] = z[2 * u + j];
    gate[j] = work[j];
    z[2 * u + j] = dc[j] * z[j];
  }
  through(m.act, 2 * u);
  for (Index j = 0; j < u; ++j) {
    gate[j] = z[j];
    z[j] = dc[j] * work[j];
  }
  through(m.rec, 0);
  for (Index j = 0; j < u; ++j) {
    gate[j] = z[u + j];
    z[u + j] = dc[j] * c[j];
    dc[j] *= gate[j];
  }
  through(m.rec, u);
}

}  // namespace pyseq::PYSEQ_NS
