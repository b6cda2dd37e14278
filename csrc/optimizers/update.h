#pragma once
// What the optimizers share: one pass over a variable, its gradient and its slots.
#include "kernels/simd.h"

namespace pyseq::PYSEQ_NS {
namespace {

// Loads and stores of the n lanes in use at one place of every array.
struct Place {
  Index i;
  int n;
  PYSEQ_INLINE V load(const real* p) const {
    return n == kLanes ? pyseq::PYSEQ_NS::load(p + i) : load_partial(p + i, n);
  }
  PYSEQ_INLINE void store(real* p, V v) const {
    if (n == kLanes) pyseq::PYSEQ_NS::store(p + i, v);
    else store_partial(p + i, v, n);
  }
};

// The gradient after clipping, the variable after weight decay.
struct Inputs {
  const real* g;
  real* w;
  real scale, low, high, keep;

  PYSEQ_INLINE explicit Inputs(const Update& u)
      : g(static_cast<const real*>(u.g)),
        w(static_cast<real*>(u.w)),
        scale(static_cast<real>(u.grad_scale)),
        low(static_cast<real>(-u.clip)),
        high(static_cast<real>(u.clip)),
        keep(static_cast<real>(1 - u.decay)) {}
  PYSEQ_INLINE V gradient(const Place& at) const { return clamp_v(at.load(g) * scale, low, high); }
  PYSEQ_INLINE V variable(const Place& at) const { return at.load(w) * keep; }
};

template <class F>
PYSEQ_INLINE void each_place(Index begin, Index end, F&& f) {
  Index i = begin;
  for (; i + kLanes <= end; i += kLanes) f(Place{i, kLanes});
  if (i < end) f(Place{i, static_cast<int>(end - i)});
}

// w = step(place, w, g)
template <class F>
PYSEQ_INLINE void update_elements(const Update& u, F&& step) {
  const Inputs in(u);
  each_place(0, u.n,
             [&](const Place& at) { at.store(in.w, step(at, in.variable(at), in.gradient(at))); });
}

PYSEQ_INLINE real* slot(const Update& u, int k) { return static_cast<real*>(u.slot[k]); }

PYSEQ_INLINE double power(double x, double y) { return __builtin_pow(x, y); }
// 1 - beta^t
PYSEQ_INLINE double correction(double beta, Index t) {
  return 1 - power(beta, static_cast<double>(t));
}

// Sums over a whole variable: fixed chunks, so that the workers do not change the bits.
constexpr Index kChunks = 64;
struct Chunks {
  Index n, size, count;
  PYSEQ_INLINE explicit Chunks(Index elements)
      : n(elements), size((elements + kChunks - 1) / kChunks) {
    if (size < 8192) size = 8192;
    count = (n + size - 1) / size;
  }
};

// The sum over all elements of f(place), with f's lanes beyond the end ignored.
template <class F>
PYSEQ_INLINE double chunked_sum(Pool* pool, Index n, F&& f) {
  const Chunks chunks(n);
  double partial[kChunks];
  parallel_for(pool, chunks.count, 1, [&](Index first, Index last, int) {
    for (Index c = first; c < last; ++c) {
      const Index end = (c + 1) * chunks.size < n ? (c + 1) * chunks.size : n;
      double sum = 0;
      // Blocks bound the error of a running sum.
      for (Index b = c * chunks.size; b < end; b += 4096) {
        V s{};
        each_place(b, b + 4096 < end ? b + 4096 : end, [&](const Place& at) {
          const V v = f(at);
          s += at.n == kLanes ? v : select(lane_numbers() < at.n, v, V{});
        });
        sum += static_cast<double>(horizontal_sum(s));
      }
      partial[c] = sum;
    }
  });
  double total = 0;
  for (Index c = 0; c < chunks.count; ++c) total += partial[c];
  return total;
}

}  // namespace
}  // namespace pyseq::PYSEQ_NS
