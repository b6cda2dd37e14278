// y = x under another shape    x (N, ...)  y (N, dims)    attribute dims: the new dimensions
#include "core/op.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

void plan(Plan& p) {
  const Shape x = p.input(0);
  Index dims[kMaxRank];
  const int rank = p.integers("dims", dims, kMaxRank, at_least(0));
  Shape y;
  Index size = 1;
  for (int i = 0; i < rank; ++i) y.push(dims[i]), size = p.product(size, dims[i]);
  if (y.size() != x.size())
    p.fail("expected dims of %lld elements, got %lld", static_cast<long long>(x.size()),
           static_cast<long long>(y.size()));
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

}  // namespace pyseq::PYSEQ_NS
