#include "cuda/cuda.h"

namespace pyseq::cuda {
namespace {

void plan(Plan& p) {
  Index dims[kMaxRank];
  const int rank = p.integers("dims", dims, kMaxRank);
  Shape y;
  for (int i = 0; i < rank; ++i) y.push(dims[i]);
  if (y.size() != p.input(0).size()) p.fail("expected dims of as many elements as the input");
  p.takes_int64();
  p.output(y, p.is_int64(0));
  p.alias();
}

// Never called: the output is the input.
void forward(const Run&) noexcept {}
void backward(const Run&) noexcept {}

}  // namespace

extern const OpDef op_reshape;
const OpDef op_reshape{"reshape", plan, forward, backward};

}  // namespace pyseq::cuda
