// y = x + z, z ~ N(0, stddev)    x (N, ...)  y (N, ...)
#include "core/op.h"
#include "kernels/random.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr Index kBlock = 1024;

struct Config {
  real stddev;
  Index size;
  std::uint64_t seed;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  c.stddev = static_cast<real>(p.number("stddev"));
  c.seed = p.seed();
  c.size = p.input(0).size();
  p.output(p.input(0));
  p.in_place();
  p.flops(30.0 * static_cast<double>(c.size), static_cast<double>(c.size));
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* x = r.x();
  real* y = r.y();
  const Index count = r.n * c.size;
  if (!r.training) {
    if (x != y) __builtin_memcpy(y, x, static_cast<std::size_t>(count) * sizeof(real));
    return;
  }
  const RandomKey key{c.seed, r.step, r.op};
  parallel_for(r.pool, (count + kBlock - 1) / kBlock, 4, [&](Index begin, Index end, int) {
    real z[kBlock];
    for (Index b = begin; b < end; ++b) {
      const Index first = b * kBlock, n = count - first < kBlock ? count - first : kBlock;
      random_normal(key, first, n, z);
      for (Index i = 0; i < n; ++i) y[first + i] = x[first + i] + c.stddev * z[i];
    }
  });
}

void backward(const Run& r) noexcept {
  const real* dy = r.dy();
  real* dx = r.dx();
  if (!dx || dx == dy) return;
  const Index count = r.n * r.config<Config>().size;
  __builtin_memcpy(dx, dy, static_cast<std::size_t>(count) * sizeof(real));
}

}  // namespace

extern const OpDef op_gaussian_noise;
const OpDef op_gaussian_noise{"gaussian_noise", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
