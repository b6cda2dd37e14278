#include "kernels/constraint.h"

#include "kernels/simd.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr real kEpsilon = static_cast<real>(1e-7);

struct Norm {
  int kind;
  real low, high, rate;

  // What a vector of this norm is multiplied by.
  PYSEQ_INLINE V factor(V norm) const {
    V wanted = splat(1);
    if (kind == 0) wanted = clamp_v(norm, 0, high);
    if (kind == 2) wanted = rate * clamp_v(norm, low, high) + (1 - rate) * norm;
    return wanted / (norm + kEpsilon);
  }
};

// Dimensions of one kind with their strides: an odometer over kept or reduced ones.
struct Walk {
  Index dim[kMaxRank], stride[kMaxRank];
  int rank = 0;

  PYSEQ_INLINE Index size() const {
    Index s = 1;
    for (int i = 0; i < rank; ++i) s *= dim[i];
    return s;
  }
  PYSEQ_INLINE Index offset(Index index) const {
    Index at = 0;
    for (int i = rank - 1; i >= 0; --i) {
      at += index % dim[i] * stride[i];
      index /= dim[i];
    }
    return at;
  }
};

// The last dimension is kept: lanes hold neighbouring vectors.
void project_columns(Pool* pool, const Norm& norm, const Walk& kept, const Walk& reduced,
                     Index width, real* w) {
  const Index blocks = (width + kLanes - 1) / kLanes, steps = reduced.size();
  const Index grain = 1 + 4096 / (steps * kLanes + 1);
  parallel_for(pool, kept.size() * blocks, grain, [&](Index begin, Index end, int) {
    for (Index b = begin; b < end; ++b) {
      const Index first = b % blocks * kLanes;
      const int n = static_cast<int>(width - first < kLanes ? width - first : kLanes);
      real* base = w + kept.offset(b / blocks) + first;
      V sum{};
      for (Index i = 0; i < steps; ++i) {
        const V x = load_partial(base + reduced.offset(i), n);
        sum += x * x;
      }
      const V f = norm.factor(sqrt_v(sum));
      for (Index i = 0; i < steps; ++i) {
        real* at = base + reduced.offset(i);
        store_partial(at, f * load_partial(at, n), n);
      }
    }
  });
}

// The last dimension is part of the vectors: lanes run along it.
void project_rows(Pool* pool, const Norm& norm, const Walk& kept, const Walk& reduced, Index width,
                  real* w) {
  const Index steps = reduced.size(), grain = 1 + 4096 / (steps * width + 1);
  parallel_for(pool, kept.size(), grain, [&](Index begin, Index end, int) {
    for (Index b = begin; b < end; ++b) {
      real* base = w + kept.offset(b);
      V sum{};
      for (Index i = 0; i < steps; ++i) {
        const real* row = base + reduced.offset(i);
        Index k = 0;
        for (; k + kLanes <= width; k += kLanes) sum += load(row + k) * load(row + k);
        if (k < width) {
          const V x = load_partial(row + k, static_cast<int>(width - k));
          sum += x * x;
        }
      }
      const V f = norm.factor(sqrt_v(splat(horizontal_sum(sum))));
      for (Index i = 0; i < steps; ++i) {
        real* row = base + reduced.offset(i);
        map(row, row, width, [f](V x) { return f * x; });
      }
    }
  });
}

}  // namespace

void constrain(Pool* pool, int kind, double min_value, double max_value, double rate,
               const int* axes, int axis_count, const Shape& shape, void* variable) {
  real* w = static_cast<real*>(variable);
  const Index size = shape.size();
  if (size == 0) return;
  if (kind == 3) {
    parallel_for(pool, size, 16384, [&](Index b, Index e, int) {
      map(w + b, w + b, e - b, [](V x) { return max_v(V{}, x); });
    });
    return;
  }
  const Norm norm{kind, static_cast<real>(min_value), static_cast<real>(max_value),
                  static_cast<real>(rate)};
  bool reduce[kMaxRank] = {};
  for (int i = 0; i < axis_count; ++i) reduce[axes[i] < 0 ? axes[i] + shape.rank : axes[i]] = true;
  // Neighbouring dimensions of one kind at the end are one run of memory.
  int last = shape.rank - 1;
  Index width = last >= 0 ? shape.dim[last] : 1;
  while (last > 0 && reduce[last - 1] == reduce[last]) width *= shape.dim[--last];
  Walk kept, reduced;
  for (int i = 0; i < last; ++i) {
    Walk& walk = reduce[i] ? reduced : kept;
    walk.dim[walk.rank] = shape.dim[i];
    walk.stride[walk.rank++] = shape.size(i + 1, shape.rank);
  }
  if (last >= 0 && reduce[last]) project_rows(pool, norm, kept, reduced, width, w);
  else project_columns(pool, norm, kept, reduced, width, w);
}

}  // namespace pyseq::PYSEQ_NS
