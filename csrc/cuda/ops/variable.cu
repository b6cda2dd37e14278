#include "cuda/reduction.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Index input, size;
  Reduction rows;
  int scratch;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const bool none[kMaxRank] = {};
  c.input = p.input(0).size();
  c.size = p.param(0).size();
  c.rows = make_reduction(p.param(0), none, true);
  p.output(p.param(0));
  if (p.training()) {
    const ReductionScratch s = reduction_scratch(c.rows);
    c.scratch = p.scratch(s.per_row, s.fixed);
  }
}

void forward(const Run& r) noexcept {
  const Index size = r.config<Config>().size;
  const Divider by_size(size);
  const float* v = r.param(0);
  float* y = r.y();
  for_each(r.stream, r.n * size, [=] __device__(Index i) { y[i] = v[i - by_size.quotient(i) * size]; });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (r.dparam(0))
    reduce<Added>(r.stream, c.rows, r.n, LoadElement{r.dy()}, r.scratch(c.scratch), 1.0f, r.dparam(0));
  if (r.dx()) zero_floats(r.stream, r.dx(), r.n * c.input);
}

}  // namespace

extern const OpDef op_variable;
const OpDef op_variable{"variable", plan, forward, backward};

}  // namespace pyseq::cuda
