#include "cuda/functions.h"
#include "cuda/operands.h"
#include "cuda/reduction.h"

namespace pyseq::cuda {
namespace {

struct Config {
  Reducer function;
  Reduction reduction;
  Places spread;  // of what was reduced, by the elements of x
  int scratch, room;
};

bool finds_place(Reducer f) { return f == kArgmax || f == kArgmin; }
bool reads_values(Reducer f) { return f == kMaxOf || f == kMinOf || f == kProductOf; }

void plan(Plan& p) {
  Config& c = p.config<Config>();
  c.function = function_of<Reducer>(p, kReducerNames, kReducerCount);
  const Shape x = p.input(0);
  const bool batch = p.flag("batch");
  Index axes[kMaxRank];
  const int count = p.integers("axes", axes, kMaxRank);
  bool reduced[kMaxRank] = {};
  for (int i = 0; i < count; ++i) {
    const Index a = axes[i] < 0 ? axes[i] + x.rank : axes[i];
    if (a < 0 || a >= x.rank) p.fail("expected axes below rank %d", x.rank);
    reduced[a] = true;
  }
  Shape y, kept = x;
  for (int i = 0; i < x.rank; ++i) {
    if (reduced[i]) kept.dim[i] = 1;
    else y.push(x.dim[i]);
  }
  c.reduction = make_reduction(x, reduced, batch);
  if (finds_place(c.function) && c.reduction.passes > 1) p.fail("expected one axis or all of them");
  const Shape shapes[2] = {x, kept};
  const bool shared[2] = {false, batch};
  Shape same;
  c.spread = places(make_operands(p, 2, shapes, shared, same), 1);
  p.output(y);
  const ReductionScratch s = reduction_scratch(c.reduction);
  // Places are kept with their values.
  c.scratch = p.scratch(s.per_row, 2 * s.fixed);
  if (p.training() && !finds_place(c.function)) {
    if (reads_values(c.function)) p.backward_reads_input(0);
    if (reads_values(c.function) && c.function != kProductOf) p.backward_reads_output(0);
    c.room = p.scratch(3 * c.reduction.kept, 3 * c.reduction.kept);
  }
}

// The first place of the largest (sign 1) or smallest (-1) element, or of the first NaN.
struct Best {
  float v, place;
  __device__ Best() : v(0), place(-1) {}
  __device__ void merge(const Best& o) {
    if (o.place < 0) return;
    const bool nan = v != v, other = o.v != o.v;
    const bool better = place < 0 || (nan == other ? (nan || o.v == v ? o.place < place : o.v > v) : other);
    if (better) v = o.v, place = o.place;
  }
};

void find_places(const Run& r, const Config& c, const float* x, float* y) {
  if (c.reduction.passes == 0) return zero_floats(r.stream, y, r.n * c.reduction.kept);
  const ReductionPass& p = c.reduction.pass[0];
  const Index inner = p.inner, length = p.length(r.n);
  const Divider by_length(length);
  const float sign = c.function == kArgmax ? 1.0f : -1.0f;
  reduce_columns<Best>(
      r.stream, p.outers(r.n), length, inner, r.scratch(c.scratch),
      [=] __device__(Best & best, Index i, Index j) {
        Best one;
        one.v = sign * x[i * inner + j];
        one.place = static_cast<float>(i - by_length.quotient(i) * length);
        best.merge(one);
      },
      [=] __device__(Index o, Index j, const Best& best) { y[o * inner + j] = best.place; });
}

template <class Element>
void run(const Run& r, const Config& c, Reducer f, Element element, float* y) {
  float* scratch = r.scratch(c.scratch);
  const float count = f == kMeanOf ? static_cast<float>(c.reduction.elements(r.n)) : 1.0f;
  if (f == kMaxOf) reduce<Largest>(r.stream, c.reduction, r.n, element, scratch, count, y);
  else if (f == kMinOf) reduce<Smallest>(r.stream, c.reduction, r.n, element, scratch, count, y);
  else if (f == kProductOf) reduce<Multiplied>(r.stream, c.reduction, r.n, element, scratch, count, y);
  else reduce<Added>(r.stream, c.reduction, r.n, element, scratch, count, y);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const float* x = r.x();
  float* y = r.y();
  if (finds_place(c.function)) find_places(r, c, x, y);
  else run(r, c, c.function, LoadElement{x}, y);
  if (!c.reduction.batch) return;
  const Index kept = c.reduction.kept;
  const Divider by_kept(kept);
  for_each(r.stream, (r.n - 1) * kept,
           [=] __device__(Index i) { y[kept + i] = y[i - by_kept.quotient(i) * kept]; });
}

__device__ inline bool ties(float v, float top) { return v == top || (v != v && top != top); }

struct TieCount {
  Argument top;
  const float* x;
  __device__ float operator()(Index i) const { return ties(x[i], top[i]) ? 1.0f : 0.0f; }
};
struct ZeroCount {
  const float* x;
  __device__ float operator()(Index i) const { return x[i] == 0 ? 1.0f : 0.0f; }
};
struct NonZero {
  const float* x;
  __device__ float operator()(Index i) const { return x[i] == 0 ? 1.0f : x[i]; }
};

void extreme_gradient(const Run& r, const Config& c, Index kept, const float* g, float* shares, float* dx) {
  const float* x = r.x();
  const Argument top{r.y(), 0, c.spread};
  run(r, c, kSumOf, TieCount{top, x}, shares);
  for_each(r.stream, kept, [=] __device__(Index i) { shares[i] = g[i] / shares[i]; });
  const Argument share{shares, 0, c.spread};
  for_each(r.stream, r.n * c.reduction.size,
           [=] __device__(Index i) { dx[i] = ties(x[i], top[i]) ? share[i] : 0.0f; });
}

// The product of the others: no division by a zero element.
void product_gradient(const Run& r, const Config& c, Index kept, const float* g, float* room, float* dx) {
  const float* x = r.x();
  float* const products = room;
  run(r, c, kSumOf, ZeroCount{x}, room + kept);
  run(r, c, kProductOf, NonZero{x}, products);
  for_each(r.stream, kept, [=] __device__(Index i) { products[i] *= g[i]; });
  const Argument product{products, 0, c.spread}, zeros{room + kept, 0, c.spread};
  for_each(r.stream, r.n * c.reduction.size, [=] __device__(Index i) {
    const float v = x[i], z = zeros[i];
    dx[i] = v == 0 ? (z == 1 ? product[i] : 0.0f) : (z == 0 ? product[i] / v : 0.0f);
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  float* dx = r.dx();
  if (!dx) return;
  if (finds_place(c.function)) return zero_floats(r.stream, dx, r.n * c.reduction.size);
  const Index kept = c.reduction.kept * (c.reduction.batch ? 1 : r.n);
  const float* g = r.dy();
  float* room = r.scratch(c.room);
  if (c.reduction.batch) {
    // Every row holds the result: their gradients add up.
    Reduction rows{};
    rows.batch = true;
    rows.size = rows.kept = kept;
    rows.pass[rows.passes++] = {1, 1, kept, true};
    reduce<Added>(r.stream, rows, r.n, LoadElement{g}, r.scratch(c.scratch), 1.0f, room);
    g = room;
    room += kept;
  }
  if (c.function == kProductOf) return product_gradient(r, c, kept, g, room, dx);
  if (reads_values(c.function)) return extreme_gradient(r, c, kept, g, room, dx);
  const Argument from{g, 0, c.spread};
  const float factor = c.function == kMeanOf ? 1 / static_cast<float>(c.reduction.elements(r.n)) : 1.0f;
  for_each(r.stream, r.n * c.reduction.size, [=] __device__(Index i) { dx[i] = from[i] * factor; });
}

}  // namespace

extern const OpDef op_reduce;
const OpDef op_reduce{"reduce", plan, forward, backward};

}  // namespace pyseq::cuda
