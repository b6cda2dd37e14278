#include "cuda/divide.h"
#include "cuda/vector.h"

namespace pyseq::cuda {
namespace {

struct Config {
  float stddev;
  Index size;
  std::uint64_t seed;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  c.stddev = static_cast<float>(p.number("stddev"));
  c.seed = p.seed();
  c.size = p.input(0).size();
  p.output(p.input(0));
  p.in_place();
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index count = r.n * c.size;
  const float* x = r.x();
  float* y = r.y();
  if (!r.training) return copy_floats(r.stream, y, x, count);
  const RandomKey key{c.seed, r.op, r.stream->state};
  const float stddev = c.stddev;
  for_each_four(r.stream, count, [=] __device__(Index q) {
    const Four z = random_normal_four(key, q);
    Four v = load_four(x, q, count);
    for (int k = 0; k < 4; ++k) v.v[k] += stddev * z.v[k];
    store_four(y, q, count, v);
  });
}

void backward(const Run& r) noexcept {
  if (r.dx()) copy_floats(r.stream, r.dx(), r.dy(), r.n * r.config<Config>().size);
}

}  // namespace

extern const OpDef op_gaussian_noise;
const OpDef op_gaussian_noise{"gaussian_noise", plan, forward, backward};

}  // namespace pyseq::cuda
