#pragma once
// The engine of recurrent layers: x (N, T, I) -> y (N, U) or (N, T, U), states (N, U).
//
// The input projection z = x kernel + b of all steps is one product. After it, blocks of rows go
// through all steps on their own: a worker never waits for another between two steps. Backward
// leaves dz of all steps in the place of z, so that the weight and input gradients are large
// products again.
#include "kernels/activation.h"
#include "kernels/real.h"
#include "kernels/simd.h"

namespace pyseq::PYSEQ_NS {

inline constexpr int kRnnMaxParts = 4;
inline constexpr Index kRnnTeam = 4;  // most workers that share the units of one row
inline constexpr Index kRnnBlock = 64;  // most rows that one worker takes through time at once
inline constexpr int kRnnSlots = 9;     // (kRnnBlock, U) buffers of a worker

// Parameters: kernel (I, W), recurrent_kernel (U, W), [bias], [states (N, U)]. W = gates * U.
struct Rnn {
  Index t, i, u, w;
  int gates;
  int states;        // 1: h; 2: h and c
  Index state_rows;  // of the state variables
  Index like;        // rows of the input's projection whose bits are wanted, or 0
  bool continues;    // a sequence that began in earlier calls
  int parts;         // the recurrent kernel is multiplied in parts of its columns:
  Index part_begin[kRnnMaxParts + 1];  // part p is columns [part_begin[p], part_begin[p + 1])
  bool reset_after;
  bool use_bias, sequences, backwards, masked, zero_masked, stateful, states_out;
  bool trains;    // planned with a backward
  bool keep_pre;  // the derivative of an activation needs the argument, not the value
  bool standard;  // tanh and sigmoid
  Activation act, rec;
  double dropout, recurrent_dropout;
  std::int64_t seed;
  int x_masks, h_masks;  // dropout masks of x and h: 0, 1 or one for each gate
  bool aux_used;

  // Numbers of buffers. Kept where the plan trains, scratch otherwise.
  int z, pre, h, c, tanh_c, aux, x_mask, h_mask;
  int x_dropped, h_dropped, worker, packed, gemm_shared, gemm_worker, sums, bias_sum;
  Index packed_offset[kRnnMaxParts], packed_back_offset[kRnnMaxParts];
  // -1 where the product with x or dx is one large one outside the steps.
  Index input_offset, input_back_offset;
  bool fused;  // gates in registers: weights are packed by units, see rnn_fused.h
  Index team;  // workers that share the units of a single row
  int history;  // its states
};

// One step of a block of `rows` rows. Pointers are to the block's first row at this step.
struct RnnStep {
  const Rnn* rnn;
  const Run* run;
  Index rows, first;  // rows [first, first + rows) of the batch
  Index t;            // position in x
  bool fresh;         // packed weights are absent: too few products to pay for packing
  real* z;            // (rows, W) pre-activations; forward leaves gates, backward dz
  real* pre;
  Index ld_z;
  const real* h;  // state before the step
  const real* c;
  Index ld_h;
  real* h_next;
  real* c_next;
  Index ld_next;
  real* tanh_c;
  real* aux;
  Index ld_kept;  // of tanh_c and aux
  real* dh;       // (rows, U): in, gradient of h after the step; out, of h before it
  real* dc;
  real* tmp;      // (rows, U)
  real* dropped;  // (rows, U)
  real* gemm_worker;
  const real* mask;  // (rows, T) at this step, or null
  Index ld_mask;

  PYSEQ_INLINE bool skips(Index row) const { return mask && mask[row * ld_mask] == 0; }
};

struct RnnCell {
  int gates, states;
  bool aux;
  void (*forward)(const RnnStep&);
  void (*backward)(const RnnStep&);
  // As forward, for groups [begin, end) of kLanes units; null where the op has no such form.
  void (*fused)(const RnnStep&, Index begin, Index end);
};

// The recurrent weights by groups of units: (groups, U, gates, kLanes).
const real* rnn_units(const RnnStep& s);

void rnn_plan(Plan& p, const RnnCell& cell);
void rnn_forward(const Run& r, const RnnCell& cell);
void rnn_backward(const Run& r, const RnnCell& cell);
void rnn_pack(const Run& r) noexcept;

// `h` times the dropout factors of gate `gate`, where there is recurrent dropout: in s.dropped.
const real* rnn_dropped(const RnnStep& s, int gate, const real* h, Index* ld_h);
// Dropout factors of h for one row of the block and one gate, or null.
const real* rnn_h_mask(const RnnStep& s, Index row, int gate);
// c (+)= a part_p (+ bias)
void rnn_product(const RnnStep& s, int part, const real* a, Index ld_a, real* c, Index ld_c,
                 bool accumulate, const real* bias);
// dh (+)= dz part_p^T
void rnn_product_back(const RnnStep& s, int part, const real* dz, Index ld_dz, real* dh,
                      bool accumulate);
// The same through the dropout of h for that part.
void rnn_dropped_product_back(const RnnStep& s, int part, const real* dz, Index ld_dz, real* dh,
                              bool accumulate);
// Keeps the arguments of columns [begin, end) of one row before they are overwritten.
PYSEQ_INLINE void rnn_keep_pre(const RnnStep& s, Index row, Index begin, Index end) {
  if (!s.rnn->keep_pre) return;
  const Index at = row * s.ld_z;
  for (Index j = begin; j < end; ++j) s.pre[at + j] = s.z[at + j];
}
// dz[begin, end) of one row, in place: derivatives by the gates become derivatives by z.
// `gates` are the values of those columns.
PYSEQ_INLINE void rnn_through(const RnnStep& s, const Activation& act, Index row, Index begin,
                              Index end, const real* gates, real* dz) {
  const real* seen = activation_backward_uses_y(act) ? gates : s.pre + row * s.ld_z + begin;
  activation_backward(act, seen, dz, dz, end - begin);
}

// f(j, k) over pieces [j, j + k) of [0, n), k <= kLanes; k is a constant in all but the last.
template <class F>
PYSEQ_INLINE void rnn_lanes(Index n, F&& f) {
  Index j = 0;
  for (; j + kLanes <= n; j += kLanes) f(j, kLanes);
  if (j < n) f(j, static_cast<int>(n - j));
}
PYSEQ_INLINE V rnn_load(const real* p, int k) { return k == kLanes ? load(p) : load_partial(p, k); }
PYSEQ_INLINE void rnn_store(real* p, V v, int k) {
  if (k == kLanes) store(p, v);
  else store_partial(p, v, k);
}

}  // namespace pyseq::PYSEQ_NS
