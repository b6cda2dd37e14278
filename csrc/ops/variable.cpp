// y = v in every row    x (N, ...) gives N alone    v (...)  y (N, ...)
#include "kernels/reduction.h"

namespace pyseq::PYSEQ_NS {
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
  const Shape v = p.param(0, "a variable", 0);
  c.size = v.size();
  c.rows = make_reduction(v, none, true);
  p.output(v);
  if (p.training()) {
    const ReductionScratch s = reduction_scratch(c.rows);
    c.scratch = p.scratch(s.per_row, s.fixed);
  }
  p.flops(static_cast<double>(c.size), static_cast<double>(c.size));
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* v = r.param(0);
  real* y = r.y();
  parallel_for(r.pool, r.n, 1 + 16384 / (c.size + 1), [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i)
      __builtin_memcpy(y + i * c.size, v, static_cast<std::size_t>(c.size) * sizeof(real));
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (r.dparam(0)) reduce(r.pool, c.rows, kSumOf, r.n, r.dy(), r.dparam(0), r.scratch(c.scratch));
  if (r.dx()) __builtin_memset(r.dx(), 0, static_cast<std::size_t>(r.n * c.input) * sizeof(real));
}

}  // namespace

extern const OpDef op_variable;
const OpDef op_variable{"variable", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
