#include "cuda/divide.h"
#define PYSEQ_NS cuda
#include "kernels/slice_plan.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Index x_size, y_size;
  Strided from;  // element of y to that of x
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  Shape y;
  const SliceWalk w = make_slice(p, y);
  c.x_size = w.x_size, c.y_size = w.y_size;
  c.from = strided(w.rank, w.dim, w.stride, w.x_size, w.offset);
  p.output(y);
  if (w.copies_all()) p.alias();
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  gather(r.stream, c.from, r.n * c.y_size, r.x(), r.y());
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (!r.dx()) return;
  const Strided from = c.from;
  const float* dy = r.dy();
  float* dx = r.dx();
  if (c.x_size != c.y_size) zero_floats(r.stream, dx, r.n * c.x_size);
  for_each(r.stream, r.n * c.y_size, [=] __device__(Index i) { dx[from.at(i)] = dy[i]; });
}

}  // namespace

extern const OpDef op_slice;
const OpDef op_slice{"slice", plan, forward, backward};

}  // namespace pyseq::cuda
