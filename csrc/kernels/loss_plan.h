#pragma once
// Planning that losses and metrics share.
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {

namespace {

// A per-sample shape seen as (outer, size, inner): a loss row runs along `size`.
struct Axis {
  Index outer, size, inner;
  PYSEQ_DEVICE PYSEQ_INLINE Index rows() const { return outer * inner; }
};

inline void check_same_size(const Plan& p) {
  const Shape pred = p.input(0), target = p.input(1);
  if (pred.size() != target.size())
    p.fail("expected targets of the output's %lld numbers per sample, got %lld",
           static_cast<long long>(pred.size()), static_cast<long long>(target.size()));
}

// Reads attribute `axis` (counted as Keras does, with the batch) and declares one row for each
// position along the others.
inline Axis plan_rows(Plan& p, Index index) {
  const Shape shape = p.input(0);
  if (shape.rank == 0) {
    p.output(shape);
    return {1, 1, 1};
  }
  const Index a = index < 0 ? index + shape.rank : index - 1;
  if (a < 0 || a >= shape.rank)
    p.fail("expected an axis from 1 to %d or below 0, without the batch axis, got %lld", shape.rank,
           static_cast<long long>(index));
  Shape rows;
  for (int i = 0; i < shape.rank; ++i)
    if (i != a) rows.push(shape.dim[i]);
  p.output(rows);
  const int at = static_cast<int>(a);
  return {shape.size(0, at), shape.dim[at], shape.size(at + 1, shape.rank)};
}

// A loss over the last axis whose targets have the shape of the predictions.
inline void plan_last_axis(Plan& p) {
  check_same_size(p);
  p.config<Axis>() = plan_rows(p, -1);
  p.flops(4.0 * static_cast<double>(p.input(0).size()), 0);
}

// Whether attribute `reduction`, which the trainer gives, says that rows are added and not
// averaged.
inline bool adds_rows(const Plan& p) {
  const char *have = p.text("reduction"), *want = "sum";
  while (*want && *have == *want) ++have, ++want;
  return *have == *want;
}

// Targets that hold one label for each row.
inline void check_labels(const Plan& p, const Axis& axis) {
  if (p.input(1).size() != axis.rows())
    p.fail("expected %lld integer labels per sample, got %lld", static_cast<long long>(axis.rows()),
           static_cast<long long>(p.input(1).size()));
}

}  // namespace
}  // namespace pyseq::PYSEQ_NS
