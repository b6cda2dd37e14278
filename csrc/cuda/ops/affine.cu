#include "cuda/divide.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Index size;
  Divider period;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  c.size = p.input(0).size();
  c.period = Divider(p.param(0).size());
  for (int i = 0; i < 3; ++i)
    if (p.param(i).size() != c.period.d) p.fail("expected three variables of one size");
  p.output(p.input(0));
  p.in_place();
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Divider period = c.period;
  const float *x = r.x(), *center = r.param(0), *scale = r.param(1), *offset = r.param(2);
  float* y = r.y();
  for_each(r.stream, r.n * c.size, [=] __device__(Index i) {
    const Index j = i - period.quotient(i) * period.d;
    y[i] = (x[i] - center[j]) * scale[j] + offset[j];
  });
}

void backward(const Run& r) noexcept {
  if (!r.dx()) return;
  const Config& c = r.config<Config>();
  const Divider period = c.period;
  const float *dy = r.dy(), *scale = r.param(1);
  float* dx = r.dx();
  for_each(r.stream, r.n * c.size, [=] __device__(Index i) {
    dx[i] = dy[i] * scale[i - period.quotient(i) * period.d];
  });
}

}  // namespace

extern const OpDef op_affine;
const OpDef op_affine{"affine", plan, forward, backward};

}  // namespace pyseq::cuda
