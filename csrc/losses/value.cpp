// p: the predictions are the values themselves, one row for each    p (N, ...), y is not read
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Index size;
};

void plan(Plan& p) {
  p.config<Config>().size = p.input(0).size();
  p.output(p.input(0));
}

void forward(const Run& r) noexcept {
  const Index size = r.config<Config>().size;
  const real *p = r.x(0), *scale = r.x(2);
  real *value = r.y(), *dp = r.dx(0);
  parallel_for(r.pool, r.n * size, 65536, [&](Index begin, Index end, int) {
    const std::size_t bytes = static_cast<std::size_t>(end - begin) * sizeof(real);
    __builtin_memcpy(value + begin, p + begin, bytes);
    if (dp) __builtin_memcpy(dp + begin, scale + begin, bytes);
  });
}

}  // namespace

extern const OpDef loss_value;
const OpDef loss_value{"value", plan, forward, nullptr};

}  // namespace pyseq::PYSEQ_NS
