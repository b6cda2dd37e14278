// What the recurrent layers ask for when they are planned.
#include "kernels/gemm.h"
#include "kernels/rnn.h"
#include "kernels/rnn_fused.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr Index kManyRows = 1 << 20;  // bounds scratch where the number of rows is not known

Index larger(Index a, Index b) { return a > b ? a : b; }
Index smaller(Index a, Index b) { return a < b ? a : b; }

// Reals of weights that stay in a core's cache beside the recurrent ones.
constexpr Index kInputWeights = 131072;
// Reals of recurrent weights for each worker of a team.
constexpr Index kTeamShare = 6144;

Index packed_size(Index n, Index k) { return (gemm_packed_size(n, k) + 15) / 16 * 16; }

int hold(Plan& p, Index per_row) { return p.training() ? p.keep(per_row) : p.scratch(per_row); }

void plan_parts(Rnn& c) {
  c.part_begin[0] = 0;
  if (c.h_masks > 1) {
    c.parts = c.gates;
    for (int g = 0; g < c.gates; ++g) c.part_begin[g + 1] = (g + 1) * c.u;
  } else if (c.aux_used) {
    c.parts = 2;
    c.part_begin[1] = (c.gates - 1) * c.u;
    c.part_begin[2] = c.w;
  } else {
    c.parts = 1;
    c.part_begin[1] = c.w;
  }
}

void plan_packed(Plan& p, Rnn& c) {
  Index packed = 0, back = 0;
  if (c.fused) packed = rnn_groups(c.u) * kLanes * c.u * c.gates;
  for (int k = 0; k < c.parts; ++k) {
    const Index columns = c.part_begin[k + 1] - c.part_begin[k];
    c.packed_offset[k] = packed;
    if (!c.fused) packed += packed_size(columns, c.u);
    c.packed_back_offset[k] = back;
    back += packed_size(c.u, columns);
  }
  c.input_back_offset = c.input_offset;
  if (c.input_offset >= 0) {
    c.input_offset = packed;
    packed += packed_size(c.w, c.i);
    c.input_back_offset = back;
    back += packed_size(c.i, c.w);
  }
  c.packed = c.trains ? p.scratch(0, larger(packed, back)) : p.pack(packed);
}

// How the steps are run.
void plan_steps(Rnn& c, const RnnCell& cell) {
  c.fused = cell.fused && c.standard && !c.h_masks && (c.reset_after || !cell.aux);
  c.input_offset = c.x_masks <= 1 && c.i * c.w <= kInputWeights ? 0 : -1;
  c.team = 1;
  if (c.fused && !c.trains && !c.masked)
    c.team = larger(1, smaller(smaller(kRnnTeam, rnn_groups(c.u)), c.u * c.w / kTeamShare));
}

void plan_buffers(Plan& p, Rnn& c, bool aux) {
  const Index steps = c.t * c.u;
  // z of all steps, or of one step for each row and of all for a row alone.
  if (c.trains || c.input_offset < 0) c.z = hold(p, c.t * c.w);
  else c.z = p.scratch(c.w, c.t * c.w);
  c.x_mask = c.x_masks ? hold(p, c.x_masks * c.i) : -1;
  c.h_mask = c.h_masks ? hold(p, c.h_masks * c.u) : -1;
  c.history = c.team > 1 ? p.scratch(0, 2 * (c.t + 1) * c.u) : -1;
  // Forward alone reuses the worker's slots for the rest.
  c.pre = c.trains && c.keep_pre ? p.keep(c.t * c.w) : -1;
  c.h = c.trains ? p.keep(steps) : -1;
  c.c = c.trains && c.states == 2 ? p.keep(steps) : -1;
  c.tanh_c = c.trains && c.states == 2 ? p.keep(steps) : -1;
  c.aux = c.trains && aux ? p.keep(steps) : -1;

  plan_packed(p, c);
  c.x_dropped = c.x_masks ? p.scratch(c.t * c.i) : -1;
  c.h_dropped = c.h_masks && c.trains ? p.scratch(steps) : -1;
  c.bias_sum = p.scratch(0, c.w);
  c.sums = p.scratch(0, c.trains ? column_sum_scratch(kManyRows, c.w) : 0);

  const GemmScratch small = gemm_scratch(kRnnBlock, larger(c.w, c.u), larger(c.w, c.u));
  c.worker = p.scratch(0, 0, kRnnSlots * kRnnBlock * c.u + small.fixed + small.per_worker);
  GemmScratch s = gemm_scratch(kManyRows, c.w, c.i);
  if (c.trains) {
    const GemmScratch others[] = {gemm_scratch(c.i, c.w, kManyRows),
                                  gemm_scratch(c.u, c.w, kManyRows),
                                  gemm_scratch(kManyRows, c.i, c.w)};
    for (const GemmScratch& o : others) {
      s.fixed = larger(s.fixed, o.fixed);
      s.per_worker = larger(s.per_worker, o.per_worker);
    }
  }
  c.gemm_shared = p.scratch(0, s.fixed);
  c.gemm_worker = p.scratch(0, 0, s.per_worker);
}

