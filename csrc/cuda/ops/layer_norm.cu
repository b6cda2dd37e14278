#include "cuda/columns.h"
#include "cuda/rows.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Index outer, d;
  float epsilon;
  bool uncentered;  // rms_scaling
  int gamma, beta;
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
  c.uncentered = p.flag("rms_scaling");
  int next = 0;
  c.gamma = p.flag("scale", true) ? next++ : -1;
  c.beta = p.flag("center", true) ? next++ : -1;
  if (p.params() != next) p.fail("expected %d variables, got %d", next, p.params());
  for (int i = 0; i < next; ++i)
    if (p.param(i).size() != c.d)
      p.fail("expected variables of %lld elements", static_cast<long long>(c.d));
  p.output(x);
  p.backward_reads_input(0);
  p.keep(2 * c.outer);
  if (p.training()) c.sums = p.scratch(0, column_scratch<Sums<2>>());
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index d = c.d;
  const bool uncentered = c.uncentered;
  const float epsilon = c.epsilon, size = static_cast<float>(d);
  const float* x = r.x();
  const float* gamma = c.gamma < 0 ? nullptr : static_cast<const float*>(r.param(c.gamma));
  const float* beta = c.beta < 0 ? nullptr : static_cast<const float*>(r.param(c.beta));
  float *y = r.y(), *kept = r.kept();
  for_rows(r.stream, r.n * c.outer, d, [=] __device__(Index row, const Team& team) {
    const float* in = x + row * d;
    float sum = 0, square = 0;
    for (Index j = team.lane; j < team.n; j += team.lanes) sum += in[j];
    const float mean = team.sum(sum) / size;
    for (Index j = team.lane; j < team.n; j += team.lanes) square += (in[j] - mean) * (in[j] - mean);
    const float inv = 1 / sqrtf(team.sum(square) / size + epsilon), origin = uncentered ? 0 : mean;
    if (team.leads) kept[2 * row] = mean, kept[2 * row + 1] = inv;
    for (Index j = team.lane; j < team.n; j += team.lanes) {
      const float v = (in[j] - origin) * inv * (gamma ? gamma[j] : 1);
      y[row * d + j] = beta ? v + beta[j] : v;
    }
  });
}

void parameter_gradients(const Run& r, const Config& c) {
  float* dgamma = c.gamma < 0 ? nullptr : static_cast<float*>(r.dparam(c.gamma));
  float* dbeta = c.beta < 0 ? nullptr : static_cast<float*>(r.dparam(c.beta));
  if (!dgamma && !dbeta) return;
  const Index d = c.d;
  const bool uncentered = c.uncentered;
  const float *x = r.x(), *dy = r.dy(), *kept = r.kept();
  reduce_columns<Sums<2>>(
      r.stream, 1, r.n * c.outer, d, r.scratch(c.sums),
      [=] __device__(Sums<2> & sum, Index i, Index j) {
        const float g = dy[i * d + j], origin = uncentered ? 0 : kept[2 * i];
        sum.v[0] += g;
        sum.v[1] += g * ((x[i * d + j] - origin) * kept[2 * i + 1]);
      },
      [=] __device__(Index, Index j, const Sums<2>& sum) {
        if (dbeta) dbeta[j] = sum.v[0];
        if (dgamma) dgamma[j] = sum.v[1];
      });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  parameter_gradients(r, c);
  if (!r.dx()) return;
  const Index d = c.d;
  const bool uncentered = c.uncentered;
  const float size = static_cast<float>(d);
  const float *x = r.x(), *dy = r.dy(), *kept = r.kept();
  const float* gamma = c.gamma < 0 ? nullptr : static_cast<const float*>(r.param(c.gamma));
  float* dx = r.dx();
  for_rows(r.stream, r.n * c.outer, d, [=] __device__(Index row, const Team& team) {
    const float *in = x + row * d, *dout = dy + row * d;
    const float mean = team.n > 0 ? kept[2 * row] : 0, inv = team.n > 0 ? kept[2 * row + 1] : 0;
    const float origin = uncentered ? 0 : mean;
    float sum = 0, moment = 0;
    for (Index j = team.lane; j < team.n; j += team.lanes) {
      const float g = dout[j] * (gamma ? gamma[j] : 1);
      sum += g;
      moment += g * ((in[j] - origin) * inv);
    }
    const float mean_sum = uncentered ? 0 : team.sum(sum) / size;
    const float mean_moment = team.sum(moment) / size;
    for (Index j = team.lane; j < team.n; j += team.lanes) {
      const float g = dout[j] * (gamma ? gamma[j] : 1);
      dx[row * d + j] = (g - mean_sum - (in[j] - mean) * inv * mean_moment) * inv;
    }
  });
}

}  // namespace

extern const OpDef op_layer_norm;
const OpDef op_layer_norm{"layer_norm", plan, forward, backward};

}  // namespace pyseq::cuda
