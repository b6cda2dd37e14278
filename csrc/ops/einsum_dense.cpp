// y = einsum(x, W)    x (N, ...)  W (...)  y (N, ...)    attributes x_axes, w_axes, y_axes: a
// number for each letter of the equation, the batch left out.
//
// Every letter belongs to one of: S in x, W and y; M in x and y; K in x and W; F in W and y; R in x
// alone, which is summed. x, W and y are laid out as (S, N M, K), (S, K, F) and (S, N M, F), so
// that there is one product for each element of S. A layout that is there already is not copied.
#include "kernels/gemm.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr Index kManyRows = Index{1} << 40;  // the batch is not known when planning
constexpr int kMaxLetters = 3 * kMaxRank;

// Loops of a copy: the user's layout is dense, `to` is the stride in the ordered layout. Strides in
// elements; `to_s` marks letters of S, whose stride grows with the batch.
struct Layout {
  int rank;
  Index dim[kMaxRank], to[kMaxRank];
  bool is_s[kMaxRank], summed[kMaxRank];
  Index row;    // elements of a sample, user's layout
  Index inner;  // elements of a sample for one element of S, ordered layout
  bool direct;
};

struct Config {
  Index s, m, k, f;
  Layout x, w, y;
  int xs, ys, ws, dws, shared, worker;
};

enum Class { kS, kM, kK, kF, kR };

struct Letters {
  int count;
  Index id[kMaxLetters], size[kMaxLetters];
  bool in_x[kMaxLetters], in_w[kMaxLetters], in_y[kMaxLetters];

  PYSEQ_INLINE int find(Index letter) const {
    for (int i = 0; i < count; ++i)
      if (id[i] == letter) return i;
    return -1;
  }
  PYSEQ_INLINE int kind(int i) const {
    if (in_w[i]) return in_x[i] ? (in_y[i] ? kS : kK) : kF;
    return in_y[i] ? kM : kR;
  }
};

void note(const Plan& p, Letters& l, Index letter, Index size, int where) {
  int i = l.find(letter);
  if (i < 0) {
    i = l.count++;
    l.id[i] = letter;
    l.size[i] = size;
    l.in_x[i] = l.in_w[i] = l.in_y[i] = false;
  }
  bool& seen = where == 0 ? l.in_x[i] : where == 1 ? l.in_w[i] : l.in_y[i];
  if (seen) p.fail("expected every letter once in an operand, got one twice");
  if (l.size[i] != size)
    p.fail("expected one size for a letter, got %lld and %lld", static_cast<long long>(l.size[i]),
           static_cast<long long>(size));
  seen = true;
}

// Stride of letter i in an ordered operand whose groups are `outer` (in the order of y for M and S,
// of W for K and F) and `inner`.
Index stride_in_group(const Letters& l, const Index* order, int count, int kind, int letter) {
  Index s = 1;
  for (int j = count; j-- > 0;) {
    const int i = l.find(order[j]);
    if (l.kind(i) != kind) continue;
    if (i == letter) return s;
    s *= l.size[i];
  }
  return s;
}
Index group_size(const Letters& l, int kind) {
  Index s = 1;
  for (int i = 0; i < l.count; ++i)
    if (l.kind(i) == kind) s *= l.size[i];
  return s;
}

