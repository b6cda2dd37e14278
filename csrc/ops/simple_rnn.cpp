// h = act(x K + h R + b)
// x (N, T, I)  [mask (N, T)]  y (N, U) or (N, T, U)  [h (N, U)]
#include "core/op.h"
#include "kernels/gate_math.h"
#include "kernels/rnn.h"
#include "kernels/rnn_fused.h"

namespace pyseq::PYSEQ_NS {
namespace {

void step(const RnnStep& s) {
  const Index u = s.rnn->u;
  Index ld = s.ld_h;
  const real* h = rnn_dropped(s, 0, s.h, &ld);
  rnn_product(s, 0, h, ld, s.z, s.ld_z, true, nullptr);
  for (Index row = 0; row < s.rows; ++row) {
    if (s.skips(row)) continue;
    real* z = s.z + row * s.ld_z;
    real* h_next = s.h_next + row * s.ld_next;
    if (s.rnn->standard) {
      rnn_lanes(
          u, [&](Index j, int k) __attribute__((always_inline)) {
            const V value = gate_tanh(rnn_load(z + j, k));
            rnn_store(z + j, value, k);
            rnn_store(h_next + j, value, k);
          });
      continue;
    }
    if (s.rnn->trains) rnn_keep_pre(s, row, 0, u);
    activation_forward(s.rnn->act, z, z, u);
    for (Index j = 0; j < u; ++j) h_next[j] = z[j];
  }
}

void fused(const RnnStep& s, Index first, Index last) {
  const bool keeps = s.rnn->trains;
  rnn_fused_step<1>(
      s, rnn_units(s), first, last,
      [&](Index row, Index j, int k, V(&z)[1]) __attribute__((always_inline)) {
        z[0] = rnn_load(s.z + row * s.ld_z + j, k);
      },
      [&](Index row, Index j, int k, V(&z)[1]) __attribute__((always_inline)) {
        const V value = gate_tanh(z[0]);
        rnn_store(s.h_next + row * s.ld_next + j, value, k);
        if (keeps) rnn_store(s.z + row * s.ld_z + j, value, k);
      });
}

void step_back(const RnnStep& s) {
  const Index u = s.rnn->u;
  for (Index row = 0; row < s.rows; ++row) {
    real* z = s.z + row * s.ld_z;
    real* dh = s.dh + row * u;
    if (s.skips(row)) {
      for (Index j = 0; j < u; ++j) z[j] = 0;
      continue;
    }
    const bool value = activation_backward_uses_y(s.rnn->act);
    activation_backward(s.rnn->act, value ? z : s.pre + row * s.ld_z, dh, z, u);
    for (Index j = 0; s.mask && j < u; ++j) dh[j] = 0;
  }
  rnn_dropped_product_back(s, 0, s.z, s.ld_z, s.dh, s.mask != nullptr);
}

const RnnCell cell{1, 1, false, step, step_back, fused};

void plan(Plan& p) { rnn_plan(p, cell); }
void forward(const Run& r) noexcept { rnn_forward(r, cell); }
void backward(const Run& r) noexcept { rnn_backward(r, cell); }

}  // namespace

extern const OpDef op_simple_rnn;
const OpDef op_simple_rnn{"simple_rnn", plan, forward, backward, rnn_pack};

}  // namespace pyseq::PYSEQ_NS
