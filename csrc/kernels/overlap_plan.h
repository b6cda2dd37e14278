#pragma once
// Planning of losses that are a function of sum y p, sum y and sum p over some axes.
#include "kernels/loss_plan.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct OverlapAxes {
  bool batch, sum;  // the batch is reduced; rows are added up
  int rank;         // groups of neighbouring dimensions, alternately kept and reduced
  Index dim[kMaxRank + 1];
  Index cell[kMaxRank + 1];  // stride among the cells; 0 where reduced
  Index size, cells;         // elements and results of one sample
  int sums;                  // scratch

  // Number of runs: contiguous pieces of the last group.
  PYSEQ_DEVICE PYSEQ_INLINE Index run() const { return dim[rank - 1]; }
  PYSEQ_DEVICE PYSEQ_INLINE bool run_is_one_cell() const { return cell[rank - 1] == 0; }
  PYSEQ_DEVICE PYSEQ_INLINE Index cell_of_run(Index i) const {
    Index at = 0;
    for (int k = rank - 2; k >= 0; --k) {
      at += i % dim[k] * cell[k];
      i /= dim[k];
    }
    return at;
  }
};

struct Sums {
  double yp, y, p;
};
struct Overlap {
  double value, slope_yp, slope_p;  // derivatives by sum y p and sum p
};

inline OverlapAxes plan_overlap(Plan& p) {
  check_same_size(p);
  const Shape shape = p.input(0);
  Index axes[kMaxRank + 1];
  bool reduced[kMaxRank + 1] = {};
  int count = 0;
  if (p.has("axis")) {
    count = p.integers("axis", axes, kMaxRank + 1);
    for (int i = 0; i < count; ++i) {
      const Index a = axes[i] < 0 ? axes[i] + shape.rank + 1 : axes[i];
      if (a < 0 || a > shape.rank)
        p.fail("expected axes from 0 to %d, got %lld", shape.rank, static_cast<long long>(axes[i]));
      reduced[a] = true;
    }
  } else {
    for (int i = 0; i <= shape.rank; ++i) reduced[i] = true;
  }
  OverlapAxes c{};
  c.batch = reduced[0];
  c.sum = adds_rows(p);
  Shape rows;
  bool kind[kMaxRank + 1];
  for (int i = 0; i < shape.rank; ++i) {
    if (!reduced[i + 1]) rows.push(shape.dim[i]);
    if (c.rank > 0 && kind[c.rank - 1] == reduced[i + 1]) {
      c.dim[c.rank - 1] *= shape.dim[i];
    } else {
      c.dim[c.rank] = shape.dim[i];
      kind[c.rank++] = reduced[i + 1];
    }
  }
  if (c.rank == 0) {
    c.dim[0] = 1;
    kind[c.rank++] = true;
  }
  c.cells = 1;
  for (int k = c.rank - 1; k >= 0; --k) {
    c.cell[k] = kind[k] ? 0 : c.cells;
    if (!kind[k]) c.cells *= c.dim[k];
  }
  c.size = shape.size();
  // Per sample: three sums (then three numbers that the gradient needs) for each cell.
  c.sums = p.scratch(3 * c.cells);
  p.output(rows);
  p.config<OverlapAxes>() = c;
  p.flops(6.0 * static_cast<double>(c.size), 0);
  return c;
}

}  // namespace
}  // namespace pyseq::PYSEQ_NS
