#pragma once
// What the files of the recurrent engine share: buffers, blocks of rows and their steps.
#include "kernels/gemm.h"
#include "kernels/rnn.h"

namespace pyseq::PYSEQ_NS {

PYSEQ_INLINE Index larger(Index a, Index b) { return a > b ? a : b; }
PYSEQ_INLINE Index smaller(Index a, Index b) { return a < b ? a : b; }

PYSEQ_INLINE void zero(real* x, Index n) {
  for (Index i = 0; i < n; ++i) x[i] = 0;
}
PYSEQ_INLINE void copy(const real* x, real* y, Index n) {
  __builtin_memcpy(y, x, n * sizeof(real));
}

// Too few products to pay for packing.
PYSEQ_INLINE bool rnn_is_fresh(const Rnn& c, Index n) { return c.trains && c.t * n < 8; }

// A few rows at a time their products with x fill the registers as well as all together would, and
// nothing of z goes through memory.
PYSEQ_INLINE bool rnn_projects_in_steps(const Rnn& c, Index n) {
  return c.input_offset >= 0 && !rnn_is_fresh(c, n) && n >= (c.trains ? 4 : 2);
}

// A number of a buffer is that of a kept one, or of a scratch one, or -1.
PYSEQ_INLINE real* rnn_buffer(const Run& r, const Rnn& c, int number) {
  if (number < 0) return nullptr;
  return c.trains ? r.kept(number) : r.scratch(number);
}

PYSEQ_INLINE real* rnn_packed_weights(const Run& r, const Rnn& c) {
  return c.trains ? r.scratch(c.packed) : r.packed(c.packed);
}

// What a worker has for its block.
struct RnnBlock {
  Index first, rows;  // of the batch
  real* slots;        // kRnnSlots buffers (rows, U)
  PYSEQ_INLINE real* slot(const Rnn& c, int k) const { return slots + k * kRnnBlock * c.u; }
};

// Pointers of step t that forward and backward share; buffers are those of a training plan.
PYSEQ_INLINE void rnn_at_step(RnnStep& s, const Run& r, const Rnn& c, const RnnBlock& b, real* z,
                              Index t) {
  s.t = t;
  const bool one_step = !c.trains && rnn_projects_in_steps(c, r.n);
  s.z = one_step ? z : z + t * c.w;
  s.ld_z = one_step ? c.w : c.t * c.w;
  s.mask = c.masked ? static_cast<const real*>(r.x(1)) + b.first * c.t + t : nullptr;
  s.ld_mask = c.t;
  if (!c.trains) return;
  const Index at = (b.first * c.t + t) * c.u;
  s.pre = c.keep_pre ? static_cast<real*>(r.kept(c.pre)) + (b.first * c.t + t) * c.w : nullptr;
  s.h = static_cast<real*>(r.kept(c.h)) + at;
  s.ld_h = s.ld_kept = c.t * c.u;
  if (c.states == 2) {
    s.c = static_cast<real*>(r.kept(c.c)) + at;
    s.tanh_c = static_cast<real*>(r.kept(c.tanh_c)) + at;
  }
  if (c.aux >= 0) s.aux = static_cast<real*>(r.kept(c.aux)) + at;
}

PYSEQ_INLINE RnnStep rnn_begin_block(const Run& r, const Rnn& c, const RnnBlock& b) {
  RnnStep s{};
  s.rnn = &c;
  s.run = &r;
  s.rows = b.rows;
  s.first = b.first;
  s.fresh = rnn_is_fresh(c, r.n);
  s.tanh_c = b.slot(c, 4);
  s.aux = b.slot(c, 5);
  s.dropped = b.slot(c, 6);
  s.tmp = b.slot(c, 7);
  s.ld_kept = c.u;
  s.gemm_worker = b.slot(c, kRnnSlots);
  return s;
}

// Rows of a block, of a batch of n rows.
Index rnn_block_rows(const Rnn& c, Index n, int workers);

// f(block) for the blocks of rows [first, first + rows).
template <class F>
PYSEQ_INLINE void rnn_for_blocks(const Run& r, const Rnn& c, Index first, Index rows, F&& f) {
  const Index size = rnn_block_rows(c, r.n, pool_workers(r.pool));
  parallel_for(r.pool, (rows + size - 1) / size, 1, [&](Index begin, Index end, int worker) {
    for (Index k = begin; k < end; ++k)
      f(RnnBlock{first + k * size, smaller(size, rows - k * size), r.scratch(c.worker, worker)});
  });
}

// Factors of `columns` numbers of each row.
void rnn_dropout_factors(const Run& r, const Rnn& c, double rate, int stream, Index columns,
                         real* out);
// out (n, T, K) = in times factors (n, groups, K) of one group
void rnn_drop(const Run& r, const real* in, const real* factors, Index groups, Index group, Index t,
              Index k, real* out);
const real* rnn_input_bias(const Run& r, const Rnn& c);
// A large product on all workers.
void rnn_gemm(const Run& r, const Rnn& c, const Gemm& g);
// z of rows [first, first + rows), with packed weights or with those of the user.
void rnn_project_packed(const Run& r, const Rnn& c, Index first, Index rows, const real* bias,
                        real* z);
void rnn_project(const Run& r, const Rnn& c, Index first, Index rows, const real* bias, real* z);

// Weights as the steps want them; `input`: those of x and dx too.
void rnn_pack_forward(const Run& r, const Rnn& c, bool input);
void rnn_pack_backward(const Run& r, const Rnn& c, bool input);

// States before the first step of a block and after the last.
void rnn_initial_state(const Run& r, const Rnn& c, const RnnBlock& b, int which, real* out,
                       Index ld);
void rnn_final_state(const Run& r, const Rnn& c, const RnnStep& s);

// One row, whose units workers share.
void rnn_forward_team(const Run& r, const Rnn& c, const RnnCell& cell, real* z, const real* bias);

}  // namespace pyseq::PYSEQ_NS
