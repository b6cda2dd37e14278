// y = f(x) over some axes    x (N, ...)  y (N, the other axes)
// Attributes: function (sum, mean, max, min, prod, argmax, argmin); axes: of a sample; batch: over
// the rows too, then every row of y holds the result. Ties share the gradient of max and min.
#include "kernels/columns.h"
#include "kernels/elementary.h"
#include "kernels/operand_blocks.h"
#include "kernels/reduction.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Reducer function;
  Reduction reduction;
  Operands operands;  // x and y, broadcast over what was reduced
  int scratch, terms, spread;
};

PYSEQ_INLINE bool finds_place(Reducer f) { return f == kArgmax || f == kArgmin; }
PYSEQ_INLINE bool reads_values(Reducer f) { return f == kMaxOf || f == kMinOf || f == kProductOf; }

void plan(Plan& p) {
  Config& c = p.config<Config>();
  c.function = function_of<Reducer>(p, kReducerNames, kReducerCount);
  const Shape x = p.input(0);
  const bool batch = p.flag("batch");
  if (batch) p.whole_batch();
  Index axes[kMaxRank];
  const int count = p.integers("axes", axes, kMaxRank);
  bool reduced[kMaxRank] = {};
  for (int i = 0; i < count; ++i) {
    const Index a = axes[i] < 0 ? axes[i] + x.rank : axes[i];
    if (a < 0 || a >= x.rank || reduced[a])
      p.fail("expected different axes below rank %d, got %lld", x.rank,
             static_cast<long long>(axes[i]));
    reduced[a] = true;
  }
  Shape y, kept = x;
  for (int i = 0; i < x.rank; ++i) {
    if (reduced[i]) kept.dim[i] = 1;
    else y.push(x.dim[i]);
  }
  c.reduction = make_reduction(x, reduced, batch);
  if (finds_place(c.function) && c.reduction.passes > 1)
    p.fail("expected one axis or all of them for %s", kReducerNames[c.function]);
  if (c.reduction.size == 0 && c.function > kMeanOf && c.function != kProductOf)
    p.fail("expected at least one element for %s", kReducerNames[c.function]);
  const Shape shapes[2] = {x, kept};
  const bool shared[2] = {false, batch};
  Shape same;
  c.operands = make_operands(p, 2, shapes, shared, same);
  p.output(y);
  const ReductionScratch s = reduction_scratch(c.reduction);
  c.scratch = p.scratch(s.per_row, s.fixed);
  if (p.training() && !finds_place(c.function)) {
    if (reads_values(c.function)) {
      p.backward_reads_input(0);
      if (c.function != kProductOf) p.backward_reads_output(0);
      c.terms = p.scratch(c.reduction.size);
    }
    c.spread = p.scratch(2 * c.reduction.kept, 2 * c.reduction.kept);
  }
  const double work = 2.0 * static_cast<double>(c.reduction.size);
  p.flops(work, reads_values(c.function) ? 3 * work : work);
}

// Every row of y = its first row.
void repeat_row(const Run& r, const Config& c, real* y) {
  const Index kept = c.reduction.kept;
  parallel_for(r.pool, r.n - 1, 1 + 16384 / (kept + 1), [&](Index b, Index e, int) {
    for (Index i = b; i < e; ++i)
      __builtin_memcpy(y + (i + 1) * kept, y, static_cast<std::size_t>(kept) * sizeof(real));
  });
}

// The first place of the largest element, or of the first NaN.
real place_in_row(const real* x, Index n, bool largest) {
  V best{}, place{};
  VI lane = lane_numbers();
  for (Index i = 0; i < n; i += kLanes, lane += static_cast<Lane>(kLanes)) {
    // Lanes past the end repeat the first element, and lose to it.
    const V v = n - i >= kLanes ? load(x + i)
                                : select(lane_numbers() < static_cast<Lane>(n - i),
                                         load_partial(x + i, static_cast<int>(n - i)), splat(x[0]));
    const VI better = i == 0 ? lane >= 0
                             : ((largest ? v > best : v < best) | (v != v)) & (best == best);
    best = select(better, v, best);
    place = select(better, __builtin_convertvector(lane, V), place);
  }
#pragma GCC unroll 4
  for (int half = kLanes / 2; half > 0; half /= 2) {
    const V other = across(best, half), there = across(place, half);
    const VI nan = best != best, other_nan = other != other;
    const VI tie = (nan & other_nan) | (other == best);
    const VI wins = (other_nan & ~nan) | (~nan & (largest ? other > best : other < best));
    const VI better = wins | (tie & (there < place));
    best = select(better, other, best);
    place = select(better, there, place);
  }
  return place[0];
}

