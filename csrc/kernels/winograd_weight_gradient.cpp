// dw = G^T (sum over tiles of (B^T x B) (A dy A^T)) G, the gradient of the tiled product. A block
// of tiles is transformed, then multiplied at each point; blocks are added in order.
#include "kernels/winograd_detail.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr Index kBlockReals = 1024 * 1024;  // transformed tiles of a block, shared by all workers
constexpr Index kLeastBlock = 128, kMostBlock = 512;
constexpr Index kItem = 16;        // tiles transformed at a time
constexpr Index kSumDepth = 128;   // a panel of transformed inputs stays in L1

template <class T>
struct Layout {
  static constexpr Index kPoints = T::kIn * T::kIn;
  Index block;
  Index v_row, v_step, m_row, m_step;  // transformed x (block, v_row) and dy of each point
  Index s_row, s_step;                 // sums (C, s_row)
  Index bias;                          // a sum for each kItem tiles
  PatchSource x, y;

  explicit Layout(const ConvShape& s) {
    const ConvAxis &h = s.axis[1], &k = s.axis[2];
    v_row = spread(s.channels), m_row = spread(s.filters);
    const Index fit = kBlockReals / (kPoints * (v_row + m_row)) / kItem * kItem;
    block = smaller(kMostBlock, larger(kLeastBlock, fit));
    v_step = spread(block * v_row), m_step = spread(block * m_row);
    s_row = round_to(s.filters, kLanes), s_step = spread(s.channels * s_row);
    bias = block / kItem * s_row;
    x = {{}, h.in, k.in, s.channels, -h.pad, -k.pad, T::kOut, T::kIn};
    y = {{}, h.out, k.out, s.filters, 0, 0, T::kOut, T::kOut};
  }
  Index shared() const { return kPoints * (v_step + m_step + s_step) + bias; }
  Index own() const { return larger(run_reals(x), run_reals(y)); }
};

// m[q * q_step + f] = q-th value of A dy A^T; sum += all of dy.
template <class T>
void transform_gradient(const real* y, Index row, Index filters, real* m, Index q_step,
                        real* sum) {
  constexpr int A = T::kIn, O = T::kOut;
  for_lanes(filters, [&](Index f, auto lanes) __attribute__((always_inline)) {
    V half[A][O];
    V total = load(sum + f);
#pragma GCC unroll 8
    for (int j = 0; j < O; ++j) {
      V in[O], out[A];
#pragma GCC unroll 8
      for (int i = 0; i < O; ++i) {
        in[i] = lanes.get(y + i * row + j * filters + f);
        total += in[i];
      }
      T::output_transposed(in, out);
#pragma GCC unroll 8
      for (int i = 0; i < A; ++i) half[i][j] = out[i];
    }
    store(sum + f, total);
#pragma GCC unroll 8
    for (int i = 0; i < A; ++i) {
      V out[A];
      T::output_transposed(half[i], out);
#pragma GCC unroll 8
      for (int j = 0; j < A; ++j) store(m + (i * A + j) * q_step + f, out[j]);
    }
  });
}

// dw (3, 3, C, F) from the sums.
template <class T>
void transform_sums(Pool* pool, const ConvShape& s, const Layout<T>& l, const real* sums,
                    real* dw) {
  constexpr int A = T::kIn;
  const Index tap = s.channels * s.filters;
  parallel_for(pool, s.channels, larger(1, 1024 / s.filters), [&](Index begin, Index end, int) {
    for (Index c = begin; c < end; ++c)
      for_lanes(s.filters, [&](Index f, auto lanes) __attribute__((always_inline)) {
        const real* u = sums + c * l.s_row + f;
        V half[3][A];
#pragma GCC unroll 8
        for (int j = 0; j < A; ++j) {
          V in[A], out[3];
#pragma GCC unroll 8
          for (int i = 0; i < A; ++i) in[i] = load(u + (i * A + j) * l.s_step);
          T::kernel_transposed(in, out);
#pragma GCC unroll 4
          for (int i = 0; i < 3; ++i) half[i][j] = out[i];
        }
#pragma GCC unroll 4
        for (int i = 0; i < 3; ++i) {
          V out[3];
          T::kernel_transposed(half[i], out);
#pragma GCC unroll 4
          for (int j = 0; j < 3; ++j)
            lanes.put(dw + (i * 3 + j) * tap + c * s.filters + f, out[j]);
        }
      });
  });
}