void make_layout(Layout& out, const Letters& l, const Index* axes, int rank, Index s_stride,
                 int outer, Index outer_stride, int inner, const Index* y_axes, int y_rank,
                 const Index* w_axes, int w_rank) {
  out.rank = rank;
  out.row = 1;
  bool ordered = true;
  for (int j = 0; j < rank; ++j) {
    const int i = l.find(axes[j]), kind = l.kind(i);
    const bool from_y = kind == kS || kind == kM;
    const Index within =
        stride_in_group(l, from_y ? y_axes : w_axes, from_y ? y_rank : w_rank, kind, i);
    out.dim[j] = l.size[i];
    out.is_s[j] = kind == kS;
    out.summed[j] = kind == kR;
    out.to[j] = kind == kR      ? 0
                : kind == kS    ? within * s_stride
                : kind == outer ? within * outer_stride
                : kind == inner ? within
                                : 0;
    ordered = ordered && kind != kR && kind != kS;
    out.row *= l.size[i];
  }
  Index dense = 1;
  for (int j = rank; j-- > 0;) {
    if (out.dim[j] != 1 && out.to[j] != dense) ordered = false;
    dense *= out.dim[j];
  }
  out.direct = ordered;
}

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0), w = p.param(0, "a kernel", 0);
  Index x_axes[kMaxRank], w_axes[kMaxRank], y_axes[kMaxRank];
  const int x_rank = p.integers("x_axes", x_axes, kMaxRank);
  const int w_rank = p.integers("w_axes", w_axes, kMaxRank);
  const int y_rank = p.integers("y_axes", y_axes, kMaxRank);
  if (x_rank != x.rank || w_rank != w.rank)
    p.fail("expected axes for %d and %d dimensions, got %d and %d", x.rank, w.rank, x_rank, w_rank);
  Letters l{};
  for (int j = 0; j < x_rank; ++j) note(p, l, x_axes[j], x[j], 0);
  for (int j = 0; j < w_rank; ++j) note(p, l, w_axes[j], w[j], 1);
  Shape y;
  for (int j = 0; j < y_rank; ++j) {
    const int i = l.find(y_axes[j]);
    if (i < 0) p.fail("expected every letter of the output in an operand");
    note(p, l, y_axes[j], l.size[i], 2);
    y.push(l.size[i]);
  }
  for (int i = 0; i < l.count; ++i)
    if (l.in_w[i] && !l.in_x[i] && !l.in_y[i])
      p.fail("expected every letter of the kernel elsewhere");
  p.output(y);
  c.s = group_size(l, kS);
  c.m = group_size(l, kM);
  c.k = group_size(l, kK);
  c.f = group_size(l, kF);
  // S strides of x and y are for one row; `pack` multiplies them by the number of rows.
  make_layout(c.x, l, x_axes, x_rank, c.m * c.k, kM, c.k, kK, y_axes, y_rank, w_axes, w_rank);
  make_layout(c.w, l, w_axes, w_rank, c.k * c.f, kK, c.f, kF, y_axes, y_rank, w_axes, w_rank);
  make_layout(c.y, l, y_axes, y_rank, c.m * c.f, kM, c.f, kF, y_axes, y_rank, w_axes, w_rank);
  c.x.inner = c.m * c.k;
  c.y.inner = c.m * c.f;
  c.w.inner = c.k * c.f;
  GemmScratch s = gemm_scratch(kManyRows, c.f, c.k);
  if (p.training()) {
    p.backward_reads_input(0);
    const GemmScratch others[] = {gemm_scratch(kManyRows, c.k, c.f),
                                  gemm_scratch(c.k, c.f, kManyRows)};
    for (const GemmScratch& o : others) {
      if (o.fixed > s.fixed) s.fixed = o.fixed;
      if (o.per_worker > s.per_worker) s.per_worker = o.per_worker;
    }
  }
  c.shared = p.scratch(0, s.fixed);
  c.worker = p.scratch(0, 0, s.per_worker);
  c.xs = p.scratch(c.x.direct ? 0 : c.s * c.m * c.k);
  c.ys = p.scratch(c.y.direct ? 0 : c.s * c.m * c.f);
  c.ws = p.scratch(0, c.w.direct ? 0 : c.s * c.k * c.f);
  c.dws = p.scratch(0, p.training() && !c.w.direct ? c.s * c.k * c.f : 0);
  const double flops = 2.0 * static_cast<double>(c.s * c.m) * static_cast<double>(c.k * c.f);
  p.flops(flops, 2 * flops);
}

// f(element of a row in the user's layout, element in the ordered one). `rows`: factor of the S
// stride.
template <class F>
PYSEQ_INLINE void walk(const Layout& l, Index rows, F&& f) {
  Index at[kMaxRank] = {};
  for (Index i = 0; i < l.row; ++i) {
    Index to = 0;
    for (int j = 0; j < l.rank; ++j) to += at[j] * l.to[j] * (l.is_s[j] ? rows : 1);
    f(i, to);
    for (int j = l.rank - 1; j >= 0; --j) {
      if (++at[j] < l.dim[j]) break;
      at[j] = 0;
    }
  }
}

