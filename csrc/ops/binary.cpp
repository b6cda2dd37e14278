// y = f(a, b), broadcast as NumPy does    a, b (N, ...), or one of them a variable or a number
// Attributes: function (kernels/functions.h); number, if b is one; swap: the variable or number is
// a. Gradients are summed over what was broadcast, and over the rows for a variable.
#include "kernels/columns.h"
#include "kernels/elementary.h"
#include "kernels/operand_blocks.h"
#include "kernels/reduction.h"

namespace pyseq::PYSEQ_NS {
namespace {

// Operand 0 is on the left.
struct Config {
  Binary function;
  Operands operands;
  Reduction reduction[2];
  int source[2];  // number of the input, kVariable or kNumber
  int terms, scratch;
  real number;
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
    shape[1] = p.param(0, "a variable", 0);
  } else {
    source[1] = kNumber;
    c.number = static_cast<real>(p.number("number"));
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
  for (int k = 0; k < 2; ++k)
    if (c.source[k] >= 0 &&
        slopes_read(c.function, k, c.source[0] != kNumber, c.source[1] != kNumber))
      p.backward_reads_input(c.source[k]);
  c.terms = c.scratch = -1;
  bool summed = false;
  ReductionScratch s{0, 0};
  for (int k = 0; k < 2; ++k) {
    c.reduction[k] = sum_to_operand(y, shape[k], shared[k]);
    if (c.operands.of[k].whole || c.source[k] == kNumber) continue;
    summed = true;
    const ReductionScratch own = reduction_scratch(c.reduction[k]);
    if (own.per_row > s.per_row) s.per_row = own.per_row;
    if (own.fixed > s.fixed) s.fixed = own.fixed;
  }
  if (p.training() && summed) {
    if (slope_needs_operands(c.function)) c.terms = p.scratch(c.operands.size);
    c.scratch = p.scratch(s.per_row, s.fixed);
  }
  const double work = 4.0 * static_cast<double>(c.operands.size);
  p.flops(work, 2 * work);
}

template <class F>
PYSEQ_INLINE V by_lane(V a, V b, F f) {
  V y = a;
  for (int i = 0; i < kLanes; ++i) y[i] = f(a[i], b[i]);
  return y;
}
PYSEQ_INLINE real power(real a, real b) {
  if constexpr (kFloat)
    return static_cast<real>(__builtin_powf(static_cast<float>(a), static_cast<float>(b)));
  return static_cast<real>(__builtin_pow(static_cast<double>(a), static_cast<double>(b)));
}
PYSEQ_INLINE real remainder(real a, real b) {
  if constexpr (kFloat)
    return static_cast<real>(__builtin_fmodf(static_cast<float>(a), static_cast<float>(b)));
  return static_cast<real>(__builtin_fmod(static_cast<double>(a), static_cast<double>(b)));
}
// With the divisor's sign, as in Python.
PYSEQ_INLINE real modulo(real a, real b) {
  const real r = remainder(a, b);
  if (r == 0) return __builtin_signbit(b) ? -real(0) : real(0);
  return (r < 0) != (b < 0) ? r + b : r;
}
// From the exact remainder, so that the quotient's rounding cannot miss a whole number.
PYSEQ_INLINE V floor_divide(V a, V b) {
  const V q = a / b, r = by_lane(a, b, modulo);
  return select((b == 0) | (r != r), select(b == 0, q, r), round_v((a - r) / b));
}
PYSEQ_INLINE V arctan2_v(V a, V b) {
  return by_lane(a, b, [](real y, real x) {
    if constexpr (kFloat)
      return static_cast<real>(__builtin_atan2f(static_cast<float>(y), static_cast<float>(x)));
    return static_cast<real>(__builtin_atan2(static_cast<double>(y), static_cast<double>(x)));
  });
}
// Small exponents that all lanes share need no logarithm.
PYSEQ_INLINE V power_v(V a, V b) {
  bool same = true;
  for (int i = 1; i < kLanes; ++i) same = same && b[i] == b[0];
  if (same) {
    if (b[0] == 2) return a * a;
    if (b[0] == 1) return a;
    if (b[0] == 3) return a * a * a;
    if (b[0] == real(0.5)) return sqrt_v(a + V{});
    if (b[0] == -1) return 1 / a;
  }
  return by_lane(a, b, power);
}

PYSEQ_INLINE V value(Binary f, V a, V b) {
  switch (f) {
    case kAdd: return a + b;
    case kSubtract: return a - b;
    case kMultiply: return a * b;
    case kDivide: return a / b;
    case kPower: return power_v(a, b);
    case kMaximum: return select(a != a, a, max_v(a, b));
    case kMinimum: return select(a != a, a, min_v(a, b));
    case kMod: return by_lane(a, b, modulo);
    case kFloorDivide: return floor_divide(a, b);
    case kArctan2: return arctan2_v(a, b);
    case kEqual: return flag(a == b);
    case kNotEqual: return flag(a != b);
    case kLess: return flag(a < b);
    case kLessEqual: return flag(a <= b);
    case kGreater: return flag(a > b);
    case kGreaterEqual: return flag(a >= b);
    case kLogicalAnd: return flag((a != 0) & (b != 0));
    case kLogicalOr: return flag((a != 0) | (b != 0));
    default: return flag((a != 0) ^ (b != 0));
  }
}

// Terms of the gradient with respect to the left or the right operand.
PYSEQ_INLINE V term(Binary f, bool left, V a, V b, V dy) {
  switch (f) {
    case kMultiply: return dy * (left ? b : a);
    case kDivide: return left ? dy / b : -dy * ((a / b) / b);
    case kPower: {
      if (left) return select(b == 0, V{}, dy * b * power_v(a, b - 1));
      // 0^b does not change with b >= 0.
      const VI flat = (a == 0) & (b >= 0);
      return select(flat, V{}, dy * power_v(a, b) * log_v(select(flat, splat(1), a)));
    }
    case kMaximum: case kMinimum: {
      const VI won = (f == kMaximum) == left ? a > b : a < b;
      return select(a == b, splat(real(0.5)) * dy, select(won | (left ? a != a : b != b), dy, V{}));
    }
    case kMod: return left ? dy : -dy * floor_divide(a, b);
    case kArctan2: return dy * (left ? b : -a) / (a * a + b * b);
    default: return V{};
  }
}

using ValueLoop = void (*)(const real* a, const real* b, real* y, Index n);
using TermLoop = void (*)(bool left, const real* a, const real* b, const real* dy, real* to,
                          Index n);

template <int F>
void value_loop(const real* a, const real* b, real* y, Index n) {
  map2(a, b, y, n, [](V u, V v) { return value(static_cast<Binary>(F), u, v); });
}
template <int F>
void term_loop(bool left, const real* a, const real* b, const real* dy, real* to, Index n) {
  for_lanes(n, [&](Index j, auto l) {
    const V u = l.get(a + j), v = l.get(b + j), g = l.get(dy + j);
    l.put(to + j, left ? term(static_cast<Binary>(F), true, u, v, g)
                       : term(static_cast<Binary>(F), false, u, v, g));
  });
}

struct Loops {
  ValueLoop value;
  TermLoop term;
};
template <int F = 0>
Loops loops_of(int f) {
  if constexpr (F + 1 < kBinaryCount)
    if (f != F) return loops_of<F + 1>(f);
  return {value_loop<F>, term_loop<F>};
}

struct Pair {
  const real* of[2];
};
PYSEQ_INLINE Pair operands_of(const Run& r, const Config& c) {
  Pair p;
  for (int k = 0; k < 2; ++k)
    p.of[k] = c.source[k] >= 0         ? static_cast<const real*>(r.x(c.source[k]))
              : c.source[k] == kNumber ? &c.number
                                       : static_cast<const real*>(r.param(0));
  return p;
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Pair p = operands_of(r, c);
  real* y = r.y();
  const ValueLoop loop = loops_of(c.function).value;
  for_operand_blocks(r.pool, c.operands, r.n, p.of,
                     [&](Index begin, Index n, const real* const* a) {
                       loop(a[0], a[1], y + begin, n);
                     });
}

void scale(Pool* pool, const real* x, real* y, real factor, Index n) {
  parallel_for(pool, n, 16384, [&](Index b, Index e, int) {
    map(x + b, y + b, e - b, [=](V v) { return v * factor; });
  });
}

// dx of one operand: its terms, summed over what it was broadcast over.
void gradient(const Run& r, const Config& c, int k, real* dx) {
  const Operand& own = c.operands.of[k];
  const Index given = (own.sample ? r.n : 1) * own.size;
  const real* dy = r.dy();
  if (!has_slope(c.function)) {
    __builtin_memset(dx, 0, static_cast<std::size_t>(given) * sizeof(real));
    return;
  }
  real* const scratch = c.scratch >= 0 ? static_cast<real*>(r.scratch(c.scratch)) : nullptr;
  if (!slopes_read(c.function, 0, k == 0, k == 1) && !slopes_read(c.function, 1, k == 0, k == 1)) {
    const real sign = c.function == kSubtract && k == 1 ? -1 : 1;
    if (own.whole) return scale(r.pool, dy, dx, sign, given);
    reduce(r.pool, c.reduction[k], kSumOf, r.n, dy, dx, scratch);
    if (sign < 0) scale(r.pool, dx, dx, sign, given);
    return;
  }
  real* const terms = own.whole ? dx : static_cast<real*>(r.scratch(c.terms));
  const Pair p = operands_of(r, c);
  const real* from[2] = {p.of[0], p.of[1]};
  // What is not read may be gone by now.
  for (int j = 0; j < 2; ++j)
    if (!slopes_read(c.function, j, k == 0, k == 1)) from[j] = nullptr;
  const TermLoop loop = loops_of(c.function).term;
  Operands o = c.operands;
  if (!from[0]) o.of[0] = o.of[1], from[0] = from[1];
  if (!from[1]) o.of[1] = o.of[0], from[1] = from[0];
  for_operand_blocks(r.pool, o, r.n, from, [&](Index begin, Index n, const real* const* a) {
    loop(k == 0, a[0], a[1], dy + begin, terms + begin, n);
  });
  if (!own.whole) reduce(r.pool, c.reduction[k], kSumOf, r.n, terms, dx, scratch);
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

}  // namespace pyseq::PYSEQ_NS
