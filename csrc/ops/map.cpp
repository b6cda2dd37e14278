// y = f(x)    x (N, ...)  y (N, ...)    attribute function: a name of kernels/functions.h
#include "kernels/elementary.h"
#include "kernels/functions.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Unary function;
  Index size;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  c.function = function_of<Unary>(p, kUnaryNames, kUnaryCount);
  c.size = p.input(0).size();
  p.output(p.input(0));
  p.in_place();
  const Needs needs = slope_needs(c.function);
  if (needs == kInput) p.backward_reads_input(0);
  if (needs == kOutput) p.backward_reads_output(0);
  if (!has_slope(c.function)) p.ends_gradient();
  const double work = 8.0 * static_cast<double>(c.size);
  p.flops(work, work);
}

PYSEQ_INLINE V value(Unary f, V x) {
  switch (f) {
    case kNegative: return -x;
    case kAbs: return abs_v(x);
    case kSign: return sign_of(x);
    case kSquare: return x * x;
    case kSqrt: return sqrt_v(x);
    case kRsqrt: return 1 / sqrt_v(x);
    case kReciprocal: return 1 / x;
    case kExp: return exp_v(x);
    case kExpm1: return select(x > 88, exp_v(x), expm1_v(x));
    case kLog: return log_v(x);
    case kLog1p: return log1p_any(x);
    case kLog2: return log_v(x) * splat(static_cast<real>(1.4426950408889634));
    case kLog10: return log_v(x) * splat(static_cast<real>(0.43429448190325182));
    case kSin: return sincos_v(x).sin;
    case kCos: return sincos_v(x).cos;
    case kTan: return tan_v(x);
    case kArcsin: return arcsin_v(x);
    case kArccos: return arccos_v(x);
    case kArctan: return arctan_v(x);
    case kSinh: return sinh_v(x);
    case kCosh: return cosh_v(x);
    case kArcsinh: return arcsinh_v(x);
    case kArccosh: return arccosh_v(x);
    case kArctanh: return arctanh_v(x);
    case kErf: return erf_v(x);
    case kErfinv: return erfinv_v(x);
    case kFloor: return floor_v(x);
    case kCeil: return ceil_v(x);
    case kRound: return round_v(x);
    case kTrunc: return trunc_v(x);
    case kIsNan: return flag(x != x);
    case kIsFinite: return flag(abs_v(x) < kInfinity);
    case kIsInf: return flag(abs_v(x) == kInfinity);
    case kLogicalNot: return flag(x == 0);
    default: return x;
  }
}

// dy/dx from x, or from y where slope_needs says so.
PYSEQ_INLINE V slope(Unary f, V u) {
  switch (f) {
    case kNegative: return splat(-1);
    case kAbs: return sign_of(u);
    case kSquare: return u + u;
    case kSqrt: return splat(real(0.5)) / u;
    case kRsqrt: return splat(real(-0.5)) * u * u * u;
    case kReciprocal: return -u * u;
    case kExp: return u;
    case kExpm1: return exp_v(u);
    case kLog: return 1 / u;
    case kLog1p: return 1 / (1 + u);
    case kLog2: return splat(static_cast<real>(1.4426950408889634)) / u;
    case kLog10: return splat(static_cast<real>(0.43429448190325182)) / u;
    case kSin: return sincos_v(u).cos;
    case kCos: return -sincos_v(u).sin;
    case kTan: return 1 + u * u;
    case kArcsin: return 1 / sqrt_v((1 - u) * (1 + u));
    case kArccos: return -1 / sqrt_v((1 - u) * (1 + u));
    case kArctan: return 1 / (1 + u * u);
    case kSinh: return cosh_v(u);
    case kCosh: return sinh_v(u);
    case kArcsinh: return 1 / sqrt_v(1 + u * u);
    case kArccosh: return 1 / sqrt_v((u - 1) * (u + 1));
    case kArctanh: return 1 / ((1 - u) * (1 + u));
    case kErf: return splat(static_cast<real>(1.1283791670955126)) * exp_v(-u * u);
    case kErfinv: return splat(static_cast<real>(0.88622692545275801)) * exp_v(u * u);
    default: return V{};
  }
}

template <int F>
void value_loop(const real* x, real* y, Index n) {
  map(x, y, n, [](V v) { return value(static_cast<Unary>(F), v); });
}
template <int F>
void slope_loop(const real* u, const real* dy, real* dx, Index n) {
  map2(u, dy, dx, n, [](V v, V g) { return g * slope(static_cast<Unary>(F), v); });
}

using ValueLoop = void (*)(const real*, real*, Index);
using SlopeLoop = void (*)(const real*, const real*, real*, Index);
struct Loops {
  ValueLoop value;
  SlopeLoop slope;
};
// The table of all functions, written by recursion.
template <int F = 0>
Loops loops_of(int f) {
  if constexpr (F + 1 < kUnaryCount)
    if (f != F) return loops_of<F + 1>(f);
  return {value_loop<F>, slope_loop<F>};
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* x = r.x();
  real* y = r.y();
  const ValueLoop loop = loops_of(c.function).value;
  parallel_for(r.pool, r.n * c.size, 8192,
               [&](Index b, Index e, int) { loop(x + b, y + b, e - b); });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (!r.dx()) return;
  const real* dy = r.dy();
  real* dx = r.dx();
  const Needs needs = slope_needs(c.function);
  // A slope that is constant needs neither: dy stands in for what is not read.
  const real* u = needs == kInput ? r.x() : needs == kOutput ? r.y() : dy;
  const SlopeLoop loop = loops_of(c.function).slope;
  const bool flat = !has_slope(c.function);
  parallel_for(r.pool, r.n * c.size, 8192, [&](Index b, Index e, int) {
    if (flat) __builtin_memset(dx + b, 0, static_cast<std::size_t>(e - b) * sizeof(real));
    else loop(u + b, dy + b, dx + b, e - b);
  });
}

}  // namespace

extern const OpDef op_map;
const OpDef op_map{"map", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
