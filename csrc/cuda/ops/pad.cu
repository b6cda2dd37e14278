#include "cuda/region.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Region region;
  float value;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  Index begin[kMaxRank] = {}, end[kMaxRank] = {};
  if (p.integers("begin", begin, kMaxRank) != x.rank || p.integers("end", end, kMaxRank) != x.rank)
    p.fail("expected %d numbers in begin and end", x.rank);
  Shape y = x;
  for (int i = 0; i < x.rank; ++i) {
    if (begin[i] < 0 || end[i] < 0) p.fail("expected no negative padding");
    y[i] += begin[i] + end[i];
  }
  p.output(y);
  c.region = region_of(x, y, begin);
  c.value = static_cast<float>(p.number("value", 0));
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  copy_into(r.stream, c.region, r.n, r.x(), r.y(), c.value);
}

void backward(const Run& r) noexcept {
  if (r.dx()) copy_out_of(r.stream, r.config<Config>().region, r.n, r.dy(), r.dx());
}

}  // namespace

extern const OpDef op_pad;
const OpDef op_pad{"pad", plan, forward, backward};

}  // namespace pyseq::cuda