template <class T>
struct Sums {
  const ConvShape& s;
  const Layout<T>& l;
  real *v, *m, *sums, *bias;

  // sums (C, F) of point q, rows of panel i of `panels`, + v^T m over `count` tiles.
  void add(Index q, Index i, Index panels, Index count, bool first) const {
    const Index from = s.channels * i / panels, rows = s.channels * (i + 1) / panels - from;
    for (Index at = 0; at < count; at += kSumDepth) {
      RowPanel r{};
      r.a = v + q * l.v_step + at * l.v_row + from, r.a_step = l.v_row;
      r.b = m + q * l.m_step + at * l.m_row, r.b_step = l.m_row, r.b_panel = kPanel;
      r.c = sums + q * l.s_step + from * l.s_row, r.ldc = l.s_row;
      r.k = smaller(kSumDepth, count - at);
      r.accumulate = at > 0 || !first;
      r.row_major = false, r.padded = true;
      multiply_panel(static_cast<int>(rows), r, l.s_row);
    }
  }
  void add_bias(Index items, bool first, real* db) const {
    for_lanes(s.filters, [&](Index f, auto lanes) {
      V total = first ? V{} : lanes.get(db + f);
      for (Index i = 0; i < items; ++i) total += load(bias + i * l.s_row + f);
      lanes.put(db + f, total);
    });
  }
};

template <class T>
void run(const ConvShape& s, Index n, const ConvSource& x, const ConvSource& y, real* dw, real* db,
         const ConvWork& work) {
  Layout<T> l(s);
  l.x.src = x, l.y.src = y;
  if (y.act && y.act->kind == kLinear) l.y.src.act = nullptr;
  real *v = work.fixed, *m = v + l.kPoints * l.v_step, *sums = m + l.kPoints * l.m_step;
  const Sums<T> total{s, l, v, m, sums, sums + l.kPoints * l.s_step};
  const TileGrid grid = tile_grid<T>(n * s.axis[0].in, s.axis[1].out, s.axis[2].out);
  const Index tiles = grid.count(), panels = ceil_div(s.channels, kRows);
  for (Index begin = 0; begin < tiles; begin += l.block) {
    const Index count = smaller(l.block, tiles - begin), items = ceil_div(count, kItem);
    parallel_for(work.pool, items, 1, [&](Index first, Index last, int worker) {
      real* buffer = work.worker + worker * work.worker_stride;
      for (Index item = first; item < last; ++item) {
        const Index from = begin + item * kItem, to = smaller(begin + count, from + kItem);
        real* bias = total.bias + item * l.s_row;
        zero_reals(bias, l.s_row);
        for_patches(l.x, grid, from, to, buffer, [&](Index t, const real* p, Index row) {
          transform_input<T>(p, row, s.channels, v + (t - begin) * l.v_row, l.v_step);
        });
        for_patches(l.y, grid, from, to, buffer, [&](Index t, const real* p, Index row) {
          transform_gradient<T>(p, row, s.filters, m + (t - begin) * l.m_row, l.m_step, bias);
        });
      }
    });
    const Index pieces = l.kPoints * panels;
    const Index grain = larger(1, pieces / (8 * pool_workers(work.pool)));
    parallel_for(work.pool, pieces, grain, [&](Index first, Index last, int) {
      for (Index k = first; k < last; ++k)
        total.add(k / panels, k % panels, panels, count, begin == 0);
    });
    if (db) total.add_bias(items, begin == 0, db);
  }
  transform_sums<T>(work.pool, s, l, sums, dw);
}

}  // namespace

ConvScratch winograd_weight_gradient_scratch(const ConvShape& s) {
  const Layout<Tile2> small(s);
  const Layout<Tile4> large(s);
  ConvScratch scratch{small.shared(), small.own()};
  scratch.cover({large.shared(), large.own()});
  return scratch;
}

void winograd_weight_gradient(const ConvShape& s, Index n, const ConvSource& x,
                              const ConvSource& y, real* dw, real* db, const ConvWork& work) {
  with_tile(s.axis[1].out, s.axis[2].out,
            [&](auto tile) { run<decltype(tile)>(s, n, x, y, dw, db, work); });
}

}  // namespace pyseq::PYSEQ_NS
