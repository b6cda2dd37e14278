// y = x without the first begin[i] and the last end[i] entries along axis i of a sample
#include "kernels/region.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Region region;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  Index begin[kMaxRank] = {}, end[kMaxRank] = {};
  if (p.integers("begin", begin, kMaxRank, at_least(0)) != x.rank ||
      p.integers("end", end, kMaxRank, at_least(0)) != x.rank)
    p.fail("expected %d numbers in begin and end", x.rank);
  Shape y = x;
  for (int i = 0; i < x.rank; ++i) {
    y[i] -= begin[i] + end[i];
    if (y[i] < 1) p.fail("expected cropping that leaves something along axis %d", i);
  }
  p.output(y);
  c.region = region_of(y, x, begin);
  p.flops(static_cast<double>(y.size()), static_cast<double>(x.size()));
}

void forward(const Run& r) noexcept {
  copy_out_of(r.pool, r.config<Config>().region, r.n, r.x(), r.y());
}

void backward(const Run& r) noexcept {
  if (r.dx()) copy_into(r.pool, r.config<Config>().region, r.n, r.dy(), r.dx(), 0);
}

}  // namespace

extern const OpDef op_crop;
const OpDef op_crop{"crop", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
