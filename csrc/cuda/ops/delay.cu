#include "cuda/cuda.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Index rows, kept, row;  // kept, row: elements of one sample
  int next;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  Shape x = p.input(0);
  const Shape v = p.param(0);
  c.rows = v[0], c.row = x.size(), c.kept = v[1] * x.size(1, x.rank);
  x[0] += v[1];
  p.output(x);
  p.writes_param(0);
  c.next = p.scratch(0, c.rows * c.kept);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const float *x = r.x(), *v = r.param(0);
  float* y = r.y();
  const Index rows = c.rows, kept = c.kept, row = c.row;
  for_each(r.stream, r.n * (kept + row), [=] __device__(Index i) {
    const Index n = i / (kept + row), at = i % (kept + row);
    y[i] = at >= kept ? x[n * row + at - kept] : n < rows ? v[n * kept + at] : 0.0f;
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index rows = c.rows, kept = c.kept, row = c.row, n_all = r.n;
  const float* dy = r.dy();
  if (float* dx = r.dx(); dx)
    for_each(r.stream, r.n * row, [=] __device__(Index i) {
      dx[i] = dy[i / row * (kept + row) + kept + i % row];
    });
  if (float* dv = r.dparam(0); dv)
    for_each(r.stream, rows * kept, [=] __device__(Index i) {
      const Index n = i / kept;
      dv[i] = n < n_all ? dy[n * (kept + row) + i % kept] : 0.0f;
    });
}

void after(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const float* x = r.x();
  float *v = r.param(0), *next = r.scratch(c.next);
  const Index kept = c.kept, row = c.row, count = (r.n < c.rows ? r.n : c.rows) * kept;
  for_each(r.stream, count, [=] __device__(Index i) {
    const Index n = i / kept, at = i % kept + row;
    next[i] = at < kept ? v[n * kept + at] : x[n * row + at - kept];
  });
  for_each(r.stream, count, [=] __device__(Index i) { v[i] = next[i]; });
}

}  // namespace

extern const OpDef op_delay;
const OpDef op_delay{"delay", plan, forward, backward, nullptr, after};

}  // namespace pyseq::cuda