// Ordered copy of `rows` rows. Summed letters are added up.
const real* pack(const Run& r, const Layout& l, Index rows, Index s, const real* from, real* to) {
  if (l.direct) return from;
  parallel_for(r.pool, rows, 1 + 4096 / (l.row + 1), [&](Index begin, Index end, int) {
    for (Index n = begin; n < end; ++n) {
      for (Index k = 0; k < s; ++k)
        for (Index i = 0; i < l.inner; ++i) to[(k * rows + n) * l.inner + i] = 0;
      walk(l, rows, [&](Index i, Index at) { to[n * l.inner + at] += from[n * l.row + i]; });
    }
  });
  return to;
}
void unpack(const Run& r, const Layout& l, Index rows, const real* from, real* to) {
  if (l.direct) return;
  parallel_for(r.pool, rows, 1 + 4096 / (l.row + 1), [&](Index begin, Index end, int) {
    for (Index n = begin; n < end; ++n)
      walk(l, rows, [&](Index i, Index at) { to[n * l.row + i] = from[n * l.inner + at]; });
  });
}

void multiply(const Run& r, const Config& c, const Gemm& g) {
  gemm(r.pool, g, r.scratch(c.shared), r.scratch(c.worker, 0),
       r.worker_stride_[c.worker] / static_cast<Index>(sizeof(real)));
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* x = pack(r, c.x, r.n, c.s, r.x(), r.scratch(c.xs));
  const real* w = pack(r, c.w, 1, c.s, r.param(0), r.scratch(c.ws));
  real* y = c.y.direct ? static_cast<real*>(r.y()) : static_cast<real*>(r.scratch(c.ys));
  const Index rows = r.n * c.m;
  for (Index s = 0; s < c.s; ++s) {
    Gemm g;
    g.m = rows, g.n = c.f, g.k = c.k;
    g.a = x + s * rows * c.k, g.a_row = c.k;
    g.b = w + s * c.k * c.f, g.b_row = c.f;
    g.c = y + s * rows * c.f, g.ldc = c.f;
    multiply(r, c, g);
  }
  unpack(r, c.y, r.n, y, r.y());
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const real* dy = pack(r, c.y, r.n, c.s, r.dy(), r.scratch(c.ys));
  const Index rows = r.n * c.m;
  if (r.dparam(0)) {  // dW = x^T dy
    const real* x = pack(r, c.x, r.n, c.s, r.x(), r.scratch(c.xs));
    real* dw = c.w.direct ? static_cast<real*>(r.dparam(0)) : static_cast<real*>(r.scratch(c.dws));
    for (Index s = 0; s < c.s; ++s) {
      Gemm g;
      g.m = c.k, g.n = c.f, g.k = rows;
      g.a = x + s * rows * c.k, g.a_row = 1, g.a_col = c.k;
      g.b = dy + s * rows * c.f, g.b_row = c.f;
      g.c = dw + s * c.k * c.f, g.ldc = c.f;
      multiply(r, c, g);
    }
    unpack(r, c.w, 1, dw, r.dparam(0));
  }
  if (r.dx()) {  // dx = dy W^T
    const real* w = pack(r, c.w, 1, c.s, r.param(0), r.scratch(c.ws));
    real* dx = c.x.direct ? static_cast<real*>(r.dx()) : static_cast<real*>(r.scratch(c.xs));
    for (Index s = 0; s < c.s; ++s) {
      Gemm g;
      g.m = rows, g.n = c.k, g.k = c.f;
      g.a = dy + s * rows * c.f, g.a_row = c.f;
      g.b = w + s * c.k * c.f, g.b_row = 1, g.b_col = c.f;
      g.c = dx + s * rows * c.k, g.ldc = c.k;
      multiply(r, c, g);
    }
    unpack(r, c.x, r.n, dx, r.dx());
  }
}

}  // namespace

extern const OpDef op_einsum_dense;
const OpDef op_einsum_dense{"einsum_dense", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
