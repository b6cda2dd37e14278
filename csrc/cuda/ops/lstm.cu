#include "cuda/rnn_sequence.h"

namespace pyseq::cuda {
namespace {

void plan(Plan& p) { rnn_plan(p, 4, 2, false); }
void forward(const Run& r) noexcept { sequence_forward<LstmCell>(r, r.config<Rnn>()); }
void backward(const Run& r) noexcept { sequence_backward<LstmCell>(r, r.config<Rnn>()); }

}  // namespace

extern const OpDef op_lstm;
const OpDef op_lstm{"lstm", plan, forward, backward};

}  // namespace pyseq::cuda
