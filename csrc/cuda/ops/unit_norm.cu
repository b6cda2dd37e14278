#include "cuda/rows.h"

namespace pyseq::cuda {
namespace {

constexpr float kLargest = 1e12f;

struct Config {
  Index outer, d;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  const int axes = static_cast<int>(p.integer("axes", 1));
  if (axes < 1 || axes > x.rank) p.fail("expected axes in 1 to %d, got %d", x.rank, axes);
  c.outer = x.size(0, x.rank - axes);
  c.d = x.size(x.rank - axes, x.rank);
  p.output(x);
  p.backward_reads_output(0);
  p.keep(c.outer);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index d = c.d;
  const float* x = r.x();
  float *y = r.y(), *kept = r.kept();
  for_rows(r.stream, r.n * c.outer, d, [=] __device__(Index row, const Team& team) {
    const float* in = x + row * d;
    float square = 0;
    for (Index j = team.lane; j < team.n; j += team.lanes) square += in[j] * in[j];
    const float norm = sqrtf(team.sum(square));
    const float inverse = norm <= 1 / kLargest ? kLargest : 1 / norm;
    if (team.leads) kept[row] = inverse;
    for (Index j = team.lane; j < team.n; j += team.lanes) y[row * d + j] = in[j] * inverse;
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (!r.dx()) return;
  const Index d = c.d;
  const float *y = r.y(), *dy = r.dy(), *kept = r.kept();
  float* dx = r.dx();
  for_rows(r.stream, r.n * c.outer, d, [=] __device__(Index row, const Team& team) {
    const float *out = y + row * d, *g = dy + row * d;
    float product = 0;
    for (Index j = team.lane; j < team.n; j += team.lanes) product += out[j] * g[j];
    product = team.sum(product);
    if (team.n == 0) return;
    const float inverse = kept[row], along = inverse == kLargest ? 0 : product;
    for (Index j = team.lane; j < team.n; j += team.lanes)
      dx[row * d + j] = (g[j] - out[j] * along) * inverse;
  });
}

}  // namespace

extern const OpDef op_unit_norm;
const OpDef op_unit_norm{"unit_norm", plan, forward, backward};

}  // namespace pyseq::cuda
