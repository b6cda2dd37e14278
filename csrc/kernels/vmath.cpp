#include "kernels/vmath.h"

#include "kernels/simd.h"

namespace pyseq::PYSEQ_NS {

void vexp(const real* x, real* y, Index n) {
  map(x, y, n, [](V v) { return exp_v(v); });
}
void vlog(const real* x, real* y, Index n) {
  map(x, y, n, [](V v) { return log_v(v); });
}
void vtanh(const real* x, real* y, Index n) {
  map(x, y, n, [](V v) { return tanh_v(v); });
}
void vsigmoid(const real* x, real* y, Index n) {
  map(x, y, n, [](V v) { return sigmoid_v(v); });
}
void verf(const real* x, real* y, Index n) {
  map(x, y, n, [](V v) { return erf_v(v); });
}

}  // namespace pyseq::PYSEQ_NS
