#include "cuda/axis.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Axis axis;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  Index axis = p.integer("axis", -1);
  if (axis < 0) axis += x.rank;
  if (axis < 0 || axis >= x.rank) p.fail("expected an axis below rank %d", x.rank);
  c.axis = make_axis(x, static_cast<int>(axis), static_cast<int>(axis));
  p.output(x);
  p.in_place();
  p.backward_reads_output(0);
}

// As the CPU: Michelot's iteration, relative to the largest element. All lines of a block go on until
// the last one has its support: sums are collective.
__device__ inline float find_threshold(const float* x, Index step, const Team& team) {
  float top = -INFINITY;
  for (Index j = team.lane; j < team.n; j += team.lanes) top = fmaxf(top, x[j * step]);
  top = team.max(top);
  float tau = -1, support = 0;
  for (bool done = false;;) {
    float sum = 0, count = 0;
    for (Index j = team.lane; j < team.n; j += team.lanes) {
      const float v = x[j * step] - top;
      if (v > tau) sum += v, count += 1;
    }
    sum = team.sum(sum);
    count = team.sum(count);
    done = done || count == support || count == 0;
    if (!done) tau = (sum - 1) / count, support = count;
    if (team.block.max(done ? 0.0f : 1.0f) == 0) break;
  }
  // NaN and infinite inputs have no support.
  return support > 0 ? tau + top : NAN;
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index step = c.axis.step;
  const float* x = r.x();
  float* y = r.y();
  for_lines(r.stream, c.axis, r.n, [=] __device__(Index at, const Team& team) {
    const float tau = find_threshold(x + at, step, team);
    for (Index j = team.lane; j < team.n; j += team.lanes) {
      const float v = x[at + j * step] - tau;
      y[at + j * step] = v <= 0 ? 0 : v;
    }
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (!r.dx()) return;
  const Index step = c.axis.step;
  const float *y = r.y(), *dy = r.dy();
  float* dx = r.dx();
  for_lines(r.stream, c.axis, r.n, [=] __device__(Index at, const Team& team) {
    float sum = 0, count = 0;
    for (Index j = team.lane; j < team.n; j += team.lanes)
      if (y[at + j * step] != 0) sum += dy[at + j * step], count += 1;
    sum = team.sum(sum);
    const float mean = sum / team.sum(count);
    for (Index j = team.lane; j < team.n; j += team.lanes) {
      const Index k = at + j * step;
      dx[k] = y[k] != 0 ? dy[k] - mean : 0;
    }
  });
}

}  // namespace

extern const OpDef op_sparsemax;
const OpDef op_sparsemax{"sparsemax", plan, forward, backward};

}  // namespace pyseq::cuda
