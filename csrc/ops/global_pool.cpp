// y = max or mean (attribute `mode`) of x over all positions   x (N, ..., C)  y (N, C), or
// (N, 1, ..., C) with `keepdims`. With a second input m (N, T): y = sum x m / sum m.
// The gradient of a maximum is shared evenly between equal ones.
#include "kernels/simd.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr Index kBlock = 8 * kLanes;  // channels that one task reads together

struct Config {
  Index positions, channels;
  bool max, masked;
};

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0, 2);
  const char* mode = p.text("mode");
  c.max = __builtin_strcmp(mode, "max") == 0;
  if (!c.max && __builtin_strcmp(mode, "average") != 0)
    p.fail("expected `mode` to be max or average, got %s", mode);
  c.channels = x[-1];
  c.positions = x.size(0, x.rank - 1);
  c.masked = p.inputs() > 1;
  if (c.masked && (c.max || p.input(1).size() != c.positions))
    p.fail("expected a mask of %d steps for a mean", static_cast<int>(c.positions));
  Shape y;
  if (p.flag("keepdims"))
    for (int i = 0; i < x.rank - 1; ++i) y.push(1);
  y.push(c.channels);
  p.output(y);
  if (c.max) {
    p.backward_reads_input(0);
    p.backward_reads_output(0);
  }
  if (c.masked) p.backward_reads_input(1);
  p.flops(static_cast<double>(x.size()), static_cast<double>(x.size()));
}

// f(sample, first channel, channels) in blocks of channels.
template <class F>
PYSEQ_INLINE void for_blocks(const Run& r, const Config& c, F&& f) {
  const Index blocks = (c.channels + kBlock - 1) / kBlock;
  const Index grain = 32768 / (c.positions * kBlock) + 1;
  parallel_for(r.pool, r.n * blocks, grain, [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      const Index first = i % blocks * kBlock;
      f(i / blocks, first, c.channels - first < kBlock ? c.channels - first : kBlock);
    }
  });
}

real weight_of(const Config& c, const real* mask, Index n) {
  if (!c.masked) return static_cast<real>(c.positions);
  real sum = 0;
  for (Index t = 0; t < c.positions; ++t) sum += mask[n * c.positions + t];
  return sum;
}

// y[0, count) = sum (or max, NaN wins) over rows of x; `scale`, if not null, one factor a row.
template <bool Max>
PYSEQ_INLINE void reduce(const real* x, Index rows, Index ld, Index count, const real* scale,
                         real* y) {
  for (Index c = 0; c < count; ++c) y[c] = Max ? x[c] : 0;
  for (Index t = 0; t < rows; ++t, x += ld) {
    const real s = scale ? scale[t] : 1;
    Index c = 0;
    for (; c + kLanes <= count; c += kLanes) {
      const V v = load(x + c), a = load(y + c);
      store(y + c, Max ? (((v > a) | (v != v)) ? v : a) : a + s * v);
    }
    for (; c < count; ++c)
      y[c] = Max ? (x[c] > y[c] || x[c] != x[c] ? x[c] : y[c]) : y[c] + s * x[c];
  }
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* x = r.x();
  real* y = r.y();
  const real* mask = c.masked ? static_cast<const real*>(r.x(1)) : nullptr;
  for_blocks(r, c, [&](Index n, Index first, Index count) {
    const real* from = x + n * c.positions * c.channels + first;
    real sum[kBlock];
    if (c.max) {
      reduce<true>(from, c.positions, c.channels, count, nullptr, sum);
    } else {
      reduce<false>(from, c.positions, c.channels, count, mask ? mask + n * c.positions : nullptr,
                    sum);
      const real weight = weight_of(c, mask, n);
      for (Index i = 0; i < count; ++i) sum[i] /= weight;
    }
    for (Index i = 0; i < count; ++i) y[n * c.channels + first + i] = sum[i];
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  if (c.masked && r.dx(1)) {
    real* dm = r.dx(1);
    for (Index i = 0; i < r.n * c.positions; ++i) dm[i] = 0;
  }
  if (!r.dx()) return;
  const real* x = c.max ? static_cast<const real*>(r.x()) : nullptr;
  const real* y = c.max ? static_cast<const real*>(r.y()) : nullptr;
  const real* dy = r.dy();
  real* dx = r.dx();
  const real* mask = c.masked ? static_cast<const real*>(r.x(1)) : nullptr;
  for_blocks(r, c, [&](Index n, Index first, Index count) {
    const Index offset = n * c.positions * c.channels + first;
    real share[kBlock];
    const real* g = dy + n * c.channels + first;
    if (!c.max) {
      const real weight = weight_of(c, mask, n);
      for (Index i = 0; i < count; ++i) share[i] = g[i] / weight;
      for (Index t = 0; t < c.positions; ++t) {
        const real s = mask ? mask[n * c.positions + t] : 1;
        real* to = dx + offset + t * c.channels;
        for (Index i = 0; i < count; ++i) to[i] = s * share[i];
      }
      return;
    }
    const real* best = y + n * c.channels + first;
    for (Index i = 0; i < count; ++i) share[i] = 0;
    for (Index t = 0; t < c.positions; ++t)
      for (Index i = 0; i < count; ++i)
        share[i] += x[offset + t * c.channels + i] == best[i] ? real(1) : real(0);
    for (Index i = 0; i < count; ++i) share[i] = g[i] / share[i];
    for (Index t = 0; t < c.positions; ++t)
      for (Index i = 0; i < count; ++i) {
        const Index at = offset + t * c.channels + i;
        dx[at] = x[at] == best[i] ? share[i] : real(0);
      }
  });
}

}  // namespace

extern const OpDef op_global_pool;
const OpDef op_global_pool{"global_pool", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
