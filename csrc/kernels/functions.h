#pragma once
// Element-wise functions by name, and what their gradients need: for ops `map`, `binary`, `reduce`
// and `scan` on every device.
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {

enum Unary : int {
  kNegative, kAbs, kSign, kSquare, kSqrt, kRsqrt, kReciprocal, kExp, kExpm1, kLog, kLog1p, kLog2,
  kLog10, kSin, kCos, kTan, kArcsin, kArccos, kArctan, kSinh, kCosh, kArcsinh, kArccosh, kArctanh,
  kErf, kErfinv, kFloor, kCeil, kRound, kTrunc, kIsNan, kIsFinite, kIsInf, kLogicalNot,
  kStopGradient, kUnaryCount
};

enum Binary : int {
  kAdd, kSubtract, kMultiply, kDivide, kPower, kMaximum, kMinimum, kMod, kFloorDivide, kArctan2,
  kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kLogicalAnd, kLogicalOr,
  kLogicalXor, kBinaryCount
};

enum Reducer : int { kSumOf, kMeanOf, kMaxOf, kMinOf, kProductOf, kArgmax, kArgmin, kReducerCount };

namespace {

constexpr const char* kUnaryNames[] = {
    "negative", "abs", "sign", "square", "sqrt", "rsqrt", "reciprocal", "exp", "expm1", "log",
    "log1p", "log2", "log10", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh",
    "arcsinh", "arccosh", "arctanh", "erf", "erfinv", "floor", "ceil", "round", "trunc", "isnan",
    "isfinite", "isinf", "logical_not", "stop_gradient"};
constexpr const char* kBinaryNames[] = {
    "add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "mod", "floor_divide",
    "arctan2", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
    "logical_and", "logical_or", "logical_xor"};
constexpr const char* kReducerNames[] = {"sum", "mean", "max", "min", "prod", "argmax", "argmin"};
constexpr const char* kScanNames[] = {"cumsum", "cumprod"};
static_assert(sizeof kUnaryNames / sizeof *kUnaryNames == kUnaryCount);
static_assert(sizeof kBinaryNames / sizeof *kBinaryNames == kBinaryCount);
static_assert(sizeof kReducerNames / sizeof *kReducerNames == kReducerCount);

// Attribute `function` as its place in a list of names.
template <class Function>
PYSEQ_INLINE Function function_of(const Plan& p, const char* const* names, int count) {
  const char* wanted = p.text("function");
  int i = 0;
  while (i < count && __builtin_strcmp(names[i], wanted) != 0) ++i;
  if (i == count) p.fail("expected a known function, got \"%s\"", wanted);
  return static_cast<Function>(i);
}

// What the derivative of a function of one argument is computed from.
enum Needs { kNothing, kInput, kOutput };
PYSEQ_INLINE Needs slope_needs(Unary f) {
  if (f == kNegative || (f >= kFloor && f != kUnaryCount) || f == kSign) return kNothing;
  const bool output = f == kSqrt || f == kRsqrt || f == kReciprocal || f == kExp || f == kTan ||
                      f == kErfinv;
  return output ? kOutput : kInput;
}
PYSEQ_INLINE bool has_slope(Unary f) { return f != kSign && f < kFloor; }

PYSEQ_INLINE bool has_slope(Binary f) { return f < kFloorDivide || f == kArctan2; }
// Whether the gradient with respect to operand k is more than dy times +-1.
PYSEQ_INLINE bool slope_needs_operands(Binary f) { return f > kSubtract && has_slope(f); }
// Whether any wanted gradient reads operand k: products and quotients leave one out.
PYSEQ_INLINE bool slopes_read(Binary f, int k, bool left_wanted, bool right_wanted) {
  if (!slope_needs_operands(f)) return false;
  if (f == kMultiply) return k == 0 ? right_wanted : left_wanted;
  if (f == kDivide) return k == 1 || right_wanted;
  if (f == kMod) return right_wanted;
  return true;
}

}  // namespace
}  // namespace pyseq::PYSEQ_NS
