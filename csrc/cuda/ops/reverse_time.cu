#include "cuda/divide.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Index size;
  Strided reversed;
};

void plan(Plan& p) {
  const Shape x = p.input(0);
  if (x.rank < 1) p.fail("expected an input with a time dimension");
  Config& c = p.config<Config>();
  const Index inner = x.size(1, x.rank);
  const Index size[] = {x[0], inner}, stride[] = {-inner, 1};
  c.size = x.size();
  c.reversed = strided(2, size, stride, c.size, (x[0] - 1) * inner);
  p.output(x);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  gather(r.stream, c.reversed, r.n * c.size, r.x(), r.y());
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (r.dx()) gather(r.stream, c.reversed, r.n * c.size, r.dy(), r.dx());
}

}  // namespace

extern const OpDef op_reverse_time;
const OpDef op_reverse_time{"reverse_time", plan, forward, backward};

}  // namespace pyseq::cuda
