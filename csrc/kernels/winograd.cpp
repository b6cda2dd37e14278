#include "kernels/winograd_detail.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr Index kGroup = 128;        // output channels at a time: their products stay in L2
constexpr Index kBlockReals = 7168;  // transformed channels of the tiles of a block, and products
constexpr Index kSumDepth = 128;     // sums are cut here: more digits survive
constexpr int kLeastRows = 5;        // fewer rows of the micro-kernel would add in another order
constexpr Index kStage = 16;

// A 3 x 3 convolution: `channels` in, `filters` out; forward or its transpose.
struct Problem {
  Index images, in_h, in_w, out_h, out_w, pad_h, pad_w, channels, filters;
  // Weight of tap t, channel c, filter f: w[tap[t] + c * w_channel + f * w_filter].
  const real* w;
  Index tap[9], w_channel, w_filter;
};

Problem forward_problem(const ConvShape& s, Index n, const real* w) {
  const ConvAxis &h = s.axis[1], &k = s.axis[2];
  Problem p{n * s.axis[0].in, h.in, k.in, h.out, k.out, h.pad, k.pad, s.channels, s.filters,
            w, {}, s.filters, 1};
  for (int t = 0; t < 9; ++t) p.tap[t] = t * s.channels * s.filters;
  return p;
}

Problem gradient_problem(const ConvShape& s, Index n, const real* w) {
  const ConvAxis &h = s.axis[1], &k = s.axis[2];
  Problem p{n * s.axis[0].in, h.out, k.out, h.in, k.in, 2 - h.pad, 2 - k.pad, s.filters,
            s.channels, w, {}, 1, s.filters};
  for (int t = 0; t < 9; ++t) p.tap[t] = (8 - t) * s.channels * s.filters;
  return p;
}

template <class T>
struct Layout {
  static constexpr Index kPoints = T::kIn * T::kIn;
  Index panels, u_step;     // panels of transformed weights (channels, kPanel); reals of one point
  Index block;              // tiles, a multiple of kRows
  Index v_row, v_step;      // transformed tiles (block, v_row) of each point
  Index m_row, m_step;      // products (block, m_row)
  PatchSource patch;

  explicit Layout(const Problem& p) {
    panels = ceil_div(p.filters, kPanel);
    u_step = panels * p.channels * kPanel + kPanel;
    const Index group = smaller(round_to(p.filters, kLanes), kGroup);
    v_row = spread(p.channels), m_row = spread(group);
    const Index tiles = kBlockReals / (v_row + m_row) * 16 / kPoints;
    block = larger(round_to(28, kRows), tiles / kRows * kRows);
    v_step = spread(block * v_row), m_step = spread(block * m_row);
    patch = {{}, p.in_h, p.in_w, p.channels, -p.pad_h, -p.pad_w, T::kOut, T::kIn};
  }
  Index shared() const { return kPoints * u_step; }
  Index products() const { return kPoints * v_step; }
  Index copies() const { return products() + kPoints * m_step; }
  Index own() const { return copies() + run_reals(patch); }
};

// u = G g G^T for all channels and filters.
template <class T>
void transform_weights(Pool* pool, const Problem& p, const Layout<T>& l, real* u) {
  constexpr int A = T::kIn;
  const Index blocks = ceil_div(p.channels, kStage);
  parallel_for(pool, l.panels * blocks, 4, [&](Index begin, Index end, int) {
    real stage[9 * kStage * kPanel];
    for (Index item = begin; item < end; ++item) {
      const Index panel = item / blocks, f = panel * kPanel, c = item % blocks * kStage;
      const Index depth = smaller(kStage, p.channels - c), width = smaller(kPanel, p.filters - f);
      for (int t = 0; t < 9; ++t)
        pack_panels(p.w + p.tap[t] + c * p.w_channel + f * p.w_filter, p.w_channel, p.w_filter,
                    width, depth, stage + t * kStage * kPanel, 0);
      real* to = u + (panel * p.channels + c) * kPanel;
      for (Index i = 0; i < depth * kPanel; i += kLanes) {
        V half[3][A];
#pragma GCC unroll 4
        for (int k = 0; k < 3; ++k) {
          V g[3];
#pragma GCC unroll 4
          for (int h = 0; h < 3; ++h) g[h] = load(stage + (h * 3 + k) * kStage * kPanel + i);
          T::kernel(g, half[k]);
        }
#pragma GCC unroll 8
        for (int a = 0; a < A; ++a) {
          const V g[3] = {half[0][a], half[1][a], half[2][a]};
          V out[A];
          T::kernel(g, out);
#pragma GCC unroll 8
          for (int b = 0; b < A; ++b) store(to + (a * A + b) * l.u_step + i, out[b]);
        }
      }
    }
  });
}

