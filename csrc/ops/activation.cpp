// y = act(x), element-wise    x (N, ...)  y (N, ...)
#include "kernels/activation.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Activation act;
  Index size;
  bool uses_y;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  c.act = activation_from(p);
  c.size = p.input(0).size();
  c.uses_y = activation_backward_uses_y(c.act);
  p.output(p.input(0));
  p.in_place();
  if (c.uses_y) p.backward_reads_output(0);
  else p.backward_reads_input(0);
  const double work = 8.0 * static_cast<double>(c.size);
  p.flops(work, work);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* x = r.x();
  real* y = r.y();
  parallel_for(r.pool, r.n * c.size, 16384, [&](Index begin, Index end, int) {
    activation_forward(c.act, x + begin, y + begin, end - begin);
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (!r.dx()) return;
  const real* v = c.uses_y ? r.y() : r.x();
  const real* dy = r.dy();
  real* dx = r.dx();
  parallel_for(r.pool, r.n * c.size, 16384, [&](Index begin, Index end, int) {
    activation_backward(c.act, v + begin, dy + begin, dx + begin, end - begin);
  });
}

}  // namespace

extern const OpDef op_activation;
const OpDef op_activation{"activation", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
