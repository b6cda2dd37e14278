#include "cuda/activation.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Activation act;
  Index size;
  bool uses_y;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  c.act = activation_from(p);
  c.size = p.input(0).size();
  c.uses_y = activation_backward_uses_y(c.act);
  p.output(p.input(0));
  p.in_place();
  if (c.uses_y) p.backward_reads_output(0);
  else p.backward_reads_input(0);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Activation act = c.act;
  const float* x = r.x();
  float* y = r.y();
  for_each(r.stream, r.n * c.size, [=] __device__(Index i) { y[i] = activate(act, x[i]); });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (!r.dx()) return;
  const Activation act = c.act;
  const float* v = c.uses_y ? r.y() : r.x();
  const float* dy = r.dy();
  float* dx = r.dx();
  for_each(r.stream, r.n * c.size, [=] __device__(Index i) { dx[i] = activate_back(act, v[i], dy[i]); });
}

}  // namespace

extern const OpDef op_activation;
const OpDef op_activation{"activation", plan, forward, backward};

}  // namespace pyseq::cuda
