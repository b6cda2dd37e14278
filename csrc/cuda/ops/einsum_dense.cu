// y = einsum(x, W). Every letter belongs to one of: S in x, W and y; M in x and y; K in x and W; F in W
// and y; R in x alone, which is summed. x, W and y are laid out as (S, N M, K), (S, K, F) and
// (S, N M, F): one product for each element of S. A layout that is there already is not copied.
#include "cuda/divide.h"
#include "cuda/gemm.h"

namespace pyseq::cuda {
namespace {

constexpr int kMaxLetters = 3 * kMaxRank;

// The user's layout is dense; `to` are strides in the ordered layout. Those of letters of S grow with
// the number of rows.
struct Layout {
  int rank;
  Index dim[kMaxRank], to[kMaxRank];
  bool is_s[kMaxRank], summed[kMaxRank];
  Index row;      // elements of a sample, user's layout
  Index ordered;  // elements of a sample, ordered layout
  Index inner;    // of which for one element of S
  bool direct;
};

struct Config {
  Index s, m, k, f;
  Layout x, w, y;
  int xs, ys, ws, dws;  // scratch
};

enum Class { kS, kM, kK, kF, kR };

struct Letters {
  int count;
  Index id[kMaxLetters], size[kMaxLetters];
  bool seen[3][kMaxLetters];  // in x, W, y

  int find(Index letter) const {
    for (int i = 0; i < count; ++i)
      if (id[i] == letter) return i;
    return -1;
  }
  int kind(int i) const {
    if (seen[1][i]) return seen[0][i] ? (seen[2][i] ? kS : kK) : kF;
    return seen[2][i] ? kM : kR;
  }
  Index group_size(int wanted) const {
    Index s = 1;
    for (int i = 0; i < count; ++i)
      if (kind(i) == wanted) s *= size[i];
    return s;
  }
};

struct Axes {
  Index letter[kMaxRank];
  int rank;
};

void note(const Plan& p, Letters& l, Index letter, Index size, int where) {
  int i = l.find(letter);
  if (i < 0) {
    if (l.count == kMaxLetters) p.fail("expected at most %d letters", kMaxLetters);
    i = l.count++;
    l.id[i] = letter;
    l.size[i] = size;
  }
  if (l.seen[where][i] || l.size[i] != size) p.fail("expected every letter once in an operand, of one size");
  l.seen[where][i] = true;
}

// Stride of letter i among those of its kind, in the order of `order`.
Index stride_in_group(const Letters& l, const Axes& order, int letter) {
  Index s = 1;
  for (int j = order.rank; j-- > 0;) {
    const int i = l.find(order.letter[j]);
    if (i == letter) return s;
    if (l.kind(i) == l.kind(letter)) s *= l.size[i];
  }
  return s;
}

Layout layout_of(const Letters& l, const Axes& own, int outer, int inner, const Axes& y, const Axes& w) {
  Layout out{};
  out.rank = own.rank;
  const Index inner_size = l.group_size(inner);
  out.inner = l.group_size(outer) * inner_size;
  out.ordered = out.inner * l.group_size(kS);
  out.row = 1;
  out.direct = true;
  for (int j = own.rank; j-- > 0;) {
    const int i = l.find(own.letter[j]), kind = l.kind(i);
    const Index within = stride_in_group(l, kind == kS || kind == kM ? y : w, i);
    out.dim[j] = l.size[i];
    out.is_s[j] = kind == kS;
    out.summed[j] = kind == kR;
    out.to[j] = kind == kS      ? within * out.inner
                : kind == outer ? within * inner_size
                : kind == inner ? within
                                : 0;
    if (kind == kS || kind == kR || (l.size[i] != 1 && out.to[j] != out.row)) out.direct = false;
    out.row *= l.size[i];
  }
  return out;
}

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0), w = p.param(0);
  Axes in_x, in_w, in_y;
  in_x.rank = p.integers("x_axes", in_x.letter, kMaxRank);
  in_w.rank = p.integers("w_axes", in_w.letter, kMaxRank);
  in_y.rank = p.integers("y_axes", in_y.letter, kMaxRank);
  if (in_x.rank != x.rank || in_w.rank != w.rank)
    p.fail("expected axes for %d and %d dimensions, got %d and %d", x.rank, w.rank, in_x.rank, in_w.rank);
  Letters l{};
  for (int j = 0; j < in_x.rank; ++j) note(p, l, in_x.letter[j], x[j], 0);
  for (int j = 0; j < in_w.rank; ++j) note(p, l, in_w.letter[j], w[j], 1);
  Shape y;
  for (int j = 0; j < in_y.rank; ++j) {
    const int i = l.find(in_y.letter[j]);
    if (i < 0) p.fail("expected every letter of the output in an operand");
    note(p, l, in_y.letter[j], l.size[i], 2);
    y.push(l.size[i]);
  }
  c.s = l.group_size(kS);
  c.m = l.group_size(kM);
  c.k = l.group_size(kK);
  c.f = l.group_size(kF);
  c.x = layout_of(l, in_x, kM, kK, in_y, in_w);
  c.w = layout_of(l, in_w, kK, kF, in_y, in_w);
  c.y = layout_of(l, in_y, kM, kF, in_y, in_w);
  p.output(y);
  if (p.training()) p.backward_reads_input(0);
  if (!c.x.direct) c.xs = p.scratch(c.x.ordered);
  if (!c.y.direct) c.ys = p.scratch(c.y.ordered);
  if (!c.w.direct) c.ws = p.scratch(0, c.w.ordered);
  if (!c.w.direct && p.training()) c.dws = p.scratch(0, c.w.ordered);
}

