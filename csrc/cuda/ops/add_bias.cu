#include "cuda/broadcast.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Broadcast bias;
  int sums;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  c.bias = make_broadcast(p, p.input(0), p.param(0));
  p.output(p.input(0));
  p.in_place();
  if (p.training()) c.sums = p.scratch(0, broadcast_scratch(c.bias));
}

void forward(const Run& r) noexcept {
  const Broadcast bias = r.config<Config>().bias;
  const float *x = r.x(), *b = r.param(0);
  float* y = r.y();
  for_each(r.stream, r.n * bias.size, [=] __device__(Index i) { y[i] = x[i] + b[bias.at(i)]; });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const float* dy = r.dy();
  if (r.dparam(0))
    broadcast_sum(r.stream, c.bias, r.n, r.scratch(c.sums), r.dparam(0),
                  [=] __device__(Index i) { return dy[i]; });
  if (r.dx()) copy_floats(r.stream, r.dx(), dy, r.n * c.bias.size);
}

}  // namespace

extern const OpDef op_add_bias;
const OpDef op_add_bias{"add_bias", plan, forward, backward};

}  // namespace pyseq::cuda
