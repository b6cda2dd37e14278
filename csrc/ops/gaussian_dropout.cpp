// y = x z, z ~ N(1, stddev)    x (N, ...)  y (N, ...)
// Backward draws z again. (Srivastava et al., "Dropout", 2014, section 10.)
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
  p.flops(30.0 * static_cast<double>(c.size), 30.0 * static_cast<double>(c.size));
}

void run(const Run& r, const real* x, real* y) {
  const Config& c = r.config<Config>();
  const RandomKey key{c.seed, r.step, r.op};
  const Index count = r.n * c.size, blocks = (count + kBlock - 1) / kBlock;
  parallel_for(r.pool, blocks, 4, [&](Index begin, Index end, int) {
    real z[kBlock];
    for (Index b = begin; b < end; ++b) {
      const Index first = b * kBlock, n = count - first < kBlock ? count - first : kBlock;
      random_normal(key, first, n, z);
      for (Index i = 0; i < n; ++i) y[first + i] = x[first + i] * (1 + c.stddev * z[i]);
    }
  });
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (r.training) return run(r, r.x(), r.y());
  const real* x = r.x();
  real* y = r.y();
  if (x != y) __builtin_memcpy(y, x, static_cast<std::size_t>(r.n * c.size) * sizeof(real));
}

void backward(const Run& r) noexcept {
  if (r.dx()) run(r, r.dy(), r.dx());
}

}  // namespace

extern const OpDef op_gaussian_dropout;
const OpDef op_gaussian_dropout{"gaussian_dropout", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
