// y = x as another kind of number    x (N, ...)  y (N, ...)    int64 from reals, or reals from int64
// To int64: rounded towards 0, as a cast in C; NaN gives 0, what lies outside the range its end.
#include "core/op.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Index size;
  bool from_int64, to_int64;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  c.size = p.input(0).size();
  c.from_int64 = p.is_int64(0);
  c.to_int64 = p.flag("int64");
  if (c.from_int64 == c.to_int64) p.fail("expected another kind of number than that of the input");
  p.takes_int64();
  p.output(p.input(0), c.to_int64);
  p.flops(static_cast<double>(c.size), static_cast<double>(c.size));
}

// 2^63 itself is outside; it is exact in both kinds of `real`.
PYSEQ_INLINE Index to_integer(real x) {
  constexpr real kEnd = 9223372036854775808.0;
  if (x >= kEnd) return INT64_MAX;
  if (x <= -kEnd) return INT64_MIN;
  return x == x ? static_cast<Index>(x) : 0;
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  parallel_for(r.pool, r.n * c.size, 16384, [&](Index b, Index e, int) {
    if (c.to_int64) {
      const real* x = r.x();
      Index* y = r.y();
      for (Index i = b; i < e; ++i) y[i] = to_integer(x[i]);
    } else {
      const Index* x = r.x();
      real* y = r.y();
      for (Index i = b; i < e; ++i) y[i] = static_cast<real>(x[i]);
    }
  });
}

// Integers have no gradient.
void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (real* dx = r.dx(); dx)
    __builtin_memset(dx, 0, static_cast<std::size_t>(r.n * c.size) * sizeof(real));
}

}  // namespace

extern const OpDef op_cast;
const OpDef op_cast{"cast", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