void find_places(const Run& r, const Config& c, const real* x, real* y) {
  const bool largest = c.function == kArgmax;
  if (c.reduction.passes == 0) {
    __builtin_memset(y, 0, static_cast<std::size_t>(r.n * c.reduction.kept) * sizeof(real));
    return;
  }
  const ReductionPass& p = c.reduction.pass[0];
  const Index length = p.length(r.n), tiles = (p.inner + kLanes - 1) / kLanes;
  const Index grain = 1 + 8192 / (length * (p.inner < kLanes ? p.inner : kLanes));
  parallel_for(r.pool, p.outers(r.n) * tiles, grain, [&](Index b, Index e, int) {
    for (Index i = b; i < e; ++i) {
      const Index o = i / tiles, first = i % tiles * kLanes;
      const real* from = x + o * length * p.inner + first;
      real* to = y + o * p.inner + first;
      if (p.inner == 1) {
        *to = place_in_row(from, length, largest);
        continue;
      }
      const int width = static_cast<int>(p.inner - first < kLanes ? p.inner - first : kLanes);
      V best = load_partial(from, width), place{};
      for (Index j = 1; j < length; ++j) {
        const V v = load_partial(from + j * p.inner, width);
        const VI better = ((largest ? v > best : v < best) | (v != v)) & (best == best);
        best = select(better, v, best);
        place = select(better, splat(static_cast<real>(j)), place);
      }
      store_partial(to, place, width);
    }
  });
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* x = r.x();
  real* y = r.y();
  if (finds_place(c.function)) find_places(r, c, x, y);
  else reduce(r.pool, c.reduction, c.function, r.n, x, y, r.scratch(c.scratch));
  if (c.reduction.batch) repeat_row(r, c, y);
}

// dx[i] = f(x[i], of[i]) where `of` was broadcast over what was reduced.
template <class F>
PYSEQ_INLINE void spread(const Run& r, const Config& c, const real* x, const real* of, real* dx,
                         F&& f) {
  const real* operands[2] = {x, of};
  for_operand_blocks(r.pool, c.operands, r.n, operands,
                     [&](Index begin, Index n, const real* const* a) {
                       map2(a[0], a[1], dx + begin, n, f);
                     });
}

PYSEQ_INLINE VI ties(V v, V top) { return (v == top) | ((v != v) & (top != top)); }

// Shares g among the elements of a line, or of `width` lines side by side, that tie for the place.
PYSEQ_INLINE void share_in_row(const real* x, Index n, real top, real g, real* dx) {
  V count{};
  for_lanes(n, [&](Index j, auto l) { count += flag(ties(l.get(x + j), splat(top))); });
  // Lanes past the end hold 0, which may tie.
  const Index past = (n + kLanes - 1) / kLanes * kLanes - n;
  const real ended = top == 0 ? static_cast<real>(past) : real(0);
  const V share = splat(g / (horizontal_sum(count) - ended));
  map(x, dx, n, [&](V v) { return select(ties(v, splat(top)), share, V{}); });
}
PYSEQ_INLINE void share_in_columns(const real* x, Index n, Index step, V top, V g, real* dx,
                                   int width) {
  V count{};
  for (Index i = 0; i < n; ++i) count += flag(ties(load_partial(x + i * step, width), top));
  const V share = g / count;
  for (Index i = 0; i < n; ++i) {
    const V v = load_partial(x + i * step, width);
    store_partial(dx + i * step, select(ties(v, top), share, V{}), width);
  }
}

