#include "cuda/divide.h"

namespace pyseq::cuda {
namespace {

void plan(Plan& p) {
  p.config<Index>() = p.input(0).size();
  p.output(p.input(0));
}

void forward(const Run& r) noexcept {
  const float* x = r.x();
  float* y = r.y();
  for_each(r.stream, r.n * r.config<Index>(), [=] __device__(Index i) { y[i] = x[i] != 0 ? 1.0f : 0.0f; });
}

void backward(const Run& r) noexcept {
  if (r.dx()) zero_floats(r.stream, r.dx(), r.n * r.config<Index>());
}

}  // namespace

extern const OpDef op_nonzero;
const OpDef op_nonzero{"nonzero", plan, forward, backward};

}  // namespace pyseq::cuda
