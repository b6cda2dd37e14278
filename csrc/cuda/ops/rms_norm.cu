#include "cuda/columns.h"
#include "cuda/rows.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Index outer, d;
  float epsilon;
  int sums;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  const int axes = static_cast<int>(p.integer("axes", 1));
  if (axes < 1 || axes > x.rank) p.fail("expected axes in 1 to %d, got %d", x.rank, axes);
  c.outer = x.size(0, x.rank - axes);
  c.d = x.size(x.rank - axes, x.rank);
  c.epsilon = static_cast<float>(p.number("epsilon"));
  if (p.params() != 1 || p.param(0).size() != c.d)
    p.fail("expected one variable of %lld elements", static_cast<long long>(c.d));
  p.output(x);
  p.backward_reads_input(0);
  p.keep(c.outer);
  if (p.training()) c.sums = p.scratch(0, column_scratch<Sums<1>>());
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index d = c.d;
  const float epsilon = c.epsilon, *x = r.x(), *scale = r.param(0);
  float *y = r.y(), *kept = r.kept();
  for_rows(r.stream, r.n * c.outer, d, [=] __device__(Index row, const Team& team) {
    const float* in = x + row * d;
    float square = 0;
    for (Index j = team.lane; j < team.n; j += team.lanes) square += in[j] * in[j];
    const float inv = 1 / sqrtf(team.sum(square) / static_cast<float>(d) + epsilon);
    if (team.leads) kept[row] = inv;
    for (Index j = team.lane; j < team.n; j += team.lanes) y[row * d + j] = in[j] * inv * scale[j];
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index d = c.d, rows = r.n * c.outer;
  const float *x = r.x(), *dy = r.dy(), *scale = r.param(0), *kept = r.kept();
  if (float* dscale = r.dparam(0); dscale)
    reduce_columns<Sums<1>>(
        r.stream, 1, rows, d, r.scratch(c.sums),
        [=] __device__(Sums<1> & sum, Index i, Index j) {
          sum.v[0] += dy[i * d + j] * (x[i * d + j] * kept[i]);
        },
        [=] __device__(Index, Index j, const Sums<1>& sum) { dscale[j] = sum.v[0]; });
  float* dx = r.dx();
  if (!dx) return;
  for_rows(r.stream, rows, d, [=] __device__(Index row, const Team& team) {
    const float *in = x + row * d, *g = dy + row * d;
    const float inv = team.n > 0 ? kept[row] : 0;
    float moment = 0;
    for (Index j = team.lane; j < team.n; j += team.lanes) moment += g[j] * scale[j] * (in[j] * inv);
    const float mean = team.sum(moment) / static_cast<float>(d);
    for (Index j = team.lane; j < team.n; j += team.lanes)
      dx[row * d + j] = (g[j] * scale[j] - in[j] * inv * mean) * inv;
  });
}

}  // namespace

extern const OpDef op_rms_norm;
const OpDef op_rms_norm{"rms_norm", plan, forward, backward};

}  // namespace pyseq::cuda
