#pragma once
// A reduction over some dimensions of a sample, and maybe over the batch, cut into passes.
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {

// Over the middle of (outer, axis, inner). Where `batch`, the axis begins with the batch (outer is
// 1) and `axis` counts what of it lies in one sample; else there are N times as many outers.
struct ReductionPass {
  Index outer, axis, inner;
  bool batch;

  PYSEQ_DEVICE PYSEQ_INLINE Index outers(Index n) const { return batch ? 1 : n * outer; }
  PYSEQ_DEVICE PYSEQ_INLINE Index length(Index n) const { return batch ? n * axis : axis; }
  PYSEQ_INLINE Index results() const { return outer * inner; }  // of a sample, or in all (batch)
};

// Neighbouring dimensions that are reduced go in one pass, the last ones first.
struct Reduction {
  int passes;
  ReductionPass pass[kMaxRank / 2 + 1];
  bool batch;
  Index size, kept;  // elements of a sample before and after

  PYSEQ_INLINE Index elements(Index n) const {  // that go into one result
    return (kept > 0 ? size / kept : 0) * (batch ? n : 1);
  }
};

namespace {

PYSEQ_INLINE Reduction make_reduction(const Shape& x, const bool* reduced, bool batch) {
  Reduction r{};
  r.batch = batch;
  r.size = x.size();
  r.kept = 1;
  Index inner = 1;
  for (int i = x.rank; i-- > 0;) {
    if (!reduced[i]) {
      inner *= x.dim[i];
      continue;
    }
    Index axis = x.dim[i];
    int first = i;
    while (first > 0 && (reduced[first - 1] || x.dim[first - 1] == 1)) axis *= x.dim[--first];
    if (axis != 1) r.pass[r.passes++] = {x.size(0, first), axis, inner, false};
    i = first;
  }
  r.kept = inner;
  if (!batch) return r;
  ReductionPass* last = r.passes > 0 ? &r.pass[r.passes - 1] : nullptr;
  if (last && last->outer == 1) last->batch = true;
  else r.pass[r.passes++] = {1, 1, inner, true};
  return r;
}

}  // namespace
}  // namespace pyseq::PYSEQ_NS
