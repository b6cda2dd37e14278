#include "cuda/rows.h"

namespace pyseq::cuda {
namespace {

struct Config {
  float value;
  Index steps, d;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  if (x.rank < 1) p.fail("expected an input of rank 1 or more, got %d", x.rank);
  c.value = static_cast<float>(p.number("mask_value"));
  c.d = x[-1];
  c.steps = x.size(0, x.rank - 1);
  Shape mask = x;
  mask.rank -= 1;
  p.output(x);
  p.output(mask);
  p.backward_reads_output(1);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const float value = c.value;
  const Index d = c.d;
  const float* x = r.x();
  float *y = r.y(), *mask = r.y(1);
  for_rows(r.stream, r.n * c.steps, d, [=] __device__(Index row, const Team& team) {
    const float* in = x + row * d;
    float any = 0;
    for (Index j = team.lane; j < team.n; j += team.lanes) any = in[j] != value ? 1.0f : any;
    any = team.max(any);
    if (team.leads) mask[row] = any;
    for (Index j = team.lane; j < team.n; j += team.lanes) y[row * d + j] = any != 0 ? in[j] : 0;
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (!r.dx()) return;
  const Index d = c.d;
  const float *dy = r.dy(), *mask = r.y(1);
  float* dx = r.dx();
  for_rows(r.stream, r.n * c.steps, d, [=] __device__(Index row, const Team& team) {
    if (team.n == 0) return;
    const bool passes = dy && mask[row] != 0;
    for (Index j = team.lane; j < team.n; j += team.lanes) dx[row * d + j] = passes ? dy[row * d + j] : 0;
  });
}

}  // namespace

extern const OpDef op_masking;
const OpDef op_masking{"masking", plan, forward, backward};

}  // namespace pyseq::cuda
