// Blocks of rows through all steps.
#include "kernels/rnn_detail.h"
#include "kernels/rnn_fused.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr Index kCoreWeights = 131072;    // reals of recurrent weights that stay in a core's cache
constexpr Index kForwardCache = 1 << 20;  // reals of z that a forward-only plan works on at a time

// y of one step; a masked step repeats the output before it, or is zero. What goes on from earlier calls
// has that output in its state.
void write_outputs(const Run& r, const Rnn& c, const RnnStep& s, Index position, bool last) {
  if (!c.sequences && !last && !c.masked) return;
  const Index ld = c.sequences ? c.t * c.u : c.u;
  real* y = static_cast<real*>(r.y()) + s.first * ld + (c.sequences ? position * c.u : 0);
  for (Index n = 0; n < s.rows; ++n, y += ld) {
    const bool before = position == 0 && c.continues && !c.zero_masked;
    if (!s.skips(n) || before) copy(s.h_next + n * s.ld_next, y, c.u);
    else if (c.zero_masked || position == 0) zero(y, c.u);
    else if (c.sequences) copy(y - c.u, y, c.u);
  }
}

void keep_masked_state(const Rnn& c, const RnnStep& s) {
  for (Index n = 0; n < s.rows; ++n) {
    if (!s.skips(n)) continue;
    copy(s.h + n * s.ld_h, s.h_next + n * s.ld_next, c.u);
    if (c.states == 2) copy(s.c + n * s.ld_h, s.c_next + n * s.ld_next, c.u);
  }
}

// x of the projection: after its dropout, where there is one mask for all gates.
const real* projected_input(const Run& r, const Rnn& c) {
  return r.training && c.x_masks ? r.scratch(c.x_dropped) : r.x();
}

void project_step(const Run& r, const Rnn& c, const RnnStep& s, const real* x, const real* bias) {
  Gemm m;
  m.m = s.rows;
  m.n = c.w;
  m.k = c.i;
  m.a = x + (s.first * c.t + s.t) * c.i;
  m.a_row = c.t * c.i;
  m.c = s.z;
  m.ldc = s.ld_z;
  m.bias = bias;
  m.like = r.n;
  gemm_packed(m, rnn_packed_weights(r, c) + c.input_offset);
}

// Where the state of a step is and where the next one goes.
void place_state(const Rnn& c, const RnnBlock& b, RnnStep& s, Index position) {
  const int now = position & 1;
  if (!c.trains) {
    s.h = b.slot(c, now);
    s.c = b.slot(c, 2 + now);
    s.ld_h = c.u;
  }
  if (c.trains && position < c.t - 1) {
    const Index ahead = c.backwards ? -c.u : c.u;
    s.h_next = const_cast<real*>(s.h) + ahead;
    s.c_next = s.c ? const_cast<real*>(s.c) + ahead : nullptr;
    s.ld_next = s.ld_h;
  } else {
    s.h_next = b.slot(c, 1 - now);
    s.c_next = b.slot(c, 3 - now);
    s.ld_next = c.u;
  }
}

void forward_block(const Run& r, const Rnn& c, const RnnCell& cell, const RnnBlock& b, real* z,
                   const real* bias) {
  RnnStep s = rnn_begin_block(r, c, b);
  const bool projects = rnn_projects_in_steps(c, r.n);
  const real* x = projected_input(r, c);
  for (Index position = 0; position < c.t; ++position) {
    if (pool_interrupted(r.pool)) return;
    const bool last = position == c.t - 1;
    const Index t = c.backwards ? c.t - 1 - position : position;
    rnn_at_step(s, r, c, b, z, t);
    place_state(c, b, s, position);
    if (position == 0) {
      rnn_initial_state(r, c, b, 0, const_cast<real*>(s.h), s.ld_h);
      if (c.states == 2) rnn_initial_state(r, c, b, 1, const_cast<real*>(s.c), s.ld_h);
    }
    if (projects) project_step(r, c, s, x, bias);
    if (c.fused) cell.fused(s, 0, rnn_groups(c.u));
    else cell.forward(s);
    if (c.masked) keep_masked_state(c, s);
    write_outputs(r, c, s, position, last);
  }
  if (c.stateful || c.states_out) rnn_final_state(r, c, s);
}

}  // namespace

