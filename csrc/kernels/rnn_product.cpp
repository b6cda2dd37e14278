// Recurrent weights: packed, and multiplied within the steps.
#include "kernels/rnn_detail.h"

namespace pyseq::PYSEQ_NS {
namespace {

void pack_units(const Rnn& c, const real* weights, real* out) {
  for (Index j = 0; j < c.u; j += kLanes) {
    const int k = static_cast<int>(smaller(kLanes, c.u - j));
    for (Index row = 0; row < c.u; ++row)
      for (int g = 0; g < c.gates; ++g, out += kLanes)
        store(out, rnn_load(weights + row * c.w + g * c.u + j, k));
  }
}

}  // namespace

void rnn_pack_forward(const Run& r, const Rnn& c, bool input) {
  const real* weights = r.param(1);
  real* packed = rnn_packed_weights(r, c);
  if (c.fused) pack_units(c, weights, packed);
  for (int k = 0; !c.fused && k < c.parts; ++k)
    gemm_pack(weights + c.part_begin[k], c.w, 1, c.part_begin[k + 1] - c.part_begin[k], c.u,
              packed + c.packed_offset[k]);
  if (input) gemm_pack(r.param(0), c.w, 1, c.w, c.i, packed + c.input_offset);
}

void rnn_pack_backward(const Run& r, const Rnn& c, bool input) {
  const real* weights = r.param(1);
  real* packed = r.scratch(c.packed);
  for (int k = 0; k < c.parts; ++k)
    gemm_pack(weights + c.part_begin[k], 1, c.w, c.u, c.part_begin[k + 1] - c.part_begin[k],
              packed + c.packed_back_offset[k]);
  if (input) gemm_pack(r.param(0), 1, c.w, c.i, c.w, packed + c.input_back_offset);
}

void rnn_pack(const Run& r) noexcept {
  const Rnn& c = r.config<Rnn>();
  rnn_pack_forward(r, c, c.input_offset >= 0);
}

const real* rnn_units(const RnnStep& s) { return rnn_packed_weights(*s.run, *s.rnn); }

const real* rnn_h_mask(const RnnStep& s, Index row, int gate) {
  const Rnn& c = *s.rnn;
  if (!s.run->training || !c.h_masks) return nullptr;
  return rnn_buffer(*s.run, c, c.h_mask) + ((s.first + row) * c.h_masks + gate) * c.u;
}

const real* rnn_dropped(const RnnStep& s, int gate, const real* h, Index* ld_h) {
  if (!rnn_h_mask(s, 0, gate)) return h;
  const Index u = s.rnn->u;
  for (Index n = 0; n < s.rows; ++n) {
    const real* m = rnn_h_mask(s, n, gate);
    for (Index j = 0; j < u; ++j) s.dropped[n * u + j] = h[n * *ld_h + j] * m[j];
  }
  *ld_h = u;
  return s.dropped;
}

void rnn_product(const RnnStep& s, int part, const real* a, Index ld_a, real* to, Index ld_to,
                 bool accumulate, const real* bias) {
  const Rnn& c = *s.rnn;
  Gemm m;
  m.m = s.rows;
  m.n = c.part_begin[part + 1] - c.part_begin[part];
  m.k = c.u;
  m.a = a;
  m.a_row = ld_a;
  m.b = static_cast<const real*>(s.run->param(1)) + c.part_begin[part];
  m.b_row = c.w;
  m.c = to;
  m.ldc = ld_to;
  m.accumulate = accumulate;
  m.bias = bias;
  m.like = s.run->n;
  if (s.fresh)
    gemm(nullptr, m, s.gemm_worker, s.gemm_worker + gemm_scratch(m.m, m.n, m.k).fixed, 0);
  else gemm_packed(m, rnn_packed_weights(*s.run, c) + c.packed_offset[part]);
}

void rnn_product_back(const RnnStep& s, int part, const real* dz, Index ld_dz, real* dh,
                      bool accumulate) {
  const Rnn& c = *s.rnn;
  Gemm m;
  m.m = s.rows;
  m.n = c.u;
  m.k = c.part_begin[part + 1] - c.part_begin[part];
  m.a = dz;
  m.a_row = ld_dz;
  m.b = static_cast<const real*>(s.run->param(1)) + c.part_begin[part];
  m.b_row = 1;
  m.b_col = c.w;
  m.c = dh;
  m.ldc = c.u;
  m.accumulate = accumulate;
  m.like = s.run->n;
  if (s.fresh)
    gemm(nullptr, m, s.gemm_worker, s.gemm_worker + gemm_scratch(m.m, m.n, m.k).fixed, 0);
  else
    gemm_packed(m, static_cast<const real*>(s.run->scratch(c.packed)) + c.packed_back_offset[part]);
}

void rnn_dropped_product_back(const RnnStep& s, int part, const real* dz, Index ld_dz, real* dh,
                              bool accumulate) {
  if (!rnn_h_mask(s, 0, part)) {
    rnn_product_back(s, part, dz, ld_dz, dh, accumulate);
    return;
  }
  const Index u = s.rnn->u;
  rnn_product_back(s, part, dz, ld_dz, s.tmp, false);
  for (Index n = 0; n < s.rows; ++n) {
    const real* m = rnn_h_mask(s, n, part);
    real* to = dh + n * u;
    for (Index j = 0; j < u; ++j) {
      const real v = s.tmp[n * u + j] * m[j];
      to[j] = accumulate ? to[j] + v : v;
    }
  }
}

}  // namespace pyseq::PYSEQ_NS
