#include "cuda/columns.h"
#include "cuda/divide.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Index t, d;
  Strided repeated;
  int sums;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  c.t = p.integer("n");
  c.d = x[0];
  if (x.rank != 1 || c.t < 1) p.fail("expected an input of rank 1, and n >= 1");
  const Index size[] = {c.t, c.d}, stride[] = {0, 1};
  c.repeated = strided(2, size, stride, c.d);
  Shape y;
  y.push(c.t);
  y.push(c.d);
  p.output(y);
  if (p.training()) c.sums = p.scratch(0, column_scratch<Sums<1>>());
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  gather(r.stream, c.repeated, r.n * c.t * c.d, r.x(), r.y());
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (!r.dx()) return;
  const float* dy = r.dy();
  float* dx = r.dx();
  const Index d = c.d;
  reduce_columns<Sums<1>>(
      r.stream, r.n, c.t, d, r.scratch(c.sums),
      [=] __device__(Sums<1> & sum, Index i, Index j) { sum.v[0] += dy[i * d + j]; },
      [=] __device__(Index n, Index j, const Sums<1>& sum) { dx[n * d + j] = sum.v[0]; });
}

}  // namespace

extern const OpDef op_repeat_vector;
const OpDef op_repeat_vector{"repeat_vector", plan, forward, backward};

}  // namespace pyseq::cuda
