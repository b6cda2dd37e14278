#include "cuda/rnn_sequence.h"

namespace pyseq::cuda {
namespace {

void plan(Plan& p) { rnn_plan(p, 1, 1, false); }
void forward(const Run& r) noexcept { sequence_forward<SimpleCell>(r, r.config<Rnn>()); }
void backward(const Run& r) noexcept { sequence_backward<SimpleCell>(r, r.config<Rnn>()); }

}  // namespace

extern const OpDef op_simple_rnn;
const OpDef op_simple_rnn{"simple_rnn", plan, forward, backward};

}  // namespace pyseq::cuda
