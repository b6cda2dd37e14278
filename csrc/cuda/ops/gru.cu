#include "cuda/rnn_sequence.h"

namespace pyseq::cuda {
namespace {

void plan(Plan& p) { rnn_plan(p, 3, 1, true); }

void forward(const Run& r) noexcept {
  const Rnn& c = r.config<Rnn>();
  if (c.reset_after) sequence_forward<GruCell<true>>(r, c);
  else sequence_forward<GruCell<false>>(r, c);
}

void backward(const Run& r) noexcept {
  const Rnn& c = r.config<Rnn>();
  if (c.reset_after) sequence_backward<GruCell<true>>(r, c);
  else sequence_backward<GruCell<false>>(r, c);
}

}  // namespace

extern const OpDef op_gru;
const OpDef op_gru{"gru", plan, forward, backward};

}  // namespace pyseq::cuda