// g / how many elements tie for the place goes to each of them.
void extreme_gradient(const Run& r, const Config& c, const real* g, real* shares, real* dx) {
  const real *x = r.x(), *y = r.y();
  if (c.reduction.passes == 1 && !c.reduction.batch) {
    const ReductionPass& p = c.reduction.pass[0];
    const Index tiles = (p.inner + kLanes - 1) / kLanes, row = p.axis * p.inner;
    const Index grain = 1 + 8192 / (row / tiles + 1);
    parallel_for(r.pool, p.outers(r.n) * tiles, grain, [&](Index b, Index e, int) {
      for (Index i = b; i < e; ++i) {
        const Index o = i / tiles, j = i % tiles * kLanes, at = o * row + j, to = o * p.inner + j;
        const int width = static_cast<int>(p.inner - j < kLanes ? p.inner - j : kLanes);
        if (p.inner == 1) share_in_row(x + at, p.axis, y[to], g[to], dx + at);
        else share_in_columns(x + at, p.axis, p.inner, load_partial(y + to, width),
                              load_partial(g + to, width), dx + at, width);
      }
    });
    return;
  }
  real* const terms = r.scratch(c.terms);
  const Index kept = c.reduction.kept * (c.reduction.batch ? 1 : r.n);
  spread(r, c, x, y, terms, [&](V v, V top) { return flag(ties(v, top)); });
  reduce(r.pool, c.reduction, kSumOf, r.n, terms, shares, r.scratch(c.scratch));
  map2(g, shares, shares, kept, [](V a, V count) { return a / count; });
  // terms are 1 where an element ties.
  spread(r, c, terms, shares, dx, [](V tie, V share) { return select(tie != 0, share, V{}); });
}

// The product of the others: no division by a zero element.
void product_gradient(const Run& r, const Config& c, const real* g, real* product, real* dx) {
  const real* x = r.x();
  real *const terms = r.scratch(c.terms), *const scratch = r.scratch(c.scratch);
  const Index size = r.n * c.reduction.size;
  const Index kept = c.reduction.kept * (c.reduction.batch ? 1 : r.n);
  real* const zeros = product + kept;
  parallel_for(r.pool, size, 16384, [&](Index b, Index e, int) {
    map(x + b, terms + b, e - b, [](V v) { return flag(v == 0); });
  });
  reduce(r.pool, c.reduction, kSumOf, r.n, terms, zeros, scratch);
  parallel_for(r.pool, size, 16384, [&](Index b, Index e, int) {
    map(x + b, terms + b, e - b, [](V v) { return select(v == 0, splat(1), v); });
  });
  reduce(r.pool, c.reduction, kProductOf, r.n, terms, product, scratch);
  map2(product, g, product, kept, [](V a, V b) { return a * b; });
  spread(r, c, x, product, terms, [](V v, V p) { return select(v == 0, p, p / v); });
  spread(r, c, x, zeros, dx, [](V v, V z) {
    return flag((z == 0) | ((z == 1) & (v == 0)));
  });
  parallel_for(r.pool, size, 16384, [&](Index b, Index e, int) {
    map2(dx + b, terms + b, dx + b, e - b, [](V on, V v) { return select(on != 0, v, V{}); });
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  real* dx = r.dx();
  if (!dx) return;
  if (finds_place(c.function)) {
    __builtin_memset(dx, 0, static_cast<std::size_t>(r.n * c.reduction.size) * sizeof(real));
    return;
  }
  const Index kept = c.reduction.kept * (c.reduction.batch ? 1 : r.n);
  const real* g = r.dy();
  real* room = r.scratch(c.spread);
  if (c.reduction.batch) {
    // Every row holds the result: their gradients add up.
    Reduction rows{};
    rows.batch = true;
    rows.size = rows.kept = c.reduction.kept;
    rows.pass[rows.passes++] = {1, 1, c.reduction.kept, true};
    reduce(r.pool, rows, kSumOf, r.n, g, room, r.scratch(c.scratch));
    g = room;
    room += kept;
  }
  if (c.function == kProductOf) return product_gradient(r, c, g, room, dx);
  if (reads_values(c.function)) return extreme_gradient(r, c, g, room, dx);
  const real factor =
      c.function == kMeanOf ? 1 / static_cast<real>(c.reduction.elements(r.n)) : real(1);
  Operands o = c.operands;
  o.of[0] = o.of[1], o.count = 1;
  for_operand_blocks(r.pool, o, r.n, &g, [&](Index begin, Index n, const real* const* a) {
    map(a[0], dx + begin, n, [=](V v) { return v * factor; });
  });
}

}  // namespace

extern const OpDef op_reduce;
const OpDef op_reduce{"reduce", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
