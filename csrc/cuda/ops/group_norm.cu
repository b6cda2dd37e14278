#include "cuda/columns.h"
#include "cuda/divide.h"
#include "cuda/rows.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Index positions, c, groups, per_group;  // channels of a group
  float epsilon;
  int gamma, beta;
  int sums, channels, coefficients;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  if (x.rank < 1) p.fail("expected an input with a channel dimension, got none");
  c.c = x[-1];
  c.positions = x.size(0, x.rank - 1);
  c.groups = p.integer("groups");
  if (c.groups < 1 || c.c % c.groups) p.fail("expected groups to divide %lld", static_cast<long long>(c.c));
  c.per_group = c.c / c.groups;
  c.epsilon = static_cast<float>(p.number("epsilon"));
  int next = 0;
  c.gamma = p.flag("scale", true) ? next++ : -1;
  c.beta = p.flag("center", true) ? next++ : -1;
  if (p.params() != next) p.fail("expected %d variables, got %d", next, p.params());
  for (int i = 0; i < next; ++i)
    if (p.param(i).size() != c.c)
      p.fail("expected variables of %lld elements", static_cast<long long>(c.c));
  p.output(x);
  p.backward_reads_input(0);
  p.keep(2 * c.groups);
  c.sums = p.scratch(0, column_scratch<Moments>());
  c.channels = p.scratch(2 * c.c);
  if (p.training()) c.coefficients = p.scratch(2 * c.groups);
}

// The (sample, group) that an element belongs to, and its channel.
struct Place {
  Divider size, c, per_group;
  Index groups;
  __device__ Index channel(Index i) const { return i - c.quotient(i) * c.d; }
  __device__ Index group(Index i, Index channel) const {
    return size.quotient(i) * groups + per_group.quotient(channel);
  }
};

Place place(const Config& c) {
  return {Divider(c.positions * c.c), Divider(c.c), Divider(c.per_group), c.groups};
}

// Moments of each group from those of its channels.
void group_moments(const Run& r, const Config& c, const float* of_channels) {
  const Index per_group = c.per_group;
  const float positions = static_cast<float>(c.positions), epsilon = c.epsilon;
  float* kept = r.kept();
  for_rows(r.stream, r.n * c.groups, per_group, [=] __device__(Index row, const Team& team) {
    const float* in = of_channels + 2 * row * per_group;
    const float size = static_cast<float>(per_group);
    float sum = 0, square = 0;
    for (Index j = team.lane; j < team.n; j += team.lanes) sum += in[2 * j];
    const float mean = team.sum(sum) / size;
    for (Index j = team.lane; j < team.n; j += team.lanes) {
      const float d = in[2 * j] - mean;
      square += in[2 * j + 1] + positions * (d * d);
    }
    const float variance = team.sum(square) / (size * positions);
    if (team.leads) kept[2 * row] = mean, kept[2 * row + 1] = 1 / sqrtf(variance + epsilon);
  });
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index channels = c.c;
  const float* x = r.x();
  float* of_channels = r.scratch(c.channels);
  reduce_columns<Moments>(
      r.stream, r.n, c.positions, channels, r.scratch(c.sums),
      [=] __device__(Moments & m, Index i, Index j) { m.add(x[i * channels + j]); },
      [=] __device__(Index n, Index j, const Moments& m) {
        of_channels[2 * (n * channels + j)] = m.mean();
        of_channels[2 * (n * channels + j) + 1] = m.squares();
      });
  group_moments(r, c, of_channels);
  const Place at = place(c);
  const float* gamma = c.gamma < 0 ? nullptr : static_cast<const float*>(r.param(c.gamma));
  const float* beta = c.beta < 0 ? nullptr : static_cast<const float*>(r.param(c.beta));
  const float* kept = r.kept();
  float* y = r.y();
  for_each(r.stream, r.n * c.positions * channels, [=] __device__(Index i) {
    const Index j = at.channel(i), g = at.group(i, j);
    const float v = (x[i] - kept[2 * g]) * (gamma ? kept[2 * g + 1] * gamma[j] : kept[2 * g + 1]);
    y[i] = beta ? v + beta[j] : v;
  });
}

