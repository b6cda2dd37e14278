// y[i_0, ..., i_k] = x with dimension dims[j] of x at place j of y    x (N, ...)  y (N, ...)
// Attribute dims: a permutation of the dimensions of a sample, counted from 0.
#include "core/op.h"
#include "kernels/simd.h"

namespace pyseq::PYSEQ_NS {
namespace {

// A permutation of dimensions, those that stay neighbours merged: sizes of y and strides into x.
struct Walk {
  int rank;
  Index size[kMaxRank], stride[kMaxRank];
  Index inner;  // elements that are copied together
};
struct Config {
  Walk forward, backward;
  Index size;
};

Walk make_walk(const Shape& x, const Index* dims) {
  Index stride[kMaxRank];
  Index s = 1;
  for (int i = x.rank; i-- > 0;) {
    stride[i] = s;
    s *= x[i];
  }
  Walk w{};
  for (int j = 0; j < x.rank; ++j) {
    const Index size = x[static_cast<int>(dims[j])], step = stride[dims[j]];
    if (size == 1) continue;
    if (w.rank > 0 && w.stride[w.rank - 1] == step * size) {
      w.size[w.rank - 1] *= size;
      w.stride[w.rank - 1] = step;
    } else {
      w.size[w.rank] = size;
      w.stride[w.rank++] = step;
    }
  }
  w.inner = 1;
  if (w.rank > 0 && w.stride[w.rank - 1] == 1) w.inner = w.size[--w.rank];
  return w;
}

// Lane l is lane index[l] of the 2 kLanes lanes of (a, b), for an index that the compiler knows.
PYSEQ_INLINE V shuffle(V a, V b, VI index) {
#if defined(__clang__)
  V w;
  for (int l = 0; l < kLanes; ++l) w[l] = index[l] < kLanes ? a[index[l]] : b[index[l] - kLanes];
  return w;
#else
  return __builtin_shuffle(a, b, index);
#endif
}

// Swaps the off-diagonal blocks of S x S elements in rows i and i + S.
template <int S>
PYSEQ_INLINE void swap_blocks(V* r) {
  VI first{}, second{};
  for (int l = 0; l < kLanes; ++l) {
    first[l] = (l & S) ? kLanes + l - S : l;
    second[l] = (l & S) ? kLanes + l : l + S;
  }
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if (i & S) continue;
    const V a = r[i], b = r[i + S];
    r[i] = shuffle(a, b, first);
    r[i + S] = shuffle(a, b, second);
  }
}

// A square of kLanes x kLanes elements: y[i][j] = x[j][i].
PYSEQ_INLINE void transpose_square(const real* x, Index x_row, real* y, Index y_row) {
  V r[kLanes];
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) r[i] = load(x + i * x_row);
  swap_blocks<1>(r);
  if constexpr (kLanes > 2) swap_blocks<2>(r);
  if constexpr (kLanes > 4) swap_blocks<4>(r);
  if constexpr (kLanes > 8) swap_blocks<8>(r);
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) store(y + i * y_row, r[i]);
}

// The last dimension of y against the one that is innermost in x, in squares that vectors hold.
void copy_tiled(const Walk& w, int across, const real* x, real* y, Index inner) {
  const int last = w.rank - 1;
  const Index rows = w.size[across], row_stride = w.stride[across];
  const Index cols = w.size[last], col_stride = w.stride[last];
  Index y_row = inner;
  for (int i = across + 1; i < w.rank; ++i) y_row *= w.size[i];
  const Index whole_rows = rows / kLanes * kLanes, whole_cols = cols / kLanes * kLanes;
  for (Index i = 0; i < whole_rows; i += kLanes)
    for (Index j = 0; j < whole_cols; j += kLanes)
      transpose_square(x + i + j * col_stride, col_stride, y + i * y_row + j, y_row);
  for (Index i = 0; i < rows; ++i)
    for (Index j = i < whole_rows ? whole_cols : 0; j < cols; ++j)
      y[i * y_row + j] = x[i * row_stride + j * col_stride];
}

void copy_sample(const Walk& w, const real* x, real* y) {
  const auto bytes = static_cast<std::size_t>(w.inner) * sizeof(real);
  if (w.rank == 0) {
    __builtin_memcpy(y, x, bytes);
    return;
  }
  // Dimensions that the innermost loops take.
  int across = -1;
  if (w.inner == 1)
    for (int i = 0; i < w.rank - 1; ++i)
      if (w.stride[i] == 1) across = i;
  Index y_stride[kMaxRank];
  Index s = w.inner;
  for (int i = w.rank; i-- > 0;) {
    y_stride[i] = s;
    s *= w.size[i];
  }
  Index at[kMaxRank] = {};
  for (;;) {
    Index from = 0, to = 0;
    for (int i = 0; i < w.rank; ++i) {
      from += at[i] * w.stride[i];
      to += at[i] * y_stride[i];
    }
    const int last = w.rank - 1;
    if (across >= 0) {
      copy_tiled(w, across, x + from, y + to, w.inner);
    } else {
      for (Index j = 0; j < w.size[last]; ++j)
        __builtin_memcpy(y + to + j * w.inner, x + from + j * w.stride[last], bytes);
    }
    int i = last - 1;
    for (; i >= 0; --i) {
      if (i == across) continue;
      if (++at[i] < w.size[i]) break;
      at[i] = 0;
    }
    if (i < 0) return;
  }
}

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  Index dims[kMaxRank], inverse[kMaxRank];
  const int rank = p.integers("dims", dims, kMaxRank);
  bool seen[kMaxRank] = {};
  bool valid = rank == x.rank;
  for (int i = 0; valid && i < rank; ++i) {
    valid = dims[i] >= 0 && dims[i] < rank && !seen[dims[i]];
    if (valid) seen[dims[i]] = true;
  }
  if (!valid) p.fail("expected dims to be a permutation of 0 to %d", x.rank - 1);
  Shape y;
  for (int i = 0; i < rank; ++i) {
    y.push(x[static_cast<int>(dims[i])]);
    inverse[dims[i]] = i;
  }
  c.forward = make_walk(x, dims);
  c.backward = make_walk(y, inverse);
  c.size = x.size();
  p.output(y);
  if (c.forward.rank == 0) p.alias();
  p.flops(static_cast<double>(c.size), static_cast<double>(c.size));
}

void run(const Run& r, const Walk& w, const real* x, real* y) {
  const Index size = r.config<Config>().size;
  parallel_for(r.pool, r.n, 1 + 16384 / (size + 1), [&](Index begin, Index end, int) {
    for (Index n = begin; n < end; ++n) copy_sample(w, x + n * size, y + n * size);
  });
}

void forward(const Run& r) noexcept { run(r, r.config<Config>().forward, r.x(), r.y()); }
void backward(const Run& r) noexcept {
  if (r.dx()) run(r, r.config<Config>().backward, r.dy(), r.dx());
}

}  // namespace

extern const OpDef op_permute;
const OpDef op_permute{"permute", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
