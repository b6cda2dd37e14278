// y = x u / (1 - rate), u = 0 with probability rate, else 1    x (N, ...)  y (N, ...)
// alpha: dropped elements become alpha' of SELU and y = a (x u + alpha' (1 - u)) + b keeps mean and
// variance (Klambauer et al., "Self-Normalizing Neural Networks", 2017).
//
// u is drawn again in backward, so that nothing is kept. Attribute noise: dimensions of u in a
// sample (1 where it is shared; absent: own draw for each element); shared_batch: one for all rows.
#include "core/op.h"
#include "kernels/random.h"
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr Index kBlock = 1024;
constexpr double kAlpha = -1.7580993408473766;  // -scale * alpha of SELU

struct Config {
  real rate, keep_scale, keep_offset, drop_offset;
  Index size, noise_size, noise_per_row;
  bool plain, shared_batch;
  int rank;
  Index dim[kMaxRank], stride[kMaxRank];  // of a sample; stride into the noise
  std::uint64_t seed;
  int noise;  // scratch
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  const double rate = p.number("rate");
  if (!(rate >= 0 && rate <= 1)) p.fail("expected rate in [0, 1], got %g", rate);
  c.rate = static_cast<real>(rate);
  c.size = x.size();
  c.seed = p.seed();
  if (p.flag("alpha")) {
    const double a = 1 / __builtin_sqrt((1 - rate) * (1 + rate * kAlpha * kAlpha));
    c.keep_scale = static_cast<real>(a);
    c.keep_offset = static_cast<real>(-a * kAlpha * rate);
    c.drop_offset = static_cast<real>(a * kAlpha - a * kAlpha * rate);
  } else {
    c.keep_scale = static_cast<real>(rate < 1 ? 1 / (1 - rate) : 0);
  }
  c.shared_batch = p.flag("shared_batch");
  Index noise[kMaxRank];
  int rank = p.has("noise") ? p.integers("noise", noise, kMaxRank) : -1;
  c.plain = rank < 0;
  if (!c.plain) {
    if (rank != x.rank) p.fail("expected %d dimensions in noise, got %d", x.rank, rank);
    Index s = 1;
    c.rank = x.rank;
    for (int i = x.rank; i-- > 0;) {
      if (noise[i] != 1 && noise[i] != x[i])
        p.fail("expected 1 or %lld in noise, got %lld", static_cast<long long>(x[i]),
               static_cast<long long>(noise[i]));
      c.dim[i] = x[i];
      c.stride[i] = noise[i] == 1 ? 0 : s;
      s *= noise[i];
    }
    c.noise_size = s;
    c.noise = p.scratch(c.shared_batch ? 0 : s, c.shared_batch ? s : 0);
  }
  p.output(x);
  p.in_place();
  p.flops(8.0 * static_cast<double>(c.size), 8.0 * static_cast<double>(c.size));
}

// y = x times the factor of each element, plus its offset in forward.
PYSEQ_INLINE void apply(const Config& c, const real* u, const real* x, real* y, Index n,
                        bool offset) {
  const real rate = c.rate, scale = c.keep_scale;
  const real keep = offset ? c.keep_offset : 0, drop = offset ? c.drop_offset : 0;
  for (Index i = 0; i < n; ++i) y[i] = u[i] >= rate ? x[i] * scale + keep : drop;
}

void run(const Run& r, const real* x, real* y, bool offset) {
  const Config& c = r.config<Config>();
  const RandomKey key{c.seed, r.step, r.op};
  if (c.plain) {
    const Index count = r.n * c.size, blocks = (count + kBlock - 1) / kBlock;
    parallel_for(r.pool, blocks, 8, [&](Index begin, Index end, int) {
      real u[kBlock];
      for (Index b = begin; b < end; ++b) {
        const Index first = b * kBlock, n = count - first < kBlock ? count - first : kBlock;
        random_uniform(key, first, n, u);
        apply(c, u, x + first, y + first, n, offset);
      }
    });
    return;
  }
  real* const noise = r.scratch(c.noise);
  const Index draws = c.shared_batch ? c.noise_size : c.noise_size * r.n;
  const Index blocks = (draws + kBlock - 1) / kBlock;
  parallel_for(r.pool, blocks, 8, [&](Index begin, Index end, int) {
    for (Index b = begin; b < end; ++b) {
      const Index first = b * kBlock, n = draws - first < kBlock ? draws - first : kBlock;
      random_uniform(key, first, n, noise + first);
    }
  });
  parallel_for(r.pool, r.n, 1 + 16384 / (c.size + 1), [&](Index begin, Index end, int) {
    const int last = c.rank - 1;
    const Index inner = c.rank ? c.dim[last] : 1, step = c.rank ? c.stride[last] : 0;
    const real rate = c.rate, scale = c.keep_scale;
    const real keep = offset ? c.keep_offset : 0, drop = offset ? c.drop_offset : 0;
    for (Index n = begin; n < end; ++n) {
      const real* u = noise + (c.shared_batch ? 0 : n * c.noise_size);
      Index at[kMaxRank] = {};
      for (Index i = 0; i < c.size; i += inner) {
        Index from = 0;
        for (int k = 0; k < last; ++k) from += at[k] * c.stride[k];
        const real* in = x + n * c.size + i;
        real* out = y + n * c.size + i;
        if (step) {
          apply(c, u + from, in, out, inner, offset);
        } else {
          const bool kept = u[from] >= rate;
          const real a = kept ? scale : 0, b = kept ? keep : drop;
          for (Index j = 0; j < inner; ++j) out[j] = kept ? in[j] * a + b : b;
        }
        for (int k = last - 1; k >= 0; --k) {
          if (++at[k] < c.dim[k]) break;
          at[k] = 0;
        }
      }
    }
  });
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (r.training) return run(r, r.x(), r.y(), true);
  const real* x = r.x();
  real* y = r.y();
  if (x != y) __builtin_memcpy(y, x, static_cast<std::size_t>(r.n * c.size) * sizeof(real));
}

void backward(const Run& r) noexcept {
  if (r.dx()) run(r, r.dy(), r.dx(), false);
}

}  // namespace

extern const OpDef op_dropout;
const OpDef op_dropout{"dropout", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