// For each sample and channel: sum dy, sum dy (x - mean) / stddev.
void channel_gradients(const Run& r, const Config& c, float* of_channels) {
  const Index channels = c.c, groups = c.groups;
  const Divider positions(c.positions), per_group(c.per_group);
  const float *x = r.x(), *dy = r.dy(), *kept = r.kept();
  reduce_columns<Sums<2>>(
      r.stream, r.n, c.positions, channels, r.scratch(c.sums),
      [=] __device__(Sums<2> & sum, Index i, Index j) {
        const float* of_group = kept + 2 * (positions.quotient(i) * groups + per_group.quotient(j));
        const float g = dy[i * channels + j];
        sum.v[0] += g;
        sum.v[1] += g * ((x[i * channels + j] - of_group[0]) * of_group[1]);
      },
      [=] __device__(Index n, Index j, const Sums<2>& sum) {
        of_channels[2 * (n * channels + j)] = sum.v[0];
        of_channels[2 * (n * channels + j) + 1] = sum.v[1];
      });
}

void parameter_gradients(const Run& r, const Config& c, const float* of_channels) {
  float* dgamma = c.gamma < 0 ? nullptr : static_cast<float*>(r.dparam(c.gamma));
  float* dbeta = c.beta < 0 ? nullptr : static_cast<float*>(r.dparam(c.beta));
  if (!dgamma && !dbeta) return;
  const Index channels = c.c;
  reduce_columns<Sums<2>>(
      r.stream, 1, r.n, channels, r.scratch(c.sums),
      [=] __device__(Sums<2> & sum, Index i, Index j) {
        sum.v[0] += of_channels[2 * (i * channels + j)];
        sum.v[1] += of_channels[2 * (i * channels + j) + 1];
      },
      [=] __device__(Index, Index j, const Sums<2>& sum) {
        if (dbeta) dbeta[j] = sum.v[0];
        if (dgamma) dgamma[j] = sum.v[1];
      });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  float* of_channels = r.scratch(c.channels);
  channel_gradients(r, c, of_channels);
  parameter_gradients(r, c, of_channels);
  if (!r.dx()) return;
  // dx = (dy gamma - mean - hat moment) / stddev, both means over the group.
  const Index per_group = c.per_group;
  const Divider groups(c.groups);
  const float size = static_cast<float>(per_group * c.positions);
  const float* gamma = c.gamma < 0 ? nullptr : static_cast<const float*>(r.param(c.gamma));
  float* means = r.scratch(c.coefficients);
  for_rows(r.stream, r.n * c.groups, per_group, [=] __device__(Index row, const Team& team) {
    const float* in = of_channels + 2 * row * per_group;
    const float* of_group = gamma ? gamma + (row - groups.quotient(row) * groups.d) * per_group : nullptr;
    float sum = 0, moment = 0;
    for (Index j = team.lane; j < team.n; j += team.lanes) {
      const float w = of_group ? of_group[j] : 1;
      sum += w * in[2 * j];
      moment += w * in[2 * j + 1];
    }
    sum = team.sum(sum);
    moment = team.sum(moment);
    if (team.leads) means[2 * row] = sum / size, means[2 * row + 1] = moment / size;
  });
  const Place at = place(c);
  const float *x = r.x(), *dy = r.dy(), *kept = r.kept();
  float* dx = r.dx();
  for_each(r.stream, r.n * c.positions * c.c, [=] __device__(Index i) {
    const Index j = at.channel(i), g = at.group(i, j);
    const float inv = kept[2 * g + 1], hat = (x[i] - kept[2 * g]) * inv;
    const float dout = gamma ? dy[i] * gamma[j] : dy[i];
    dx[i] = (dout - means[2 * g] - hat * means[2 * g + 1]) * inv;
  });
}

}  // namespace

extern const OpDef op_group_norm;
const OpDef op_group_norm{"group_norm", plan, forward, backward};

}  // namespace pyseq::cuda
