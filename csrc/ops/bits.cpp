// The bytes of int64 as reals, and back, for ops that only move numbers: x int64 (N, ...), y (N, ..., L)
// with L reals of the size of an int64; or the reverse.
#include "core/op.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr Index kReals = sizeof(Index) / sizeof(real);

void plan(Plan& p) {
  const Shape x = p.input(0);
  const bool from_int64 = p.is_int64(0);
  Shape y = x;
  if (from_int64) {
    if (x.rank >= kMaxRank) p.fail("expected an input of rank below %d, got %d", kMaxRank, x.rank);
    y.push(kReals);
  } else {
    if (x.rank < 1 || x[-1] != kReals)
      p.fail("expected a last dimension of %lld", static_cast<long long>(kReals));
    --y.rank;
  }
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

}  // namespace pyseq::PYSEQ_NS
