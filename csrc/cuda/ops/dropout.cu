#include "cuda/divide.h"
#include "cuda/vector.h"

namespace pyseq::cuda {
namespace {

constexpr double kAlpha = -1.7580993408473766;  // -scale * alpha of SELU

struct Config {
  float rate, keep_scale, keep_offset, drop_offset;
  Index size;
  bool plain;
  Strided noise;  // element of the batch to that of the noise
  std::uint64_t seed;
};

void plan_noise(Plan& p, Config& c, const Shape& x) {
  Index noise[kMaxRank], stride[kMaxRank], step = 1;
  if (p.integers("noise", noise, kMaxRank) != x.rank) p.fail("expected %d dimensions in noise", x.rank);
  for (int i = x.rank; i-- > 0;) {
    stride[i] = noise[i] == 1 ? 0 : step;
    step *= noise[i];
  }
  c.noise = strided(x.rank, x.dim, stride, p.flag("shared_batch") ? 0 : step);
}

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  const double rate = p.number("rate");
  c.rate = static_cast<float>(rate);
  c.size = x.size();
  c.seed = p.seed();
  if (p.flag("alpha")) {
    const double a = 1 / __builtin_sqrt((1 - rate) * (1 + rate * kAlpha * kAlpha));
    c.keep_scale = static_cast<float>(a);
    c.keep_offset = static_cast<float>(-a * kAlpha * rate);
    c.drop_offset = static_cast<float>(a * kAlpha - a * kAlpha * rate);
  } else {
    c.keep_scale = static_cast<float>(rate < 1 ? 1 / (1 - rate) : 0);
  }
  c.plain = !p.has("noise");
  if (!c.plain) plan_noise(p, c, x);
  p.output(x);
  p.in_place();
}

void run(const Run& r, const float* x, float* y, bool offset) {
  const Config& c = r.config<Config>();
  const RandomKey key{c.seed, r.op, r.stream->state};
  const Index count = r.n * c.size;
  const float rate = c.rate, scale = c.keep_scale;
  const float keep = offset ? c.keep_offset : 0, drop = offset ? c.drop_offset : 0;
  if (c.plain) {
    for_each_four(r.stream, count, [=] __device__(Index q) {
      const Four u = random_uniform_four(key, q);
      Four v = load_four(x, q, count);
      for (int k = 0; k < 4; ++k) v.v[k] = u.v[k] >= rate ? v.v[k] * scale + keep : drop;
      store_four(y, q, count, v);
    });
    return;
  }
  const Strided noise = c.noise;
  for_each(r.stream, count, [=] __device__(Index i) {
    y[i] = random_uniform(key, noise.at(i)) >= rate ? x[i] * scale + keep : drop;
  });
}

void forward(const Run& r) noexcept {
  if (r.training) run(r, r.x(), r.y(), true);
  else copy_floats(r.stream, r.y(), r.x(), r.n * r.config<Config>().size);
}

void backward(const Run& r) noexcept {
  if (r.dx()) run(r, r.dy(), r.dx(), false);
}

}  // namespace

extern const OpDef op_dropout;
const OpDef op_dropout{"dropout", plan, forward, backward};

}  // namespace pyseq::cuda
