// y = c != 0 ? a : b, broadcast as NumPy does    c, a, b (N, ...)
// Attributes a, b: a number in place of that input.
#include "kernels/elementary.h"
#include "kernels/operand_blocks.h"
#include "kernels/reduction.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Operands operands;  // c, a, b
  Reduction reduction[3];
  int input[3];  // -1: a number
  real number[3];
  int terms, scratch;
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
    if (shared[k]) c.number[k] = static_cast<real>(p.number(names[k]));
    else shape[k] = p.input(c.input[k]);
  }
  Shape y;
  c.operands = make_operands(p, 3, shape, shared, y);
  p.output(y);
  p.backward_reads_input(0);
  if (p.training()) {
    ReductionScratch s{0, 0};
    for (int k = 1; k < 3; ++k) {
      if (c.operands.of[k].whole || shared[k]) continue;
      c.reduction[k] = sum_to_operand(y, shape[k], false);
      const ReductionScratch own = reduction_scratch(c.reduction[k]);
      if (own.per_row > s.per_row) s.per_row = own.per_row;
      if (own.fixed > s.fixed) s.fixed = own.fixed;
      c.terms = 1;
    }
    c.scratch = p.scratch(s.per_row, s.fixed);
    c.terms = p.scratch(c.terms ? c.operands.size : 0);
  }
  const double work = 3.0 * static_cast<double>(c.operands.size);
  p.flops(work, work);
}

PYSEQ_INLINE const real* source(const Run& r, const Config& c, int k) {
  return c.input[k] < 0 ? &c.number[k] : static_cast<const real*>(r.x(c.input[k]));
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* from[3] = {source(r, c, 0), source(r, c, 1), source(r, c, 2)};
  real* y = r.y();
  for_operand_blocks(r.pool, c.operands, r.n, from,
                     [&](Index begin, Index n, const real* const* a) {
                       real* to = y + begin;
                       for (Index i = 0; i < n; ++i) to[i] = a[0][i] != 0 ? a[1][i] : a[2][i];
                     });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (r.dx(0)) {
    const Index size = r.n * c.operands.of[0].size;
    __builtin_memset(r.dx(0), 0, static_cast<std::size_t>(size) * sizeof(real));
  }
  const real *condition = r.x(0), *dy = r.dy();
  Operands o = c.operands;
  o.count = 1;
  for (int k = 1; k < 3; ++k) {
    if (c.input[k] < 0 || !r.dx(c.input[k])) continue;
    const bool whole = c.operands.of[k].whole;
    real* const dx = r.dx(c.input[k]);
    real* const terms = whole ? dx : static_cast<real*>(r.scratch(c.terms));
    for_operand_blocks(r.pool, o, r.n, &condition,
                       [&](Index begin, Index n, const real* const* a) {
                         map2(a[0], dy + begin, terms + begin, n, [&](V on, V g) {
                           return select(k == 1 ? on != 0 : on == 0, g, V{});
                         });
                       });
    if (!whole) reduce(r.pool, c.reduction[k], kSumOf, r.n, terms, dx, r.scratch(c.scratch));
  }
}

}  // namespace

extern const OpDef op_select;
const OpDef op_select{"select", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
