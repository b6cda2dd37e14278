// mode "sum": y = x_0 + x_1 + ...   "mul": y = x_0 x_1 ...   "ave": y = (x_0 + x_1 + ...) / k
// x_i (N, ...)  y (N, ...)
#include "core/op.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

enum Mode { kSum, kMul, kAve };

struct Config {
  Mode mode;
  int inputs;
  Index size;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const char* mode = p.text("mode");
  if (mode[0] == 's') c.mode = kSum;
  else if (mode[0] == 'm') c.mode = kMul;
  else if (mode[0] == 'a') c.mode = kAve;
  else p.fail("expected mode \"sum\", \"mul\" or \"ave\", got \"%s\"", mode);
  c.inputs = p.inputs();
  const Shape x = p.input(0);
  for (int k = 1; k < c.inputs; ++k) {
    const Shape other = p.input(k);
    bool equal = other.rank == x.rank;
    for (int d = 0; equal && d < x.rank; ++d) equal = other[d] == x[d];
    if (!equal) p.fail("expected inputs of one shape");
  }
  c.size = x.size();
  p.output(x);
  for (int k = 0; c.mode == kMul && k < c.inputs; ++k) p.backward_reads_input(k);
  const double work = static_cast<double>(c.size * c.inputs);
  p.flops(work, work);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  real* y = r.y();
  parallel_for(r.pool, r.n * c.size, 8192, [&](Index begin, Index end, int) {
    const real* first = r.x(0);
    for (Index i = begin; i < end; ++i) y[i] = first[i];
    for (int k = 1; k < c.inputs; ++k) {
      const real* x = r.x(k);
      if (c.mode == kMul)
        for (Index i = begin; i < end; ++i) y[i] *= x[i];
      else
        for (Index i = begin; i < end; ++i) y[i] += x[i];
    }
    const real count = static_cast<real>(c.inputs);
    for (Index i = begin; c.mode == kAve && i < end; ++i) y[i] /= count;
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* dy = r.dy();
  const real scale = c.mode == kAve ? 1 / static_cast<real>(c.inputs) : real{1};
  parallel_for(r.pool, r.n * c.size, 8192, [&](Index begin, Index end, int) {
    for (int k = 0; k < c.inputs; ++k) {
      real* dx = r.dx(k);
      if (!dx) continue;
      for (Index i = begin; i < end; ++i) dx[i] = dy[i] * scale;
      for (int other = 0; c.mode == kMul && other < c.inputs; ++other) {
        if (other == k) continue;
        const real* x = r.x(other);
        for (Index i = begin; i < end; ++i) dx[i] *= x[i];
      }
    }
  });
}

}  // namespace

extern const OpDef op_merge;
const OpDef op_merge{"merge", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
