// The mean or maximum over all positions; with a mask, sum x m / sum m. The gradient of a maximum is
// shared evenly between equal ones.
#include "cuda/columns.h"
#include "cuda/divide.h"
#include "cuda/rows.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Index positions, channels;
  bool max, masked;
  int parts, weights, shares;  // scratch
};

struct Maximum {
  float v;
  __device__ Maximum() : v(-INFINITY) {}
  // NaN wins.
  __device__ void merge(const Maximum& o) {
    if (o.v > v || o.v != o.v) v = o.v;
  }
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  c.max = __builtin_strcmp(p.text("mode"), "max") == 0;
  c.channels = x[-1];
  c.positions = x.size(0, x.rank - 1);
  c.masked = p.inputs() > 1;
  if (c.masked && (c.max || p.input(1).size() != c.positions))
    p.fail("expected a mask of %d steps for a mean", static_cast<int>(c.positions));
  Shape y;
  if (p.flag("keepdims"))
    for (int i = 0; i < x.rank - 1; ++i) y.push(1);
  y.push(c.channels);
  p.output(y);
  if (c.max) p.backward_reads_input(0), p.backward_reads_output(0);
  if (c.masked) {
    p.backward_reads_input(1);
    c.weights = p.scratch(1);
  }
  c.parts = p.scratch(0, column_scratch<Sums<1>>());
  if (c.max && p.training()) c.shares = p.scratch(c.channels);
}

// The number of steps that count in each sample, or null where all do.
const float* weights_of(const Run& r, const Config& c) {
  if (!c.masked) return nullptr;
  const float* const mask = r.x(1);
  float* const weights = r.scratch(c.weights);
  const Index positions = c.positions;
  for_rows(r.stream, r.n, positions, [=] __device__(Index row, Team team) {
    float sum = 0;
    for (Index t = team.lane; t < team.n; t += team.lanes) sum += mask[row * positions + t];
    sum = team.sum(sum);
    if (team.leads) weights[row] = sum;
  });
  return weights;
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index channels = c.channels, positions = c.positions;
  const float* const x = r.x();
  float* const y = r.y();
  if (c.max) {
    reduce_columns<Maximum>(
        r.stream, r.n, positions, channels, r.scratch(c.parts),
        [=] __device__(Maximum & m, Index row, Index j) {
          Maximum o;
          o.v = x[row * channels + j];
          m.merge(o);
        },
        [=] __device__(Index n, Index j, const Maximum& m) { y[n * channels + j] = m.v; });
    return;
  }
  const float* const weights = weights_of(r, c);
  const float* const mask = c.masked ? static_cast<const float*>(r.x(1)) : nullptr;
  reduce_columns<Sums<1>>(
      r.stream, r.n, positions, channels, r.scratch(c.parts),
      [=] __device__(Sums<1> & s, Index row, Index j) {
        const float v = x[row * channels + j];
        s.v[0] += mask ? mask[row] * v : v;
      },
      [=] __device__(Index n, Index j, const Sums<1>& s) {
        y[n * channels + j] = s.v[0] / (weights ? weights[n] : static_cast<float>(positions));
      });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index channels = c.channels, positions = c.positions;
  if (c.masked && r.dx(1)) zero_floats(r.stream, r.dx(1), r.n * positions);
  if (!r.dx()) return;
  const float* const dy = r.dy();
  float* const dx = r.dx();
  const Divider by_channels(channels), by_positions(positions);
  if (!c.max) {
    const float* const weights = weights_of(r, c);
    const float* const mask = c.masked ? static_cast<const float*>(r.x(1)) : nullptr;
    for_each(r.stream, r.n * positions * channels, [=] __device__(Index i) {
      const Index row = by_channels.quotient(i), n = by_positions.quotient(row);
      const float share =
          dy[n * channels + (i - row * channels)] / (weights ? weights[n] : static_cast<float>(positions));
      dx[i] = mask ? mask[row] * share : share;
    });
    return;
  }
  const float* const x = r.x();
  const float* const y = r.y();
  float* const shares = r.scratch(c.shares);
  reduce_columns<Sums<1>>(
      r.stream, r.n, positions, channels, r.scratch(c.parts),
      [=] __device__(Sums<1> & s, Index row, Index j) {
        if (x[row * channels + j] == y[by_positions.quotient(row) * channels + j]) s.v[0] += 1;
      },
      [=] __device__(Index n, Index j, const Sums<1>& s) {
        shares[n * channels + j] = dy[n * channels + j] / s.v[0];
      });
  for_each(r.stream, r.n * positions * channels, [=] __device__(Index i) {
    const Index row = by_channels.quotient(i);
    const Index at = by_positions.quotient(row) * channels + (i - row * channels);
    dx[i] = x[i] == y[at] ? shares[at] : 0.0f;
  });
}

}  // namespace

extern const OpDef op_global_pool;
const OpDef op_global_pool{"global_pool", plan, forward, backward};

}  // namespace pyseq::cuda