// m (rows, n) = v (rows, channels) u for the filters from f on, at every point.
template <class T>
void multiply(const Problem& p, const Layout<T>& l, const real* u, const real* v, real* m,
              Index panels, Index rows, Index f, Index n) {
  for (Index q = 0; q < l.kPoints; ++q)
    for (Index i = 0; i < panels; ++i)
      for (Index at = 0; at < p.channels; at += kSumDepth) {
        RowPanel r{};
        r.a = v + q * l.v_step + i * rows * l.v_row + at, r.a_step = l.v_row;
        r.b = u + q * l.u_step + (f / kPanel * p.channels + at) * kPanel;
        r.b_step = kPanel, r.b_panel = p.channels * kPanel;
        r.c = m + q * l.m_step + i * rows * l.m_row, r.ldc = l.m_row;
        r.k = smaller(kSumDepth, p.channels - at);
        r.accumulate = at > 0;
        r.row_major = r.padded = true;
        multiply_panel(static_cast<int>(rows), r, n);
      }
}

// One tile of outputs, of which height x width exist; `row` and `pixel` reals apart.
template <class T>
void transform_output(const real* m, Index m_step, real* y, Index row, Index pixel, int height,
                      int width, Index columns, const real* bias, bool relu) {
  constexpr int A = T::kIn, O = T::kOut;
  for_lanes(columns, [&](Index f, auto lanes) __attribute__((always_inline)) {
    V half[O][A];
#pragma GCC unroll 8
    for (int j = 0; j < A; ++j) {
      V in[A], out[O];
#pragma GCC unroll 8
      for (int i = 0; i < A; ++i) in[i] = load(m + (i * A + j) * m_step + f);
      T::output(in, out);
#pragma GCC unroll 8
      for (int i = 0; i < O; ++i) half[i][j] = out[i];
    }
    const V b = bias ? lanes.get(bias + f) : V{};
#pragma GCC unroll 8
    for (int i = 0; i < O; ++i) {
      V out[O];
      T::output(half[i], out);
      if (i >= height) break;
#pragma GCC unroll 8
      for (int j = 0; j < O; ++j) {
        if (j >= width) break;
        V value = out[j] + b;
        if (relu) value = max_v(V{}, value);
        lanes.put(y + i * row + j * pixel + f, value);
      }
    }
  });
}

// Filters [f, f + columns) of the tiles [begin, end).
template <class T>
void finish_block(const Problem& p, const Layout<T>& l, const TileGrid& grid, Index begin,
                  Index end, const real* m, Index f, Index columns, const ConvTarget& out) {
  const bool relu = out.act && !out.z && plain_relu(*out.act);
  real* to = out.z ? out.z : out.y;
  const Index row = p.out_w * p.filters;
  for (Index t = begin; t < end; ++t) {
    const Index column = t % grid.columns, line = t / grid.columns;
    const Index y = line % grid.rows * T::kOut, x = column * T::kOut;
    const int height = static_cast<int>(smaller(T::kOut, p.out_h - y));
    const int width = static_cast<int>(smaller(T::kOut, p.out_w - x));
    const Index at = ((line / grid.rows * p.out_h + y) * p.out_w + x) * p.filters + f;
    transform_output<T>(m + (t - begin) * l.m_row, l.m_step, to + at, row, p.filters, height,
                        width, columns, out.bias ? out.bias + f : nullptr, relu);
    if (!out.act || relu) continue;
    for (int i = 0; i < height; ++i)
      for (int j = 0; j < width; ++j) {
        const Index pixel = at + i * row + j * p.filters;
        activation_forward(*out.act, to + pixel, out.y + pixel, columns);
      }
  }
}