// Where element i of the user's layout, rows included, lies in the ordered one.
Strided ordered_address(const Layout& l, Index rows) {
  Index stride[kMaxRank];
  for (int j = 0; j < l.rank; ++j) stride[j] = l.to[j] * (l.is_s[j] ? rows : 1);
  return strided(l.rank, l.dim, stride, l.inner);
}

// Ordered copy of `rows` rows, summed letters added up.
const float* pack(DeviceStream* stream, const Layout& l, Index rows, const float* from, float* to) {
  if (l.direct) return from;
  Index size[kMaxRank], target[kMaxRank], source[kMaxRank], sum_size[kMaxRank], sum_stride[kMaxRank];
  int rank = 0, sums = 0;
  Index dense = l.row, kept = 1, added = 1;
  for (int j = 0; j < l.rank; ++j) {
    dense /= l.dim[j];
    if (l.summed[j]) {
      sum_size[sums] = l.dim[j];
      sum_stride[sums++] = dense;
      added *= l.dim[j];
    } else {
      size[rank] = l.dim[j];
      source[rank] = dense;
      target[rank++] = l.to[j] * (l.is_s[j] ? rows : 1);
      kept *= l.dim[j];
    }
  }
  const Strided source_of = strided(rank, size, source, l.row),
                target_of = strided(rank, size, target, l.inner);
  const Strided terms = strided(sums, sum_size, sum_stride, 0);
  for_each(stream, rows * kept, [=] __device__(Index i) {
    const float* const first = from + source_of.at(i);
    float sum = 0;
    for (Index k = 0; k < added; ++k) sum += first[terms.at(k)];
    to[target_of.at(i)] = sum;
  });
  return to;
}

void unpack(DeviceStream* stream, const Layout& l, Index rows, const float* from, float* to) {
  if (!l.direct) gather(stream, ordered_address(l, rows), rows * l.row, from, to);
}

float* room(const Run& r, const Layout& l, float* own, int scratch) {
  return l.direct ? own : static_cast<float*>(r.scratch(scratch));
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index rows = r.n * c.m;
  float* const y = room(r, c.y, r.y(), c.ys);
  Gemm g;
  g.m = rows, g.n = c.f, g.k = c.k;
  g.a = c.x.direct ? r.x() : pack(r.stream, c.x, r.n, r.x(), r.scratch(c.xs)), g.a_row = c.k;
  g.b = c.w.direct ? r.param(0) : pack(r.stream, c.w, 1, r.param(0), r.scratch(c.ws)), g.b_row = c.f;
  g.c = y, g.ldc = c.f;
  gemm(r.stream, g, {c.s, rows * c.k, c.k * c.f, rows * c.f});
  unpack(r.stream, c.y, r.n, y, r.y());
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Index rows = r.n * c.m;
  const float* const dy = c.y.direct ? r.dy() : pack(r.stream, c.y, r.n, r.dy(), r.scratch(c.ys));
  if (r.dparam(0)) {  // dW = x^T dy
    float* const dw = room(r, c.w, r.dparam(0), c.dws);
    Gemm g;
    g.m = c.k, g.n = c.f, g.k = rows;
    g.a = c.x.direct ? r.x() : pack(r.stream, c.x, r.n, r.x(), r.scratch(c.xs)), g.a_row = 1, g.a_col = c.k;
    g.b = dy, g.b_row = c.f;
    g.c = dw, g.ldc = c.f;
    gemm(r.stream, g, {c.s, rows * c.k, rows * c.f, c.k * c.f});
    unpack(r.stream, c.w, 1, dw, r.dparam(0));
  }
  if (r.dx()) {  // dx = dy W^T
    float* const dx = room(r, c.x, r.dx(), c.xs);
    Gemm g;
    g.m = rows, g.n = c.k, g.k = c.f;
    g.a = dy, g.a_row = c.f;
    g.b = c.w.direct ? r.param(0) : pack(r.stream, c.w, 1, r.param(0), r.scratch(c.ws)), g.b_row = 1,
    g.b_col = c.f;
    g.c = dx, g.ldc = c.k;
    gemm(r.stream, g, {c.s, rows * c.f, c.k * c.f, rows * c.k});
    unpack(r.stream, c.x, r.n, dx, r.dx());
  }
}

}  // namespace

extern const OpDef op_einsum_dense;
const OpDef op_einsum_dense{"einsum_dense", plan, forward, backward};

}  // namespace pyseq::cuda