void check(const Plan& p, const Rnn& c) {
  if (c.masked && (p.input(1).rank != 1 || p.input(1)[0] != c.t))
    p.fail("expected a mask of shape (%lld)", static_cast<long long>(c.t));
  p.param(0, Shape::of(c.i, c.w), "a kernel");
  p.param(1, Shape::of(c.u, c.w), "a recurrent kernel");
  if (c.use_bias) p.param(2, c.aux_used && c.reset_after ? 2 * c.w : c.w, "a bias");
  for (int k = 0; c.stateful && k < c.states; ++k)
    p.param(2 + c.use_bias + k, Shape::of(c.state_rows, c.u), "states");
}

}  // namespace

void rnn_plan(Plan& p, const RnnCell& cell) {
  Rnn& c = p.config<Rnn>();
  const Shape x = p.input(0, 2, 2);
  c.u = p.integer("units", at_least(1));
  c.t = x[0];
  c.i = x[1];
  c.gates = cell.gates;
  c.states = cell.states;
  c.w = c.gates * c.u;
  c.like = p.integer("like_rows", 0, at_least(0));
  c.continues = p.flag("continues");
  c.use_bias = p.flag("use_bias", true);
  c.sequences = p.flag("return_sequences");
  c.backwards = p.flag("go_backwards");
  c.masked = p.inputs() > 1;
  c.zero_masked = p.flag("zero_output_for_mask");
  c.stateful = p.flag("stateful");
  c.states_out = p.flag("return_state");
  c.reset_after = p.flag("reset_after", true);
  c.aux_used = cell.aux;
  c.trains = p.training();
  c.act = activation_from(p);
  c.rec = activation_from(p, "recurrent_activation", "recurrent_activation_args");
  c.standard = c.act.kind == kTanh && (c.gates == 1 || c.rec.kind == kSigmoid);
  c.keep_pre =
      !activation_backward_uses_y(c.act) || (c.gates > 1 && !activation_backward_uses_y(c.rec));
  c.dropout = p.number("dropout", 0);
  c.recurrent_dropout = p.number("recurrent_dropout", 0);
  c.seed = p.has("seed") ? static_cast<std::int64_t>(p.seed()) : 0;
  const bool split = p.flag("dropout_per_gate") && c.gates > 1;
  c.x_masks = c.dropout > 0 ? (split ? c.gates : 1) : 0;
  c.h_masks = c.recurrent_dropout > 0 ? c.gates : 0;
  if (c.stateful) c.state_rows = p.param(2 + c.use_bias, "states", 2, 2)[0];
  check(p, c);
  Shape y;
  if (c.sequences) y.push(c.t);
  y.push(c.u);
  p.output(y);
  Shape state;
  state.push(c.u);
  for (int k = 0; c.states_out && k < c.states; ++k) p.output(state);
  // z is larger than any of these.
  p.product(c.t, c.w);
  plan_parts(c);
  plan_steps(c, cell);
  plan_buffers(p, c, cell.aux);
  for (int k = 0; c.stateful && k < c.states; ++k) p.writes_param(2 + c.use_bias + k);
  p.backward_reads_input(0);
  if (c.masked) p.backward_reads_input(1);
  const double flops = 2.0 * static_cast<double>(c.t * c.w) * static_cast<double>(c.i + c.u);
  p.flops(flops, 2 * flops);
  if (c.team == 1) p.parallel_by_rows();
  p.whole_batch();  // one pass over the recurrent weights for all rows
}

}  // namespace pyseq::PYSEQ_NS