// An even number of blocks of one size, at most 8 where kRnnBlock allows. Weights that do not fit
// into a core's cache are read once for each block: then as few as keep the workers busy. The bits
// of a row are the same in any block: products are like those of the whole batch.
Index rnn_block_rows(const Rnn& c, Index n, int workers) {
  if (n < 2) return 1;
  const auto even = [](Index count) { return count + count % 2; };
  const Index least = even((n + kRnnBlock - 1) / kRnnBlock);
  Index count = larger(smaller(even((n + 4) / 8), 8), least);
  if (c.u * c.w > kCoreWeights) {
    const Index busy = smaller(workers, (n + 7) / 8);
    count = ((n + kRnnBlock - 1) / kRnnBlock + busy - 1) / busy * busy;
  }
  return (n + count - 1) / count;
}

void rnn_initial_state(const Run& r, const Rnn& c, const RnnBlock& b, int which, real* out,
                       Index ld) {
  const real* state =
      c.stateful ? static_cast<const real*>(r.param(2 + c.use_bias + which)) : nullptr;
  for (Index n = 0; n < b.rows; ++n) {
    if (state && b.first + n < c.state_rows) copy(state + (b.first + n) * c.u, out + n * ld, c.u);
    else zero(out + n * ld, c.u);
  }
}

void rnn_final_state(const Run& r, const Rnn& c, const RnnStep& s) {
  for (int which = 0; which < c.states; ++which) {
    const real* from = which ? s.c_next : s.h_next;
    for (Index n = 0; n < s.rows; ++n) {
      const Index at = (s.first + n) * c.u;
      if (c.stateful && s.first + n < c.state_rows)
        copy(from + n * s.ld_next, static_cast<real*>(r.param(2 + c.use_bias + which)) + at, c.u);
      if (c.states_out) copy(from + n * s.ld_next, static_cast<real*>(r.y(1 + which)) + at, c.u);
    }
  }
}

void rnn_forward(const Run& r, const RnnCell& cell) {
  const Rnn& c = r.config<Rnn>();
  if (r.training && c.x_masks)
    rnn_dropout_factors(r, c, c.dropout, 0, c.x_masks * c.i, rnn_buffer(r, c, c.x_mask));
  if (r.training && c.h_masks)
    rnn_dropout_factors(r, c, c.recurrent_dropout, 1, c.h_masks * c.u, rnn_buffer(r, c, c.h_mask));
  const bool in_steps = rnn_projects_in_steps(c, r.n);
  if (c.trains && (c.fused || !rnn_is_fresh(c, r.n))) rnn_pack_forward(r, c, in_steps);
  const real* bias = rnn_input_bias(r, c);
  real* z = rnn_buffer(r, c, c.z);
  if (in_steps) {
    if (r.training && c.x_masks)
      rnn_drop(r, r.x(), rnn_buffer(r, c, c.x_mask), 1, 0, c.t, c.i, r.scratch(c.x_dropped));
    const Index row = c.trains ? c.t * c.w : c.w;
    rnn_for_blocks(r, c, 0, r.n, [&](const RnnBlock& b) {
      forward_block(r, c, cell, b, z + b.first * row, bias);
    });
    return;
  }
  if (r.n == 1 && c.team > 1 && !(r.training && c.x_masks)) {
    rnn_forward_team(r, c, cell, z, bias);
    return;
  }
  const Index block = rnn_block_rows(c, r.n, pool_workers(r.pool)), row = c.t * c.w;
  // Without a backward z is needed once: as many rows at a time as stay in the cache.
  Index group = r.n;
  if (!c.trains && !(r.training && c.x_masks))
    group = smaller(r.n, larger(kForwardCache / (row * block), 8) * block);
  for (Index first = 0; first < r.n; first += group) {
    const Index rows = smaller(group, r.n - first);
    if (!c.trains && c.input_offset >= 0 && !(r.training && c.x_masks))
      rnn_project_packed(r, c, first, rows, bias, z);
    else rnn_project(r, c, first, rows, bias, z);
    rnn_for_blocks(r, c, first, rows, [&](const RnnBlock& b) {
      forward_block(r, c, cell, b, z + (b.first - first) * row, bias);
    });
  }
}

}  // namespace pyseq::PYSEQ_NS
