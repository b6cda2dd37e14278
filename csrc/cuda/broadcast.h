#pragma once
// A variable that is broadcast over samples: its shape is that of a sample with 1 where it is shared.
#include "cuda/columns.h"
#include "cuda/divide.h"
#include "cuda/rows.h"

namespace pyseq::cuda {

struct Broadcast {
  Index size, elements, period;  // of a sample, of the variable; the variable repeats with `period`
  bool expanded;                 // shared along an inner dimension: the period is a whole sample
  Divider by_period;
  // If expanded: element of a sample to that of the variable; element of the variable to the first of
  // the sample that shares it, and how far on from that the others are.
  Strided from, first, others;

  // Element of the variable for element i of the batch.
  __device__ Index at(Index i) const {
    return expanded ? from.at(i) : i - by_period.quotient(i) * period;
  }
};

inline Broadcast make_broadcast(const Plan& p, const Shape& x, const Shape& a) {
  Broadcast b{};
  if (a.rank > x.rank) p.fail("expected a variable of rank %d or less, got %d", x.rank, a.rank);
  const int missing = x.rank - a.rank;
  Index stride[kMaxRank], own[kMaxRank], other[kMaxRank], in_sample[kMaxRank], step = 1, sample_step = 1;
  bool shared = false;
  for (int i = x.rank; i-- > 0;) {
    const Index d = i < missing ? 1 : a[i - missing];
    if (d != 1 && d != x[i])
      p.fail("expected 1 or %lld along dimension %d of the variable, got %lld",
             static_cast<long long>(x[i]), i, static_cast<long long>(d));
    if (d != x[i]) shared = true;
    if (shared && d != 1) b.expanded = true;
    stride[i] = d == 1 ? 0 : step;
    own[i] = d;
    other[i] = d == 1 ? x[i] : 1;
    in_sample[i] = sample_step;
    step *= d;
    sample_step *= x[i];
  }
  b.size = x.size();
  b.elements = a.size();
  b.period = b.expanded ? b.size : b.elements;
  b.by_period = Divider(b.period);
  b.from = strided(x.rank, x.dim, stride, 0);
  b.first = strided(x.rank, own, in_sample, 0);
  b.others = strided(x.rank, other, in_sample, 0);
  return b;
}

// Scratch (floats) that broadcast_sum needs.
inline Index broadcast_scratch(const Broadcast& b) {
  return column_scratch<Sums<1>>() + (b.expanded ? b.size : 0);
}

// da = the sum of term(i) over the elements i of n samples that share an element of the variable. term
// is called once for each element, so it may write what it computes on the way.
template <class F>
void broadcast_sum(DeviceStream* s, const Broadcast& b, Index n, float* scratch, float* da, F term) {
  const Index period = b.period, rows = period > 0 ? n * (b.size / period) : 0;
  float* const total = b.expanded ? scratch + column_scratch<Sums<1>>() : da;
  reduce_columns<Sums<1>>(
      s, 1, rows, period, scratch,
      [=] __device__(Sums<1> & sum, Index i, Index j) { sum.v[0] += term(i * period + j); },
      [=] __device__(Index, Index j, const Sums<1>& sum) { total[j] = sum.v[0]; });
  if (!b.expanded) return;
  const Strided first = b.first, others = b.others;
  for_rows(s, b.elements, b.size / b.elements, [=] __device__(Index e, const Team& team) {
    float sum = 0;
    for (Index k = team.lane; k < team.n; k += team.lanes) sum += total[first.at(e) + others.at(k)];
    sum = team.sum(sum);
    if (team.leads) da[e] = sum;
  });
}

}  // namespace pyseq::cuda