// How the work is cut: blocks of tiles and, where there are few tiles, ranges of filters, each of
// which transforms the tiles again.
struct Cut {
  Index block, splits;
};

template <class T>
Cut cut_work(const Layout<T>& l, Index tiles, Index workers) {
  if (workers == 1) return {smaller(l.block, tiles), 1};
  if (tiles < 2 * kRows * workers) {
    const Index block = smaller(l.block, tiles), blocks = ceil_div(tiles, block);
    return {block, smaller(l.panels, ceil_div(workers, blocks))};
  }
  const Index third = ceil_div(tiles, 3 * workers);
  return {smaller(l.block, third >= 2 * kRows ? third : ceil_div(tiles, workers)), 1};
}

template <class T>
void run(const Problem& p, const ConvSource& x, const ConvTarget& target, const ConvWork& work,
         const real* packed) {
  Layout<T> l(p);
  l.patch.src = x;
  if (x.act && x.act->kind == kLinear) l.patch.src.act = nullptr;
  ConvTarget out = target;
  if (out.act && out.act->kind == kLinear) out.act = nullptr;
  if (!out.act) out.z = nullptr;
  const real* u = packed;
  if (!u) {
    transform_weights<T>(work.pool, p, l, work.fixed);
    u = work.fixed;
  }

  const TileGrid grid = tile_grid<T>(p.images, p.out_h, p.out_w);
  const Index tiles = grid.count();
  // The results of a tile do not depend on its block, so blocks may follow the number of workers.
  const auto [block, splits] = cut_work(l, tiles, pool_workers(work.pool));
  const Index items = ceil_div(tiles, block) * splits;
  parallel_for(work.pool, items, 1, [&, block = block, splits = splits](Index first, Index last,
                                                                       int worker) {
    real* v = work.worker + worker * work.worker_stride;
    real *m = v + l.products(), *buffer = v + l.copies();
    for (Index item = first; item < last; ++item) {
      const Index begin = item / splits * block, end = smaller(tiles, begin + block);
      const Index count = end - begin, panels = ceil_div(count, kRows);
      const Index rows = larger(kLeastRows, ceil_div(count, panels));
      for_patches(l.patch, grid, begin, end, buffer, [&](Index t, const real* from, Index row) {
        transform_input<T>(from, row, p.channels, v + (t - begin) * l.v_row, l.v_step);
      });
      for (Index q = 0; q < l.kPoints; ++q)
        zero_reals(v + q * l.v_step + count * l.v_row, (panels * rows - count) * l.v_row);
      const Index part = item % splits;
      const Index high = smaller(p.filters, l.panels * (part + 1) / splits * kPanel);
      for (Index f = l.panels * part / splits * kPanel; f < high; f += kGroup) {
        const Index columns = smaller(kGroup, high - f);
        multiply<T>(p, l, u, v, m, panels, rows, f, round_to(columns, kLanes));
        finish_block<T>(p, l, grid, begin, end, m, f, columns, out);
      }
    }
  });
}

template <class T>
void scale_filters(const Problem& p, const Layout<T>& l, const real* scale, real* u) {
  for (Index q = 0; q < l.kPoints; ++q)
    for (Index panel = 0; panel < l.panels; ++panel) {
      const Index f = panel * kPanel, width = smaller(kPanel, p.filters - f);
      real* to = u + q * l.u_step + panel * p.channels * kPanel;
      for (Index c = 0; c < p.channels; ++c)
        for (Index j = 0; j < width; ++j) to[c * kPanel + j] *= scale[f + j];
    }
}

// f(tile type) for 2 or 4.
template <class F>
PYSEQ_INLINE void of_tile(int tile, F&& f) {
  tile == Tile4::kOut ? f(Tile4{}) : f(Tile2{});
}

template <class T>
ConvScratch scratch_of(const Problem& p) {
  const Layout<T> l(p);
  return {l.shared(), l.own()};
}

ConvScratch scratch_of(const Problem& p) {
  ConvScratch s = scratch_of<Tile2>(p);
  s.cover(scratch_of<Tile4>(p));
  return s;
}

}  // namespace

