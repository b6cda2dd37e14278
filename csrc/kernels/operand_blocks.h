#pragma once
// Loops over the elements of broadcast operands: blocks in which every operand is an array, so that
// a function needs one kernel whatever is broadcast.
#include "kernels/operands.h"

namespace pyseq::PYSEQ_NS {
// Internal linkage: lambdas in functions of external linkage would leave weak symbols behind.
namespace {

constexpr Index kOperandBlock = 1024;
constexpr Index kLongRun = 128;

// Long runs of the last dimension are cut at their ends, so that they need no copy; else blocks
// begin anywhere, at a multiple of the operands' periods.
struct BlockGrid {
  bool runs;
  Index length, inner, pieces, total, count;
};

PYSEQ_INLINE BlockGrid block_grid(const Operands& o, Index rows) {
  BlockGrid g{};
  g.inner = o.rank > 0 ? o.dim[o.rank - 1] : 1;
  g.total = rows * o.size;
  bool whole = true;
  Index period = 1;
  for (int k = 0; k < o.count; ++k) {
    whole = whole && (o.of[k].whole || o.of[k].size == 1);
    if (o.of[k].periodic && o.of[k].size > period && o.of[k].size <= kOperandBlock)
      period = o.of[k].size;
  }
  g.runs = !whole && g.inner >= kLongRun;
  if (g.runs) {
    g.length = kOperandBlock;
    g.pieces = (g.inner + kOperandBlock - 1) / kOperandBlock;
    g.count = g.total / g.inner * g.pieces;
  } else {
    g.length = kOperandBlock / period * period;
    g.count = (g.total + g.length - 1) / g.length;
  }
  return g;
}

// Elements [begin, begin + n) of an operand, where they are or copied to `room`.
PYSEQ_INLINE const real* fetch_operand(const Operands& o, const Operand& a, const real* p,
                                       Index begin, Index n, real* room) {
  if (a.whole) return p + begin;
  Index at[kMaxRank] = {};
  Index rest = begin, from = 0;
  for (int k = o.rank; k-- > 0;) {
    at[k] = rest % o.dim[k];
    rest /= o.dim[k];
    from += at[k] * a.stride[k];
  }
  from += rest * a.sample;
  const int last = o.rank - 1;
  const Index inner = last >= 0 ? o.dim[last] : 1, step = last >= 0 ? a.stride[last] : 0;
  if (step == 1 && inner - at[last] >= n) return p + from;
  for (Index done = 0; done < n;) {
    const Index here = last >= 0 ? inner - at[last] : 1, run = here < n - done ? here : n - done;
    const real* in = p + from;
    real* out = room + done;
    if (step == 0)
      for (Index i = 0; i < run; ++i) out[i] = in[0];
    else
      for (Index i = 0; i < run; ++i) out[i] = in[i];
    done += run;
    if (done == n) break;
    // The run ended: on to the next one.
    if (last >= 0) from -= at[last] * step, at[last] = 0;
    int k = last - 1;
    for (; k >= 0; --k) {
      from += a.stride[k];
      if (++at[k] < o.dim[k]) break;
      from -= at[k] * a.stride[k];
      at[k] = 0;
    }
    if (k < 0) from += a.sample;
  }
  return room;
}

// f(first element, how many, arrays of the operands) for all blocks of the result.
template <class F>
PYSEQ_INLINE void for_operand_blocks(Pool* pool, const Operands& o, Index rows,
                                     const real* const* operands, F&& f) {
  const BlockGrid g = block_grid(o, rows);
  const Index grain = 1 + 16384 / (g.runs && g.inner < g.length ? g.inner : g.length);
  parallel_for(pool, g.count, grain, [&](Index first, Index last, int) {
    real room[kMaxOperands][kOperandBlock];
    const real* array[kMaxOperands] = {};
    // What every block sees alike is written out once.
    bool fixed[kMaxOperands] = {};
    for (int k = 0; k < o.count; ++k) {
      const Operand& a = o.of[k];
      fixed[k] = a.periodic && (a.size == 1 || (!g.runs && a.size <= kOperandBlock));
      if (!fixed[k]) continue;
      for (Index i = 0, j = 0; i < g.length; ++i) {
        room[k][i] = operands[k][j];
        if (++j == a.size) j = 0;
      }
      array[k] = room[k];
    }
    for (Index b = first; b < last; ++b) {
      Index begin = b * g.length, n = g.total - begin < g.length ? g.total - begin : g.length;
      if (g.runs) {
        const Index piece = b % g.pieces * g.length, left = g.inner - piece;
        begin = b / g.pieces * g.inner + piece;
        n = left < g.length ? left : g.length;
      }
      for (int k = 0; k < o.count; ++k)
        if (!fixed[k]) array[k] = fetch_operand(o, o.of[k], operands[k], begin, n, room[k]);
      f(begin, n, array);
    }
  });
}

}  // namespace
}  // namespace pyseq::PYSEQ_NS
