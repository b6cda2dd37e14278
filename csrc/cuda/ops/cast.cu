#include "cuda/divide.h"

namespace pyseq::cuda {
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
}

__device__ inline Index to_integer(float x) {
  constexpr float kEnd = 9223372036854775808.0f;
  if (x >= kEnd) return INT64_MAX;
  if (x <= -kEnd) return INT64_MIN;
  return x == x ? static_cast<Index>(x) : 0;
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (c.to_int64) {
    const float* x = r.x();
    Index* y = r.y();
    for_each(r.stream, r.n * c.size, [=] __device__(Index i) { y[i] = to_integer(x[i]); });
  } else {
    const Index* x = r.x();
    float* y = r.y();
    for_each(r.stream, r.n * c.size, [=] __device__(Index i) { y[i] = static_cast<float>(x[i]); });
  }
}

void backward(const Run& r) noexcept {
  if (r.dx()) zero_floats(r.stream, r.dx(), r.n * r.config<Config>().size);
}

}  // namespace

extern const OpDef op_cast;
const OpDef op_cast{"cast", plan, forward, backward};

}  // namespace pyseq::cuda
