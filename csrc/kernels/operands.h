#pragma once
// Values that are broadcast against each other as NumPy does: aligned at the last dimension, 1
// where they are shared.
#include "kernels/reduction_plan.h"

namespace pyseq::PYSEQ_NS {

constexpr int kMaxOperands = 3;

struct Operand {
  Index stride[kMaxRank];  // in the dimensions of Operands; 0 where it is shared
  Index size;              // elements of a sample
  Index sample;            // from one sample to the next: size, or 0 if all have the same
  bool whole;              // element i is that of the result's element i
  bool periodic;           // the same in all samples, and repeats after `size` elements
};

// Dimensions of a sample of the result, those merged that no operand tells apart.
struct Operands {
  int rank, count;
  Index size;
  Index dim[kMaxRank];
  Operand of[kMaxOperands];
};

namespace {

// `shared[k]`: operand k is a variable or a number, which all samples see. Gives y its shape.
PYSEQ_INLINE Operands make_operands(const Plan& p, int count, const Shape* shapes,
                                    const bool* shared, Shape& y) {
  Operands o{};
  o.count = count;
  y = Shape{};
  for (int k = 0; k < count; ++k)
    if (shapes[k].rank > y.rank) y.rank = shapes[k].rank;
  for (int i = 0; i < y.rank; ++i) {
    y.dim[i] = 1;
    for (int k = 0; k < count; ++k) {
      const int j = i - (y.rank - shapes[k].rank);
      const Index d = j < 0 ? 1 : shapes[k].dim[j];
      if (d == 1 || d == y.dim[i]) continue;
      if (y.dim[i] != 1)
        p.fail("expected shapes that broadcast, got sizes %lld and %lld along dimension %d",
               static_cast<long long>(y.dim[i]), static_cast<long long>(d), i);
      y.dim[i] = d;
    }
  }
  o.size = 1;
  for (int i = 0; i < y.rank; ++i) o.size = p.product(o.size, y.dim[i]);
  Index stride[kMaxOperands][kMaxRank] = {};
  for (int k = 0; k < count; ++k) {
    Index step = 1;
    for (int i = y.rank; i-- > 0;) {
      const int j = i - (y.rank - shapes[k].rank);
      const Index d = j < 0 ? 1 : shapes[k].dim[j];
      stride[k][i] = d == 1 ? 0 : step;
      step *= d;
    }
    o.of[k].size = step;
    o.of[k].sample = shared[k] ? 0 : step;
    o.of[k].whole = !shared[k] && step == o.size;
  }
  for (int i = 0; i < y.rank; ++i) {
    if (y.dim[i] == 1) continue;
    bool merges = o.rank > 0;
    for (int k = 0; merges && k < count; ++k)
      merges = o.of[k].stride[o.rank - 1] == stride[k][i] * y.dim[i];
    if (!merges) o.dim[o.rank++] = 1;
    o.dim[o.rank - 1] *= y.dim[i];
    for (int k = 0; k < count; ++k) o.of[k].stride[o.rank - 1] = stride[k][i];
  }
  for (int k = 0; k < count; ++k) {
    Operand& a = o.of[k];
    Index step = 1;
    bool periodic = a.sample == 0;
    for (int i = o.rank; i-- > 0;) {
      periodic = periodic && a.stride[i] == (step == a.size ? 0 : step);
      step *= a.stride[i] == 0 ? 1 : o.dim[i];
    }
    a.periodic = periodic;
  }
  return o;
}

// Sums what has the shape of the result to the shape of an operand.
PYSEQ_INLINE Reduction sum_to_operand(const Shape& y, const Shape& operand, bool shared) {
  bool reduced[kMaxRank] = {};
  for (int i = 0; i < y.rank; ++i) {
    const int j = i - (y.rank - operand.rank);
    reduced[i] = j < 0 || operand.dim[j] == 1;
  }
  return make_reduction(y, reduced, shared);
}

}  // namespace
}  // namespace pyseq::PYSEQ_NS
