#include "cuda/divide.h"
#include "cuda/total.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Index size;
  double scale;
  bool once;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  c.size = p.input(0).size();
  c.scale = p.number("scale", 1);
  c.once = p.flag("once");
  p.output(p.input(0));
  p.in_place();
  p.adds_loss();
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const float* x = r.x();
  float* y = r.y();
  double* loss = r.loss;
  const double scale = c.scale;
  total(
      r.stream, (c.once ? 1 : r.n) * c.size, [=] __device__(Index i) -> double { return x[i]; },
      [=] __device__(double sum) { *loss += scale * sum; });
  copy_floats(r.stream, y, x, r.n * c.size);
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (!r.dx()) return;
  const float* dy = r.dy();
  float* dx = r.dx();
  const float scale = static_cast<float>(c.scale);
  const Index counted = (c.once ? 1 : r.n) * c.size;
  for_each(r.stream, r.n * c.size,
           [=] __device__(Index i) { dx[i] = (dy ? dy[i] : 0.0f) + (i < counted ? scale : 0.0f); });
}

}  // namespace

extern const OpDef op_add_loss;
const OpDef op_add_loss{"add_loss", plan, forward, backward};

}  // namespace pyseq::cuda
