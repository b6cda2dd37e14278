#pragma once
// Reductions in passes; see kernels/reduction_plan.h.
#include "cuda/columns.h"
#include "cuda/divide.h"
#include "cuda/rows.h"
#define PYSEQ_NS cuda
#include "kernels/reduction_plan.h"

namespace pyseq::cuda {

// What joins elements: a state that adds, multiplies, or keeps the largest or smallest; NaN wins.
struct Added {
  float v;
  __device__ Added() : v(0) {}
  __device__ void merge(const Added& o) { v += o.v; }
  __device__ void add(float x) { v += x; }
};
struct Multiplied {
  float v;
  __device__ Multiplied() : v(1) {}
  __device__ void merge(const Multiplied& o) { v *= o.v; }
  __device__ void add(float x) { v *= x; }
};
struct Largest {
  float v;
  __device__ Largest() : v(-INFINITY) {}
  __device__ void merge(const Largest& o) { add(o.v); }
  __device__ void add(float x) {
    if (!(x <= v) && v == v) v = x;
  }
};
struct Smallest {
  float v;
  __device__ Smallest() : v(INFINITY) {}
  __device__ void merge(const Smallest& o) { add(o.v); }
  __device__ void add(float x) {
    if (!(x >= v) && v == v) v = x;
  }
};

// Room for the results of passes that are not the last, two in turn.
inline Index between(const Reduction& r, int which) {
  return r.passes > which + 1 ? r.pass[which].results() : 0;
}
struct ReductionScratch {
  Index per_row, fixed;
};
inline ReductionScratch reduction_scratch(const Reduction& r) {
  return {between(r, 0) + between(r, 1), column_scratch<Added>()};
}

struct LoadElement {
  const float* x;
  __device__ float operator()(Index i) const { return x[i]; }
};

// One row of elements beside each other, by a team.
template <class Element>
struct SumRow {
  Element element;
  float divisor;
  float* y;
  __device__ void operator()(Index row, const Team& team) const {
    float sum = 0;
    for (Index j = team.lane; j < team.n; j += team.lanes) sum += element(row * team.n + j);
    sum = team.sum(sum);
    if (team.leads) y[row] = sum / divisor;
  }
};
// The largest, or (sign -1) the smallest. fmaxf drops NaN, so they are counted.
template <class Element>
struct ExtremeRow {
  Element element;
  float sign;
  float* y;
  __device__ void operator()(Index row, const Team& team) const {
    float top = -INFINITY, nans = 0;
    for (Index j = team.lane; j < team.n; j += team.lanes) {
      const float v = sign * element(row * team.n + j);
      top = fmaxf(top, v);
      nans += v != v ? 1.0f : 0.0f;
    }
    top = team.max(top);
    nans = team.sum(nans);
    if (team.leads) y[row] = nans > 0 ? NAN : sign * top;
  }
};
// False where teams have no way to join this State.
template <class Element>
bool reduce_rows(DeviceStream* s, Index rows, Index n, const Element& element, float divisor, float* y, Added*) {
  for_rows(s, rows, n, SumRow<Element>{element, divisor, y});
  return true;
}
template <class Element>
bool reduce_rows(DeviceStream* s, Index rows, Index n, const Element& element, float, float* y, Largest*) {
  for_rows(s, rows, n, ExtremeRow<Element>{element, 1, y});
  return true;
}
template <class Element>
bool reduce_rows(DeviceStream* s, Index rows, Index n, const Element& element, float, float* y, Smallest*) {
  for_rows(s, rows, n, ExtremeRow<Element>{element, -1, y});
  return true;
}
template <class Element>
bool reduce_rows(DeviceStream*, Index, Index, const Element&, float, float*, void*) {
  return false;
}

// y[o, j] = the State of element(i) over the elements i of (outer, length, inner), divided.
template <class State, class Element>
void reduce_pass(DeviceStream* s, Index outer, Index length, Index inner, Element element, float* parts,
                 float divisor, float* y) {
  const Index results = outer * inner;
  // Results beside each other, and enough of them: a thread for each.
  if ((inner > 1 || length <= 8) && results >= 132 * 64 && length <= 1024) {
    const Divider by_inner(inner);
    for_each(s, results, [=] __device__(Index i) {
      const Index o = by_inner.quotient(i), first = o * length * inner + (i - o * inner);
      State state;
      for (Index k = 0; k < length; ++k) state.add(element(first + k * inner));
      y[i] = state.v / divisor;
    });
    return;
  }
  // Many rows share blocks; few and long ones are cut into chunks below.
  if (inner == 1 && outer >= 132 * 4 &&
      reduce_rows(s, outer, length, element, divisor, y, static_cast<State*>(nullptr)))
    return;
  reduce_columns<State>(
      s, outer, length, inner, parts,
      [=] __device__(State & state, Index i, Index j) { state.add(element(i * inner + j)); },
      [=] __device__(Index o, Index j, const State& state) { y[o * inner + j] = state.v / divisor; });
}

// As `reduce` of kernels/reduction.h, of element(i) for the elements i of the batch.
template <class State, class Element>
void reduce(DeviceStream* s, const Reduction& r, Index n, Element element, float* scratch, float divisor,
            float* y) {
  if (r.passes == 0) {
    for_each(s, n * r.size, [=] __device__(Index i) { y[i] = element(i) / divisor; });
    return;
  }
  float* const parts = scratch;
  float* const room[2] = {scratch + column_scratch<Added>(),
                          scratch + column_scratch<Added>() + n * between(r, 0)};
  for (int k = 0; k < r.passes; ++k) {
    const ReductionPass& p = r.pass[k];
    const bool last = k + 1 == r.passes;
    float* const to = last ? y : room[k % 2];
    const float by = last ? divisor : 1.0f;
    if (k == 0)
      reduce_pass<State>(s, p.outers(n), p.length(n), p.inner, element, parts, by, to);
    else
      reduce_pass<State>(s, p.outers(n), p.length(n), p.inner, LoadElement{room[(k - 1) % 2]}, parts, by, to);
  }
}

}  // namespace pyseq::cuda
