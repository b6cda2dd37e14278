#pragma once
// One step of one unit of the gated recurrent layers.
#include "cuda/activation.h"

namespace pyseq::cuda {

struct GateMath {
  Activation act, rec;
  bool standard;      // tanh and sigmoid
  bool act_y, rec_y;  // their derivatives need the value; otherwise the argument
};

inline GateMath gate_math(const Activation& act, const Activation& rec) {
  return {act, rec, act.kind == kTanh && rec.kind == kSigmoid, activation_backward_uses_y(act),
          activation_backward_uses_y(rec)};
}

// Kernels of recurrent layers activate in many places: a call keeps them small.
__device__ __attribute__((noinline)) static float any_activation(Activation act, float v) {
  return activate(act, v);
}
__device__ __attribute__((noinline)) static float any_activation_back(Activation act, float v, float g) {
  return activate_back(act, v, g);
}

__device__ inline float act_gate(const GateMath& m, float v) {
  return m.standard ? tanhf(v) : any_activation(m.act, v);
}
__device__ inline float rec_gate(const GateMath& m, float v) {
  return m.standard ? activations::sigmoid(v) : any_activation(m.rec, v);
}
// `pre` is looked at where the derivative needs the argument.
__device__ inline float act_gate_back(const GateMath& m, float value, const float* pre, float g) {
  return m.standard ? g * (1 - value * value) : any_activation_back(m.act, m.act_y ? value : *pre, g);
}
__device__ inline float rec_gate_back(const GateMath& m, float value, const float* pre, float g) {
  return m.standard ? g * value * (1 - value) : any_activation_back(m.rec, m.rec_y ? value : *pre, g);
}

// a: pre-activations of i, f, g, o, then the gates. Returns h; c becomes the next one.
__device__ inline float lstm_gates(const GateMath& m, float* a, float& c, float& act_c) {
  a[0] = rec_gate(m, a[0]);
  a[1] = rec_gate(m, a[1]);
  a[2] = act_gate(m, a[2]);
  a[3] = rec_gate(m, a[3]);
  c = a[1] * c + a[0] * a[2];
  act_c = act_gate(m, c);
  return a[3] * act_c;
}

// a: gates, then dz. `pre` (stride `step`): arguments of the gates, or null. c: before the step. dh:
// gradient of h. dc: in, of c after the step; out, of c before it.
__device__ inline void lstm_gates_back(const GateMath& m, float* a, const float* pre, Index step, float c,
                                       float act_c, float dh, float& dc) {
  const float i = a[0], f = a[1], g = a[2], o = a[3], c_next = f * c + i * g;
  dc += act_gate_back(m, act_c, &c_next, dh * o);
  a[0] = rec_gate_back(m, i, pre, dc * g);
  a[1] = rec_gate_back(m, f, pre + step, dc * c);
  a[2] = act_gate_back(m, g, pre + 2 * step, dc * i);
  a[3] = rec_gate_back(m, o, pre + 3 * step, dh * act_c);
  dc *= f;
}

}  // namespace pyseq::cuda
