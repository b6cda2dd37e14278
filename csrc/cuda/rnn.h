#pragma once
// The engine of recurrent layers: x (N, T, I) -> y (N, U) or (N, T, U), states (N, U).
//
// The input projection z = x kernel + b of all steps is one product. After it, where the recurrent
// kernel stays in the caches of a multiprocessor, one launch takes the whole sequence: a block owns a
// few rows and loops over time. Otherwise each step is a product and a launch for the gates. Backward
// leaves dz of all steps in the place of z, so that the other gradients are large products again.
#include "cuda/gates.h"
#include "cuda/gemm.h"
#include "cuda/vector.h"

namespace pyseq::cuda {

inline constexpr int kMostGates = 4;

struct Rnn {
  Index t, i, u, w;  // w = gates * u
  int gates, states;
  Index state_rows;
  bool reset_after, special;  // special: the last gate of a GRU has a product of its own
  bool use_bias, sequences, backwards, masked, zero_masked, stateful, states_out;
  bool trains, keep_pre, one_launch;
  GateMath math;
  double dropout, recurrent_dropout;
  std::int64_t seed;
  int x_masks, h_masks;  // dropout masks of x and h: 0, 1 or one for each gate
  int parts;             // products of one step: columns [part[k], part[k + 1]) of the recurrent kernel
  Index part[kMostGates + 1];

  // Buffers: kept where the plan trains, scratch otherwise; -1 where there is none.
  int z, pre, h, c, act_c, aux, x_mask, h_mask;
  // Scratch.
  int x_dropped, h_dropped, bias_sum, sums, turned, now_h, now_c, dh, dc, waiting, product;
};

// What the kernels of all steps see. History buffers are (N, T, .), null where nothing is kept.
struct Steps {
  Index n, t, u, w, state_rows;
  Index mask_group;  // units that share an element of the mask; 0: all of a step
  int gates, states, h_masks;
  bool sequences, backwards, masked, zero_masked;
  GateMath math;
  float *z, *pre, *h, *c, *act_c, *aux;
  const float *recurrent, *turned;  // (U, W), (W, U)
  const float* inner_bias;          // of the product of a GRU's last gate, or null
  const float *mask, *h_mask;       // (N, T), (N, h_masks, U), or null
  float *state[2], *last[2];        // variables; outputs; or null
  float* y;
  const float *dy, *dlast[2];  // or null

  // Unit j of step `at`.
  __device__ bool skips(Index at, Index j) const {
    return mask && mask[mask_group ? at * (u / mask_group) + j / mask_group : at] == 0;
  }
  __device__ Index time(Index position) const { return backwards ? t - 1 - position : position; }
  __device__ float initial(int which, Index row, Index j) const {
    return state[which] && row < state_rows ? state[which][row * u + j] : 0.0f;
  }
};

void rnn_plan(Plan& p, int gates, int states, bool special);
// Projects the input, draws the dropout masks, and says where everything is.
Steps rnn_begin(const Run& r, const Rnn& c, bool backward);
// Gradients of x, the kernels and the bias, once dz of all steps is there.
void rnn_gradients(const Run& r, const Rnn& c);
// z_t (+)= h R of one part; dropout factors of h are applied on the way.
void rnn_step_product(const Run& r, const Rnn& c, const Steps& s, Index time, int part, const float* h);
// dh += dz_t R^T of one part, or `to` = that, without the dropout factors.
void rnn_step_product_back(const Run& r, const Rnn& c, const Steps& s, Index time, int part, float* dh,
                           float* to);

// y of one step; a masked step repeats the output before it, or is zero.
__device__ inline void write_output(const Steps& s, Index row, Index position, Index j, bool skips, float h) {
  if (!s.sequences && position != s.t - 1 && !s.masked) return;
  float* const y = s.y + (s.sequences ? row * s.t + position : row) * s.u + j;
  if (!skips) *y = h;
  else if (s.zero_masked || position == 0) *y = 0;
  else if (s.sequences) *y = y[-s.u];
}

__device__ inline void keep_state(const Steps& s, Index row, Index position, Index j, float h, float c) {
  if (position != s.t - 1) return;
  const float v[] = {h, c};
  for (int which = 0; which < s.states; ++which) {
    if (s.state[which] && row < s.state_rows) s.state[which][row * s.u + j] = v[which];
    if (s.last[which]) s.last[which][row * s.u + j] = v[which];
  }
}

// One unit of one row at one step: a are its pre-activations, q what the special product gave.
template <class Cell>
__device__ inline void step_forward(const Steps& s, Index row, Index position, Index j, float* a, float q,
                                    float& h, float& c) {
  const Index time = s.time(position), at = row * s.t + time;
  if (s.h) s.h[at * s.u + j] = h;
  if (Cell::kStates == 2 && s.c) s.c[at * s.u + j] = c;
  const bool skips = s.skips(at, j);
  if (!skips) Cell::forward(s, at, j, a, q, h, c);
  write_output(s, row, position, j, skips, h);
  keep_state(s, row, position, j, h, c);
}

// Takes the gradient of the output into dh. Where a masked step repeated the output before it, its
// gradient waits for the step that made that output.
__device__ inline void add_output_gradient(const Steps& s, Index row, Index position, Index j, bool skips,
                                           float& dh, float& waiting) {
  float g = 0;
  if (s.dy && (s.sequences || position == s.t - 1))
    g = s.dy[(s.sequences ? row * s.t + position : row) * s.u + j];
  waiting += g;
  if (!skips) dh += waiting;
  if (!skips || s.zero_masked) waiting = 0;
}

// d: dz of each gate; rec: what goes through the recurrent product. In: dh, dc after the step; out:
// what reaches the state before it directly.
template <class Cell>
__device__ inline void step_backward(const Steps& s, Index row, Index position, Index j, float& dh, float& dc,
                                     float& waiting, float* d, float* rec) {
  const Index at = row * s.t + s.time(position);
  const bool skips = s.skips(at, j);
  add_output_gradient(s, row, position, j, skips, dh, waiting);
  if (skips) {
    for (int g = 0; g < Cell::kGates; ++g) d[g] = rec[g] = 0;
    if (s.aux) s.aux[at * s.u + j] = 0;
  } else {
    Cell::backward(s, at, j, dh, dc, d, rec);
  }
  for (int g = 0; g < Cell::kGates; ++g)
    if (skips || !(Cell::kTwoPhases && g == 1)) s.z[at * s.w + g * s.u + j] = d[g];
}

struct SimpleCell {
  static constexpr int kGates = 1, kStates = 1;
  static constexpr bool kSpecial = false, kTwoPhases = false;

