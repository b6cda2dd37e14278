#include "cuda/broadcast.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Broadcast alpha;
  int sums;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  c.alpha = make_broadcast(p, p.input(0), p.param(0));
  p.output(p.input(0));
  p.backward_reads_input(0);
  if (p.training()) c.sums = p.scratch(0, broadcast_scratch(c.alpha));
}

void forward(const Run& r) noexcept {
  const Broadcast alpha = r.config<Config>().alpha;
  const float *x = r.x(), *a = r.param(0);
  float* y = r.y();
  for_each(r.stream, r.n * alpha.size, [=] __device__(Index i) {
    const float v = x[i];
    y[i] = v < 0 ? v * a[alpha.at(i)] : v;
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Broadcast alpha = c.alpha;
  const float *x = r.x(), *dy = r.dy(), *a = r.param(0);
  float* dx = r.dx();
  if (r.dparam(0)) {
    broadcast_sum(r.stream, alpha, r.n, r.scratch(c.sums), r.dparam(0), [=] __device__(Index i) {
      const float v = x[i], g = dy[i];
      if (dx) dx[i] = v < 0 ? g * a[alpha.at(i)] : g;
      return v < 0 ? v * g : 0.0f;
    });
  } else if (dx) {
    for_each(r.stream, r.n * alpha.size,
             [=] __device__(Index i) { dx[i] = x[i] < 0 ? dy[i] * a[alpha.at(i)] : dy[i]; });
  }
}

}  // namespace

extern const OpDef op_prelu;
const OpDef op_prelu{"prelu", plan, forward, backward};

}  // namespace pyseq::cuda
