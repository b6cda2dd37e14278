#include "cuda/cuda.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Index size;
};

void plan(Plan& p) {
  p.config<Config>().size = p.input(0).size();
  p.output(p.input(0));
  p.alias();
  p.writes_param(0);
}

void forward(const Run&) noexcept {}
void backward(const Run&) noexcept {}

void after(const Run& r) noexcept {
  const float* x = r.x();
  float* v = r.param(0);
  for_each(r.stream, r.config<Config>().size, [=] __device__(Index i) { v[i] = x[i]; });
}

}  // namespace

extern const OpDef op_assign;
const OpDef op_assign{"assign", plan, forward, backward, nullptr, after};

}  // namespace pyseq::cuda
