#include "cuda/divide.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Index size;
};

void plan(Plan& p) {
  p.config<Config>().size = p.input(0).size();
  p.output(p.input(0));
}

void forward(const Run& r) noexcept {
  const Index count = r.n * r.config<Config>().size;
  copy_floats(r.stream, r.y(), r.x(0), count);
  if (r.dx(0)) copy_floats(r.stream, r.dx(0), r.x(2), count);
}

}  // namespace

extern const OpDef loss_value;
const OpDef loss_value{"value", plan, forward, nullptr};

}  // namespace pyseq::cuda
