#include "cuda/functions.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Unary function;
  Index size;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  c.function = function_of<Unary>(p, kUnaryNames, kUnaryCount);
  c.size = p.input(0).size();
  p.output(p.input(0));
  p.in_place();
  const Needs needs = slope_needs(c.function);
  if (needs == kInput) p.backward_reads_input(0);
  if (needs == kOutput) p.backward_reads_output(0);
  if (!has_slope(c.function)) p.ends_gradient();
}

void forward(const Run& r) noexcept {
  const Config c = r.config<Config>();
  const float* x = r.x();
  float* y = r.y();
  for_each(r.stream, r.n * c.size, [=] __device__(Index i) { y[i] = value(c.function, x[i]); });
}

void backward(const Run& r) noexcept {
  const Config c = r.config<Config>();
  if (!r.dx()) return;
  const float* dy = r.dy();
  float* dx = r.dx();
  const Needs needs = slope_needs(c.function);
  // A slope that is constant needs neither: dy stands in for what is not read.
  const float* u = needs == kInput ? r.x() : needs == kOutput ? r.y() : dy;
  const bool flat = !has_slope(c.function);
  for_each(r.stream, r.n * c.size,
           [=] __device__(Index i) { dx[i] = flat ? 0.0f : dy[i] * slope(c.function, u[i]); });
}

}  // namespace

extern const OpDef op_map;
const OpDef op_map{"map", plan, forward, backward};

}  // namespace pyseq::cuda
