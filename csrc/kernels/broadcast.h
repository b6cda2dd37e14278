#pragma once
// A variable that is broadcast over samples: its shape is that of a sample with 1 where it is
// shared.
#include "kernels/columns.h"

namespace pyseq::PYSEQ_NS {
// Internal linkage: lambdas in functions of external linkage would leave weak symbols behind.
namespace {

// The variable repeats with `period` in a sample where its trailing dimensions are those of the
// sample and the others 1. Any other sharing is written out for a whole sample (`expanded`).
struct Broadcast {
  Index size, period, outer;
  bool expanded;
  int rank;
  Index dim[kMaxRank], stride[kMaxRank];
};

PYSEQ_INLINE Broadcast make_broadcast(const Plan& p, const Shape& x, const Shape& a) {
  Broadcast b{};
  if (a.rank > x.rank) p.fail("expected a variable of rank %d or less, got %d", x.rank, a.rank);
  const int missing = x.rank - a.rank;
  b.size = x.size();
  b.rank = x.rank;
  Index step = 1;
  bool shared = false;
  for (int i = x.rank; i-- > 0;) {
    const Index d = i < missing ? 1 : a[i - missing];
    if (d != 1 && d != x[i])
      p.fail("expected 1 or %lld along dimension %d of the variable, got %lld",
             static_cast<long long>(x[i]), i, static_cast<long long>(d));
    if (d != x[i]) shared = true;
    if (shared && d != 1) b.expanded = true;
    b.dim[i] = x[i];
    b.stride[i] = d == 1 ? 0 : step;
    step *= d;
  }
  b.period = b.expanded ? b.size : a.size();
  b.outer = b.period ? b.size / b.period : 0;
  return b;
}

// f(element of the sample, element of the variable)
template <class F>
PYSEQ_INLINE void for_elements(const Broadcast& b, F&& f) {
  Index at[kMaxRank] = {};
  for (Index i = 0; i < b.size; ++i) {
    Index from = 0;
    for (int k = 0; k < b.rank; ++k) from += at[k] * b.stride[k];
    f(i, from);
    for (int k = b.rank - 1; k >= 0; --k) {
      if (++at[k] < b.dim[k]) break;
      at[k] = 0;
    }
  }
}

// One period of the variable: itself, or written out to `scratch` (period reals).
PYSEQ_INLINE const real* broadcast_period(const Broadcast& b, const real* a, real* scratch) {
  if (!b.expanded) return a;
  for_elements(b, [&](Index i, Index from) { scratch[i] = a[from]; });
  return scratch;
}

// Sums the chunks of a gradient of one period into the variable's gradient.
PYSEQ_INLINE void broadcast_reduce(Pool* pool, const Broadcast& b, const real* parts, Index chunks,
                                   real* scratch, real* da) {
  if (!b.expanded) return reduce_chunks(pool, parts, b.period, chunks, b.period, da);
  reduce_chunks(pool, parts, b.period, chunks, b.period, scratch);
  for_elements(b, [&](Index, Index to) { da[to] = 0; });
  for_elements(b, [&](Index i, Index to) { da[to] += scratch[i]; });
}

}  // namespace
}  // namespace pyseq::PYSEQ_NS
