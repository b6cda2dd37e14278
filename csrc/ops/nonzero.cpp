// y = 1 where x is not 0, else 0: the mask of Embedding    x (N, ...)  y (N, ...)
#include "core/op.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

void plan(Plan& p) {
  p.config<Index>() = p.input(0).size();
  p.output(p.input(0));
  p.flops(static_cast<double>(p.input(0).size()), 0);
}

void forward(const Run& r) noexcept {
  const real* x = r.x();
  real* y = r.y();
  parallel_for(r.pool, r.n * r.config<Index>(), 16384, [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) y[i] = x[i] != 0;
  });
}

void backward(const Run& r) noexcept {
  if (real* dx = r.dx(); dx)
    __builtin_memset(dx, 0, static_cast<std::size_t>(r.n * r.config<Index>()) * sizeof(real));
}

}  // namespace

extern const OpDef op_nonzero;
const OpDef op_nonzero{"nonzero", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
