#include "cuda/axis.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Axis axis;
  bool log;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  Index axes[kMaxRank] = {-1};
  int count = 1;
  if (p.has("axes")) count = p.integers("axes", axes, kMaxRank);
  else axes[0] = p.integer("axis", -1);
  Index first = kMaxRank, last = -1;
  for (int i = 0; i < count; ++i) {
    const Index a = axes[i] < 0 ? axes[i] + x.rank : axes[i];
    first = a < first ? a : first, last = a > last ? a : last;
  }
  if (first < 0 || last >= x.rank || last - first + 1 != count) p.fail("expected adjacent axes of the input");
  c.axis = make_axis(x, static_cast<int>(first), static_cast<int>(last));
  c.log = p.flag("log");
  p.output(x);
  p.in_place();
  p.backward_reads_output(0);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index step = c.axis.step;
  const bool log = c.log;
  const float* x = r.x();
  float* y = r.y();
  for_lines(r.stream, c.axis, r.n, [=] __device__(Index at, const Team& team) {
    const float* in = x + at;
    float top = -INFINITY, sum = 0;
    for (Index j = team.lane; j < team.n; j += team.lanes) top = fmaxf(top, in[j * step]);
    top = team.max(top);
    for (Index j = team.lane; j < team.n; j += team.lanes) sum += expf(in[j * step] - top);
    sum = team.sum(sum);
    const float scale = 1 / sum, shift = logf(sum);
    for (Index j = team.lane; j < team.n; j += team.lanes) {
      const float v = in[j * step] - top;
      y[at + j * step] = log ? v - shift : expf(v) * scale;
    }
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (!r.dx()) return;
  const Index step = c.axis.step;
  const bool log = c.log;
  const float *y = r.y(), *dy = r.dy();
  float* dx = r.dx();
  for_lines(r.stream, c.axis, r.n, [=] __device__(Index at, const Team& team) {
    const float *out = y + at, *g = dy + at;
    float sum = 0;
    for (Index j = team.lane; j < team.n; j += team.lanes)
      sum += log ? g[j * step] : out[j * step] * g[j * step];
    sum = team.sum(sum);
    for (Index j = team.lane; j < team.n; j += team.lanes) {
      const float a = out[j * step], u = g[j * step];
      dx[at + j * step] = log ? u - expf(a) * sum : a * (u - sum);
    }
  });
}

}  // namespace

extern const OpDef op_softmax;
const OpDef op_softmax{"softmax", plan, forward, backward};

}  // namespace pyseq::cuda
