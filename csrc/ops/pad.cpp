// y = x with begin[i] entries of `value` before and end[i] behind it along axis i of a sample
#include "kernels/region.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Region region;
  real value;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  Index begin[kMaxRank] = {}, end[kMaxRank] = {};
  if (p.integers("begin", begin, kMaxRank, at_least(0)) != x.rank ||
      p.integers("end", end, kMaxRank, at_least(0)) != x.rank)
    p.fail("expected %d numbers in begin and end", x.rank);
  Shape y = x;
  for (int i = 0; i < x.rank; ++i) y[i] += begin[i] + end[i];
  p.output(y);
  c.region = region_of(x, y, begin);
  c.value = static_cast<real>(p.number("value", 0));
  p.flops(static_cast<double>(y.size()), static_cast<double>(x.size()));
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  copy_into(r.pool, c.region, r.n, r.x(), r.y(), c.value);
}

void backward(const Run& r) noexcept {
  if (r.dx()) copy_out_of(r.pool, r.config<Config>().region, r.n, r.dy(), r.dx());
}

}  // namespace

extern const OpDef op_pad;
const OpDef op_pad{"pad", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
