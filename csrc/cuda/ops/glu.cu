#include "cuda/activation.h"
#include "cuda/divide.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Index size;    // of an output sample
  Divider half;  // the half axis and what follows it
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  Shape y = p.input(0);
  const Index axis = p.integer("axis", -1);
  const int at = static_cast<int>(axis < 0 ? axis + y.rank : axis);
  if (at < 0 || at >= y.rank || y[at] % 2) p.fail("expected an axis of even size");
  y[at] /= 2;
  c.size = y.size();
  c.half = Divider(y.size(at, y.rank));
  p.output(y);
  p.backward_reads_input(0);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Divider half = c.half;
  const float* x = r.x();
  float* y = r.y();
  for_each(r.stream, r.n * c.size, [=] __device__(Index i) {
    const Index at = i + half.quotient(i) * half.d;
    y[i] = x[at] * activations::sigmoid(x[at + half.d]);
  });
}

void backward(const Run& r) noexcept {
  if (!r.dx()) return;
  const Config& c = r.config<Config>();
  const Divider half = c.half;
  const float *x = r.x(), *dy = r.dy();
  float* dx = r.dx();
  for_each(r.stream, r.n * c.size, [=] __device__(Index i) {
    const Index at = i + half.quotient(i) * half.d;
    const float s = activations::sigmoid(x[at + half.d]), g = dy[i];
    dx[at] = g * s;
    dx[at + half.d] = g * x[at] * (s * (1 - s));
  });
}

}  // namespace

extern const OpDef op_glu;
const OpDef op_glu{"glu", plan, forward, backward};

}  // namespace pyseq::cuda
