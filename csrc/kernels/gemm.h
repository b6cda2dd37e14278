#pragma once
#include "kernels/activation.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {

// C (M,N) = act(A (M,K) B (K,N) + bias (N)) [+ C]. Element (i,j) of A is a[i*a_row + j*a_col]; of
// each operand one stride is 1, so a transpose is a swap of strides. C is row major.
struct Gemm {
  Index m = 0, n = 0, k = 0;
  const real* a = nullptr;
  Index a_row = 0, a_col = 1;
  const real* b = nullptr;
  Index b_row = 0, b_col = 1;
  real* c = nullptr;
  Index ldc = 0;
  bool accumulate = false;     // add to what C holds (then no bias or activation)
  const real* bias = nullptr;  // (N) or null
  Activation act;
  const real* blocks = nullptr;  // B as gemm_pack_blocks keeps it, or null
  Index like = 0;                // rows of the product whose bits are wanted; 0: m
};

PYSEQ_INLINE Index gemm_like(const Gemm& g) { return g.like > 0 ? g.like : g.m; }

// Scratch in reals that gemm needs: a shared part and a part for each worker. Upper bound for any
// m' <= m, n' <= n, k' <= k.
struct GemmScratch {
  Index fixed, per_worker;
};
GemmScratch gemm_scratch(Index m, Index n, Index k);
// `shared` and `worker` as booked by gemm_scratch; worker w's part begins at worker + w *
// worker_stride. Bits do not depend on the number of workers.
void gemm(Pool* pool, const Gemm& g, real* shared, real* worker, Index worker_stride);

// Weights packed once and multiplied many times (recurrent steps, inference).
Index gemm_packed_size(Index n, Index k);  // reals
void gemm_pack(const real* b, Index b_row, Index b_col, Index n, Index k, real* packed);
// As gemm, with B = packed; serial; no scratch.
void gemm_packed(const Gemm& g, const real* packed);

// The same for gemm() at any number of rows: B in the forms that it would pack itself, each from the
// first call on that wants it; the bits are the same with and without.
Index gemm_blocks_size(Index n, Index k);  // reals
void gemm_forget_blocks(real* blocks);     // before the first use, and where B has changed
bool gemm_wants_blocks(const Gemm& g);
void gemm_pack_blocks(Pool* pool, const Gemm& g, real* blocks);      // what g wants of g.b
void gemm_pack_all_blocks(Pool* pool, const Gemm& g, real* blocks);  // what any number of rows wants

// out[j] (+)= sum_i x[i*ld + j]: bias gradients. Fixed chunks: needs column_sum_scratch reals.
Index column_sum_scratch(Index rows, Index cols);
void column_sum(Pool* pool, const real* x, Index ld, Index rows, Index cols, real* out,
                bool accumulate, real* scratch);

}  // namespace pyseq::PYSEQ_NS
