#include "cuda/functions.h"
#include "cuda/operands.h"
#include "cuda/reduction.h"

namespace pyseq::cuda {
namespace {

// Operand 0 is on the left.
struct Config {
  Binary function;
  Operands operands;
  Reduction reduction[2];
  Places places[2];
  int source[2];  // number of the input, kVariable or kNumber
  int scratch;
  float number;
};
enum { kVariable = -1, kNumber = -2 };

void plan(Plan& p) {
  Config& c = p.config<Config>();
  c.function = function_of<Binary>(p, kBinaryNames, kBinaryCount);
  const bool swap = p.flag("swap");
  Shape shape[2] = {p.input(0), Shape{}};
  int source[2] = {0, 1};
  if (p.inputs() == 2) {
    shape[1] = p.input(1);
  } else if (p.params() == 1) {
    source[1] = kVariable;
    shape[1] = p.param(0);
  } else {
    source[1] = kNumber;
    c.number = static_cast<float>(p.number("number"));
  }
  if (swap) {
    const Shape other = shape[0];
    shape[0] = shape[1], shape[1] = other;
  }
  for (int k = 0; k < 2; ++k) c.source[k] = source[swap ? 1 - k : k];
  const bool shared[2] = {c.source[0] < 0, c.source[1] < 0};
  Shape y;
  c.operands = make_operands(p, 2, shape, shared, y);
  p.output(y);
  if (p.inputs() == 1 && c.operands.of[swap].whole) p.in_place();
  ReductionScratch s{0, 0};
  for (int k = 0; k < 2; ++k) {
    c.places[k] = places(c.operands, k);
    c.reduction[k] = sum_to_operand(y, shape[k], shared[k]);
    if (c.source[k] >= 0 && slopes_read(c.function, k, c.source[0] != kNumber, c.source[1] != kNumber))
      p.backward_reads_input(c.source[k]);
    if (c.operands.of[k].whole || c.source[k] == kNumber) continue;
    const ReductionScratch own = reduction_scratch(c.reduction[k]);
    if (own.per_row > s.per_row) s.per_row = own.per_row;
    s.fixed = own.fixed;
  }
  if (p.training()) c.scratch = p.scratch(s.per_row, s.fixed);
}

Argument argument(const Run& r, const Config& c, int k) {
  const float* p = c.source[k] >= 0         ? r.x(c.source[k])
                   : c.source[k] == kNumber ? static_cast<const float*>(nullptr)
                                            : r.param(0);
  return {p, c.number, c.places[k]};
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Binary f = c.function;
  const Argument a = argument(r, c, 0), b = argument(r, c, 1);
  float* y = r.y();
  for_each(r.stream, r.n * c.operands.size, [=] __device__(Index i) { y[i] = value(f, a[i], b[i]); });
}

// Terms of one operand's gradient; what is not read may be gone by now.
struct Terms {
  Binary function;
  bool left;
  Argument a, b;
  const float* dy;
  __device__ float operator()(Index i) const { return term(function, left, a[i], b[i], dy[i]); }
};

void gradient(const Run& r, const Config& c, int k, float* dx) {
  const Operand& own = c.operands.of[k];
  if (!has_slope(c.function)) return zero_floats(r.stream, dx, (own.sample ? r.n : 1) * own.size);
  Terms terms{c.function, k == 0, argument(r, c, 0), argument(r, c, 1), r.dy()};
  if (!slopes_read(c.function, 0, k == 0, k == 1)) terms.a.p = nullptr;
  if (!slopes_read(c.function, 1, k == 0, k == 1)) terms.b.p = nullptr;
  if (own.whole)
    for_each(r.stream, r.n * own.size, [=] __device__(Index i) { dx[i] = terms(i); });
  else
    reduce<Added>(r.stream, c.reduction[k], r.n, terms, r.scratch(c.scratch), 1.0f, dx);
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  // The variable's first: dx may lie where dy is.
  for (int k = 0; k < 2; ++k)
    if (c.source[k] == kVariable && r.dparam(0)) gradient(r, c, k, r.dparam(0));
  for (int k = 0; k < 2; ++k)
    if (c.source[k] >= 0 && r.dx(c.source[k])) gradient(r, c, k, r.dx(c.source[k]));
}

}  // namespace

extern const OpDef op_binary;
const OpDef op_binary{"binary", plan, forward, backward};

}  // namespace pyseq::cuda
