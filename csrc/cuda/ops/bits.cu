#include "cuda/cuda.h"

namespace pyseq::cuda {
namespace {

constexpr Index kReals = sizeof(Index) / sizeof(float);

void plan(Plan& p) {
  const Shape x = p.input(0);
  const bool from_int64 = p.is_int64(0);
  Shape y = x;
  if (from_int64) y.push(kReals);
  else --y.rank;
  p.takes_int64();
  p.output(y, !from_int64);
  p.alias();
}

// Never called: the output is the input.
void forward(const Run&) noexcept {}
void backward(const Run&) noexcept {}

}  // namespace

extern const OpDef op_bits;
const OpDef op_bits{"bits", plan, forward, backward};

}  // namespace pyseq::cuda