ConvScratch winograd_scratch(const ConvShape& s, ConvPass pass) {
  if (!winograd_shape(s)) return {};
  if (pass == ConvPass::weight_gradient) return winograd_weight_gradient_scratch(s);
  return scratch_of(pass == ConvPass::forward ? forward_problem(s, 1, nullptr)
                                              : gradient_problem(s, 1, nullptr));
}

namespace {

struct Image {
  Index depth, height, width;
  Index pixels() const { return depth * height * width; }
};

Image produced(const ConvShape& s, ConvPass pass) {
  const bool back = pass == ConvPass::data_gradient;
  return {s.axis[0].in, back ? s.axis[1].in : s.axis[1].out, back ? s.axis[2].in : s.axis[2].out};
}

template <class T>
bool pays(const Image& i) {
  return static_cast<double>(9 * i.height * i.width) >=
         kLeastGain * static_cast<double>(tile_multiplications<T>(i.height, i.width));
}

bool enough(const Image& i, Index n) {
  return i.pixels() >= kEnoughPixels || n * i.pixels() >= kLeastPixels;
}

Problem problem_of(const ConvShape& s, ConvPass pass, Index n, const real* w) {
  return pass == ConvPass::forward ? forward_problem(s, n, w) : gradient_problem(s, n, w);
}

}  // namespace

bool winograd_wanted(const ConvShape& s, Index n, ConvPass pass) {
  if (!winograd_shape(s)) return false;
  const Image image = produced(s, pass);
  if (!enough(image, n)) return false;
  bool wanted = false;
  with_tile(image.height, image.width,
            [&](auto tile) { wanted = pays<decltype(tile)>(image); });
  return wanted;
}

int winograd_tile(const ConvShape& s, ConvPass pass) {
  if (!winograd_shape(s)) return 0;
  const Image image = produced(s, pass);
  int side = 0;
  with_tile(image.height, image.width, [&](auto tile) {
    if (pays<decltype(tile)>(image)) side = tile.kOut;
  });
  return side;
}

bool winograd_always(const ConvShape& s, ConvPass pass) {
  const Image image = produced(s, pass);
  return winograd_shape(s) && image.pixels() >= kEnoughPixels && pays<Tile2>(image);
}

bool winograd_packed_wanted(const ConvShape& s, Index n, ConvPass pass, int tile) {
  if (tile == 0) return false;
  const Image image = produced(s, pass);
  bool wanted = false;
  of_tile(tile, [&](auto t) { wanted = enough(image, n) && pays<decltype(t)>(image); });
  return wanted;
}

Index winograd_packed_size(const ConvShape& s, ConvPass pass, int tile) {
  Index size = 0;
  if (tile)
    of_tile(tile, [&](auto t) {
      size = Layout<decltype(t)>(problem_of(s, pass, 1, nullptr)).shared();
    });
  return size;
}

void winograd_pack(Pool* pool, const ConvShape& s, ConvPass pass, int tile, const real* w,
                   const real* scale, real* packed) {
  const Problem p = problem_of(s, pass, 1, w);
  of_tile(tile, [&](auto t) {
    using T = decltype(t);
    const Layout<T> l(p);
    transform_weights<T>(pool, p, l, packed);
    if (scale) scale_filters<T>(p, l, scale, packed);
  });
}

void winograd_forward(const ConvShape& s, Index n, const ConvSource& x, const real* w,
                      const ConvTarget& y, const ConvWork& work, int tile, const real* packed) {
  const Problem p = forward_problem(s, n, w);
  if (packed)
    of_tile(tile, [&](auto t) { run<decltype(t)>(p, x, y, work, packed); });
  else
    with_tile(p.out_h, p.out_w, [&](auto t) { run<decltype(t)>(p, x, y, work, nullptr); });
}

void winograd_data_gradient(const ConvShape& s, Index n, const ConvSource& y, const real* w,
                            const ConvTarget& x, const ConvWork& work, int tile,
                            const real* packed) {
  const Problem p = gradient_problem(s, n, w);
  if (packed)
    of_tile(tile, [&](auto t) { run<decltype(t)>(p, y, x, work, packed); });
  else
    with_tile(p.out_h, p.out_w, [&](auto t) { run<decltype(t)>(p, y, x, work, nullptr); });
}

}  // namespace pyseq::PYSEQ_NS