  static __device__ void forward(const Steps& s, Index at, Index j, const float* a, float, float& h, float&) {
    h = any_activation(s.math.act, a[0]);
    if (!s.h) return;
    s.z[at * s.w + j] = h;
    if (s.pre) s.pre[at * s.w + j] = a[0];
  }
  static __device__ void backward(const Steps& s, Index at, Index j, float& dh, float&, float* d,
                                  float* rec) {
    const Index z = at * s.w + j;
    d[0] = rec[0] = any_activation_back(s.math.act, s.math.act_y ? s.z[z] : s.pre[z], dh);
    dh = 0;
  }
};

struct LstmCell {
  static constexpr int kGates = 4, kStates = 2;
  static constexpr bool kSpecial = false, kTwoPhases = false;

  static __device__ void forward(const Steps& s, Index at, Index j, float* a, float, float& h, float& c) {
    const Index z = at * s.w + j;
    if (s.pre)
      for (int g = 0; g < 4; ++g) s.pre[z + g * s.u] = a[g];
    float act_c;
    h = lstm_gates(s.math, a, c, act_c);
    if (!s.h) return;
    for (int g = 0; g < 4; ++g) s.z[z + g * s.u] = a[g];
    s.act_c[at * s.u + j] = act_c;
  }
  static __device__ void backward(const Steps& s, Index at, Index j, float& dh, float& dc, float* d,
                                  float* rec) {
    const Index z = at * s.w + j;
    for (int g = 0; g < 4; ++g) d[g] = s.z[z + g * s.u];
    lstm_gates_back(s.math, d, s.pre ? s.pre + z : nullptr, s.u, s.c[at * s.u + j], s.act_c[at * s.u + j], dh,
                    dc);
    for (int g = 0; g < 4; ++g) rec[g] = d[g];
    dh = 0;
  }
};

// Gates z, r, g. `aux` holds q = h R_g + b'_g (kResetAfter), or r h with its dropout factors.
template <bool kResetAfter>
struct GruCell {
  static constexpr int kGates = 3, kStates = 1;
  static constexpr bool kSpecial = true, kTwoPhases = !kResetAfter;

  // Two phases: the reset gate comes first; returns r.
  static __device__ float reset(const Steps& s, Index at, Index j, float a) {
    const float r = rec_gate(s.math, a);
    if (s.h) {
      if (s.pre) s.pre[at * s.w + s.u + j] = a;
      s.z[at * s.w + s.u + j] = r;
    }
    return r;
  }
  static __device__ void forward(const Steps& s, Index at, Index j, float* a, float q, float& h, float&) {
    const Index z = at * s.w + j;
    const float update = rec_gate(s.math, a[0]);
    float inner = a[2];
    if (kResetAfter) {
      inner += reset(s, at, j, a[1]) * q;
      if (s.aux) s.aux[at * s.u + j] = q;
    }
    const float g = act_gate(s.math, inner);
    h = update * h + (1 - update) * g;
    if (!s.h) return;
    if (s.pre) s.pre[z] = a[0], s.pre[z + 2 * s.u] = inner;
    s.z[z] = update;
    s.z[z + 2 * s.u] = g;
  }
  static __device__ void backward(const Steps& s, Index at, Index j, float& dh, float&, float* d,
                                  float* rec) {
    const Index z = at * s.w + j;
    const float* const pre = s.pre ? s.pre + z : nullptr;
    const float update = s.z[z], g = s.z[z + 2 * s.u], h = s.h[at * s.u + j];
    d[0] = rec[0] = rec_gate_back(s.math, update, pre, dh * (h - g));
    d[2] = rec[2] = act_gate_back(s.math, g, pre + 2 * s.u, dh * (1 - update));
    d[1] = rec[1] = 0;
    dh *= update;
    if (!kResetAfter) return;
    const float r = s.z[z + s.u];
    float& q = s.aux[at * s.u + j];
    d[1] = rec[1] = rec_gate_back(s.math, r, pre + s.u, d[2] * q);
    q = rec[2] = d[2] * r;
  }
  // Two phases: drh is the gradient of r h; returns dz of the reset gate.
  static __device__ float reset_back(const Steps& s, Index at, Index j, float drh, float& dh) {
    if (s.skips(at, j)) return 0;
    const Index z = at * s.w + s.u + j;
    const float r = s.z[z];
    dh += drh * r;
    return s.z[z] = rec_gate_back(s.math, r, s.pre + z, drh * s.h[at * s.u + j]);
  }
};

}  // namespace pyseq::cuda
