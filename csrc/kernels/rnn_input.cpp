// The input of recurrent layers: its dropout and its projection.
#include "kernels/random.h"
#include "kernels/rnn_detail.h"

namespace pyseq::PYSEQ_NS {

void rnn_dropout_factors(const Run& r, const Rnn& c, double rate, int stream, Index columns,
                     real* out) {
  const RandomKey key{static_cast<std::uint64_t>(c.seed) + 0x9E3779B97F4A7C15u * (stream + 1),
                      r.step, r.op};
  const real threshold = static_cast<real>(rate);
  const real scale = rate < 1 ? static_cast<real>(1 / (1 - rate)) : real{0};
  parallel_for(r.pool, r.n, 4096 / columns + 1, [&](Index begin, Index end, int) {
    random_uniform(key, begin * columns, (end - begin) * columns, out + begin * columns);
    for (Index i = begin * columns; i < end * columns; ++i) out[i] = out[i] < threshold ? 0 : scale;
  });
}

void rnn_drop(const Run& r, const real* in, const real* factors, Index groups, Index group, Index t,
          Index k, real* out) {
  parallel_for(r.pool, r.n, 8192 / (t * k) + 1, [&](Index begin, Index end, int) {
    for (Index n = begin; n < end; ++n) {
      const real* m = factors + (n * groups + group) * k;
      for (Index s = n * t; s < (n + 1) * t; ++s)
        for (Index j = 0; j < k; ++j) out[s * k + j] = in[s * k + j] * m[j];
    }
  });
}

// Every gate's bias of the input projection. GRU with reset_after has a second bias inside the
// recurrent product: that of its first two gates is added here.
const real* rnn_input_bias(const Run& r, const Rnn& c) {
  if (!c.use_bias) return nullptr;
  const real* b = r.param(2);
  if (!(c.aux_used && c.reset_after)) return b;
  real* sum = r.scratch(c.bias_sum);
  for (Index j = 0; j < c.w; ++j) sum[j] = b[j] + (j < 2 * c.u ? b[c.w + j] : real{0});
  return sum;
}

void rnn_gemm(const Run& r, const Rnn& c, const Gemm& g) {
  gemm(r.pool, g, r.scratch(c.gemm_shared), r.scratch(c.gemm_worker, 0),
       r.worker_stride_[c.gemm_worker] / static_cast<Index>(sizeof(real)));
}

void rnn_project_packed(const Run& r, const Rnn& c, Index first, Index rows, const real* bias,
                    real* z) {
  constexpr Index kPiece = 14;
  const Index all = rows * c.t, work = kPiece * c.w * c.i;
  parallel_for(r.pool, (all + kPiece - 1) / kPiece, larger(1, 200000 / work),
               [&](Index begin, Index end, int) {
                 for (Index piece = begin; piece < end; ++piece) {
                   Gemm m;
                   m.m = smaller(kPiece, all - piece * kPiece);
                   m.n = c.w;
                   m.k = c.i;
                   m.a = static_cast<const real*>(r.x()) + (first * c.t + piece * kPiece) * c.i;
                   m.a_row = c.i;
                   m.c = z + piece * kPiece * c.w;
                   m.ldc = c.w;
                   m.bias = bias;
                   m.like = c.like > 0 ? c.like : all;  // the last piece too
                   gemm_packed(m, rnn_packed_weights(r, c) + c.input_offset);
                 }
               });
}

void rnn_project(const Run& r, const Rnn& c, Index first, Index rows, const real* bias, real* z) {
  const real* x = r.x();
  const real* kernel = r.param(0);
  const bool dropping = r.training && c.x_masks;
  const int groups = dropping ? c.x_masks : 1;
  const Index columns = c.w / groups;
  for (int g = 0; g < groups; ++g) {
    Gemm m;
    m.m = rows * c.t;
    m.n = columns;
    m.k = c.i;
    m.a = x + first * c.t * c.i;
    if (dropping) {
      real* dropped = r.scratch(c.x_dropped);
      if (first == 0) rnn_drop(r, x, rnn_buffer(r, c, c.x_mask), groups, g, c.t, c.i, dropped);
      m.a = dropped + first * c.t * c.i;
    }
    m.a_row = c.i;
    m.like = c.like;
    m.b = kernel + g * columns;
    m.b_row = c.w;
    m.c = z + g * columns;
    m.ldc = c.w;
    m.bias = bias ? bias + g * columns : nullptr;
    rnn_gemm(r, c, m);
  }
}

}  // namespace pyseq::PYSEQ_NS
