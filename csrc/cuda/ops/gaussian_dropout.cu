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

void run(const Run& r, const float* x, float* y) {
  const Config& c = r.config<Config>();
  const RandomKey key{c.seed, r.op, r.stream->state};
  const Index count = r.n * c.size;
  const float stddev = c.stddev;
  for_each_four(r.stream, count, [=] __device__(Index q) {
    const Four z = random_normal_four(key, q);
    Four v = load_four(x, q, count);
    for (int k = 0; k < 4; ++k) v.v[k] *= 1 + stddev * z.v[k];
    store_four(y, q, count, v);
  });
}

void forward(const Run& r) noexcept {
  if (r.training) run(r, r.x(), r.y());
  else copy_floats(r.stream, r.y(), r.x(), r.n * r.config<Config>().size);
}

void backward(const Run& r) noexcept {
  if (r.dx()) run(r, r.dy(), r.dx());
}

}  // namespace

extern const OpDef op_gaussian_dropout;
const OpDef op_gaussian_dropout{"gaussian_dropout", plan, forward, backward};

}  // namespace pyseq::cuda
