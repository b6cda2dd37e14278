#include "cuda/operands.h"
#include "cuda/reduction.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Operands operands;  // c, a, b
  Reduction reduction[3];
  Places places[3];
  int input[3];  // -1: a number
  float number[3];
  int scratch;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const char* const names[3] = {"", "a", "b"};
  Shape shape[3];
  bool shared[3];
  int inputs = 0;
  for (int k = 0; k < 3; ++k) {
    shared[k] = k > 0 && p.has(names[k]);
    c.input[k] = shared[k] ? -1 : inputs++;
    if (shared[k]) c.number[k] = static_cast<float>(p.number(names[k]));
    else shape[k] = p.input(c.input[k]);
  }
  Shape y;
  c.operands = make_operands(p, 3, shape, shared, y);
  p.output(y);
  p.backward_reads_input(0);
  ReductionScratch s{0, 0};
  for (int k = 0; k < 3; ++k) {
    c.places[k] = places(c.operands, k);
    if (k == 0 || c.operands.of[k].whole || shared[k]) continue;
    c.reduction[k] = sum_to_operand(y, shape[k], false);
    const ReductionScratch own = reduction_scratch(c.reduction[k]);
    if (own.per_row > s.per_row) s.per_row = own.per_row;
    s.fixed = own.fixed;
  }
  if (p.training()) c.scratch = p.scratch(s.per_row, s.fixed);
}

Argument argument(const Run& r, const Config& c, int k) {
  const float* p = c.input[k] < 0 ? static_cast<const float*>(nullptr) : r.x(c.input[k]);
  return {p, c.number[k], c.places[k]};
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Argument on = argument(r, c, 0), a = argument(r, c, 1), b = argument(r, c, 2);
  float* y = r.y();
  for_each(r.stream, r.n * c.operands.size, [=] __device__(Index i) { y[i] = on[i] != 0 ? a[i] : b[i]; });
}

struct Terms {
  Argument on;
  bool first;
  const float* dy;
  __device__ float operator()(Index i) const { return (on[i] != 0) == first ? dy[i] : 0.0f; }
};

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (r.dx(0)) zero_floats(r.stream, r.dx(0), r.n * c.operands.of[0].size);
  for (int k = 1; k < 3; ++k) {
    if (c.input[k] < 0 || !r.dx(c.input[k])) continue;
    float* const dx = r.dx(c.input[k]);
    const Terms terms{argument(r, c, 0), k == 1, r.dy()};
    if (c.operands.of[k].whole)
      for_each(r.stream, r.n * c.operands.size, [=] __device__(Index i) { dx[i] = terms(i); });
    else
      reduce<Added>(r.stream, c.reduction[k], r.n, terms, r.scratch(c.scratch), 1.0f, dx);
  }
}

}  // namespace

extern const OpDef op_select;
const OpDef op_select{"select", plan, forward, backward};

}  // namespace pyseq::cuda
