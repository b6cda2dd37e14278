#include "kernels/conv_pass.h"
#include "kernels/winograd.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr int kRows = kVectorBytes == 64 ? 14 : 6;  // contraction rows of one register tile
constexpr int kTileVectors = 2;
constexpr int kPanel = kTileVectors * kLanes;

struct TileGradient {
  real* dw;
  Index ld;
  int rows, columns;
  bool first;  // write rather than add
};

// dw[i][columns] (+)= sum over pixels p of x[xo[p] + row[i]] y[yo[p] + columns]; row[i] = i if
// Contiguous.
template <int R, int NV, bool Contiguous>
void tile(const real* x, const Index* xo, const Index* row, const real* y, const Index* yo,
          Index pixels, const TileGradient& out) {
  const int rest = out.columns - (NV - 1) * kLanes;
  V acc[R][NV] = {};
  if (!out.first) {
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      if (i >= out.rows) break;
      const real* from = out.dw + i * out.ld;
#pragma GCC unroll 4
      for (int v = 0; v < NV - 1; ++v) acc[i][v] = load(from + v * kLanes);
      acc[i][NV - 1] = rest == kLanes ? load(from + (NV - 1) * kLanes)
                                      : load_partial(from + (NV - 1) * kLanes, rest);
    }
  }
  Index offset[R];
  if constexpr (!Contiguous) {
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) offset[i] = row[i];
  }
  for (Index p = 0; p < pixels; ++p) {
    const real* a = x + xo[p];
    const real* b = y + yo[p];
    V bv[NV];
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) bv[v] = load(b + v * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const V av = splat(Contiguous ? a[i] : a[offset[i]]);
#pragma GCC unroll 4
      for (int v = 0; v < NV; ++v) acc[i][v] += av * bv[v];
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) {
    if (i >= out.rows) break;
    real* to = out.dw + i * out.ld;
#pragma GCC unroll 4
    for (int v = 0; v < NV - 1; ++v) store(to + v * kLanes, acc[i][v]);
    if (rest == kLanes) store(to + (NV - 1) * kLanes, acc[i][NV - 1]);
    else store_partial(to + (NV - 1) * kLanes, acc[i][NV - 1], rest);
  }
}

using TileFunction = void (*)(const real*, const Index*, const Index*, const real*, const Index*,
                              Index, const TileGradient&);

template <int NV>
TileFunction contiguous_tile(Index rows) {
  if constexpr (kRows == 6) {
    return rows == 6 ? tile<6, NV, true> : rows == 5 ? tile<5, NV, true> : tile<4, NV, true>;
  } else {
    switch (rows) {
      case 14:
        return tile<14, NV, true>;
      case 13:
        return tile<13, NV, true>;
      case 12:
        return tile<12, NV, true>;
      case 11:
        return tile<11, NV, true>;
      case 10:
        return tile<10, NV, true>;
      default:
        return tile<9, NV, true>;
    }
  }
}

template <int NV>
TileFunction gathering_tile(Index rows) {
  if constexpr (kRows == 6) {
    return rows <= 3 ? tile<3, NV, false> : tile<6, NV, false>;
  } else {
    return rows <= 4 ? tile<4, NV, false> : rows <= 9 ? tile<9, NV, false> : tile<14, NV, false>;
  }
}

// Contiguous runs at least this long are cut into contiguous tiles of no fewer than 4 (AVX2) or
// 9 (AVX-512) rows.
constexpr Index kContiguous = kRows == 6 ? 10 : 18;

struct Job {
  const Pass& p;
  const ConvSource& x;
  const ConvSource& y;
  const Index* segment;
  Index filters;
  bool contiguous;
  Index run_tiles;      // tiles of a segment, if contiguous
  Index tiles, panels;  // tiles of the depth, panels of a group
  bool copy_y;
  Index y_row;  // reals of a pixel of the copy of y
};

// Rows of tile `t` of the contraction.
void tile_rows(const Job& j, Index t, Index& first, Index& rows) {
  if (j.contiguous) {
    const Index s = t / j.run_tiles, i = t % j.run_tiles, length = j.p.length;
    first = s * length + length * i / j.run_tiles;
    rows = s * length + length * (i + 1) / j.run_tiles - first;
  } else {
    const Index depth = j.p.depth();
    first = depth * t / j.tiles;
    rows = depth * (t + 1) / j.tiles - first;
  }
}

// Gradient of y, y_row reals a pixel with zeros behind, so that whole vectors can be read.
void load_y(const Job& j, BoxPixels& b, real* buffer) {
  const Index f = j.filters;
  for (Index k = 0; k < b.pixels; ++k) {
    real* to = buffer + k * j.y_row;
    if (j.y.act) activation_backward(*j.y.act, j.y.v + b.y[k], j.y.p + b.y[k], to, f);
    else __builtin_memcpy(to, j.y.p + b.y[k], sizeof(real) * static_cast<std::size_t>(f));
    for (Index c = f; c < j.y_row; ++c) to[c] = 0;
    b.y[k] = k * j.y_row;
  }
}

void load_y_rows(const Job& j, BoxPixels& b, real* buffer) {
  const Index f = j.filters, w = b.size[3];
  for (Index k = 0; k < b.pixels; k += w)
    activation_backward(*j.y.act, j.y.v + b.y[k], j.y.p + b.y[k], buffer + k * f, w * f);
  for (Index k = 0; k < b.pixels; ++k) b.y[k] = k * f;
}

void add_columns(const real* y, const BoxPixels& b, Index columns, bool first, real* sum) {
  if (first)
    for (Index c = 0; c < columns; ++c) sum[c] = 0;
  Index c = 0;
  for (; c + 4 * kLanes <= columns; c += 4 * kLanes) {
    V s[4];
    for (int v = 0; v < 4; ++v) s[v] = load(sum + c + v * kLanes);
    for (Index k = 0; k < b.pixels; ++k)
      for (int v = 0; v < 4; ++v) s[v] += load(y + b.y[k] + c + v * kLanes);
    for (int v = 0; v < 4; ++v) store(sum + c + v * kLanes, s[v]);
  }
  for (; c < columns; c += kLanes) {
    const int n = static_cast<int>(least(kLanes, columns - c));
    V s = load_partial(sum + c, n);
    for (Index k = 0; k < b.pixels; ++k) s += load_partial(y + b.y[k] + c, n);
    store_partial(sum + c, s, n);
  }
}

// Units [first, last) of (group, panel, tile) over one box.
void run_box(const Job& j, Index box, bool start, Index first, Index last, real* dw, real* db,
             real* buffer) {
  const Pass& p = j.p;
  BoxPixels b;
  box_pixels(p, box, false, b);
  const real* x = load_box(p, j.x, b, buffer);
  const real* y = j.y.p;
  if (j.copy_y) {
    real* copy = buffer + round_to(p.copy_reals(), kLanes);
    if (j.y.act && j.y_row == j.filters) load_y_rows(j, b, copy);
    else load_y(j, b, copy);
    y = copy;
  }
  if (db) add_columns(y, b, j.filters, start, db);
  for (Index unit = first; unit < last; ++unit) {
    const Index t = unit % j.tiles, panel = unit / j.tiles % j.panels,
                g = unit / j.tiles / j.panels;
    const Index j0 = panel * kPanel, columns = least(kPanel, p.fg - j0);
    const Index channel = g * p.fg + j0;
    Index k0, rows;
    tile_rows(j, t, k0, rows);
    const TileGradient out{dw + k0 * j.filters + channel, j.filters, static_cast<int>(rows),
                           static_cast<int>(columns), start};
    const bool wide = columns > kLanes;
    const real* xg = x + g * p.cg;
    if (j.contiguous) {
      const Index offset = j.segment[k0 / p.length] + k0 % p.length;
      (wide ? contiguous_tile<2>(rows) : contiguous_tile<1>(rows))(xg + offset, b.x, nullptr,
                                                                   y + channel, b.y, b.pixels, out);
    } else {
      Index row[kMaxTilePixels];
      for (Index i = 0; i < kMaxTilePixels; ++i) {
        const Index k = k0 + least(i, rows - 1);
        row[i] = j.segment[k / p.length] + k % p.length;
      }
      (wide ? gathering_tile<2>(rows) : gathering_tile<1>(rows))(xg, b.x, row, y + channel, b.y,
                                                                 b.pixels, out);
    }
  }
}

// Independent partial sums over boxes: many where dw is small, so that threads find work there.
Index chunk_limit(const ConvShape& s) {
  const Index size = s.depth() * s.filters;
  return size <= 32 * 1024 ? 16 : size <= 128 * 1024 ? 4 : 1;
}

Index segment_reals(Index taps) {
  return round_to(taps * static_cast<Index>(sizeof(Index) / sizeof(real)), kLanes);
}

Index padded_row(const ConvShape& s) {
  return s.filters / s.groups % kLanes ? round_to(s.filters, kLanes) + (s.groups > 1 ? kLanes : 0)
                                       : s.filters;
}

Index partial_reals(const ConvShape& s) {
  return round_to(s.depth() * s.filters + s.filters, kLanes);
}

}  // namespace

ConvScratch conv_weight_gradient_scratch(const ConvShape& s) {
  Pass p = forward_pass(s, 1);
  plan_pass(p, true);
  const Index x = most(most(kBoxReals, p.copy_reals()), kMaxTilePixels * (p.in_c + p.skew));
  const Index chunks = chunk_limit(s);
  ConvScratch scratch = winograd_scratch(s, ConvPass::weight_gradient);
  scratch.cover({segment_reals(s.taps()) + (chunks > 1 ? chunks : 0) * partial_reals(s),
                 x + kLanes + kBoxPixels * padded_row(s)});
  return scratch;
}

void conv_weight_gradient(const ConvShape& s, Index n, const ConvSource& x, const ConvSource& y,
                          real* dw, real* db, const ConvWork& work) {
  if (dw && winograd_wanted(s, n, ConvPass::weight_gradient))
    return winograd_weight_gradient(s, n, x, y, dw, db, work);
  Pass p = forward_pass(s, n);
  plan_pass(p, x.act != nullptr);
  Index* segment = reinterpret_cast<Index*>(work.fixed);
  const Index none[3] = {}, all[3] = {p.a[0].taps, p.a[1].taps, p.a[2].taps};
  pass_segments(p, none, all, segment, nullptr);
  real* partial = work.fixed + segment_reals(s.taps());
  Job j{p, x, y, segment, s.filters, p.length >= kContiguous, 0, 0, 0, false, 0};
  j.run_tiles = pieces(p.length, kRows);
  j.tiles = j.contiguous ? p.segments * j.run_tiles : pieces(p.depth(), kRows);
  j.panels = pieces(p.fg, kPanel);
  j.y_row = padded_row(s);
  j.copy_y = y.act || j.y_row != s.filters;

  const Index boxes = p.boxes(), units = dw ? p.groups * j.panels * j.tiles : 0;
  const Index chunks = least(chunk_limit(s), boxes), size = s.depth() * s.filters;
  const Index stride = partial_reals(s);
  const Index wanted = work.pool ? 3 * pool_workers(work.pool) : 1;
  const Index splits = chunks >= wanted ? 1 : most(1, least(units, pieces(wanted, chunks)));
  parallel_for(work.pool, chunks * splits, 1, [&](Index begin, Index end, int worker) {
    for (Index item = begin; item < end; ++item) {
      const Index c = item / splits, part = item % splits;
      real* to = chunks > 1 ? partial + c * stride : dw;
      real* bias = chunks > 1 ? to + size : db;
      const Index from = boxes * c / chunks, last = boxes * (c + 1) / chunks;
      for (Index box = from; box < last; ++box)
        run_box(j, box, box == from, units * part / splits, units * (part + 1) / splits, to,
                db && part == 0 ? bias : nullptr, work.worker + worker * work.worker_stride);
    }
  });
  if (chunks == 1) return;
  const auto reduce = [&](Index offset, real* to, Index count) {
    parallel_for(work.pool, count, 4096, [&](Index begin, Index end, int) {
      for (Index i = begin; i < end; ++i) {
        real sum = partial[offset + i];
        for (Index c = 1; c < chunks; ++c) sum += partial[c * stride + offset + i];
        to[i] = sum;
      }
    });
  };
  if (dw) reduce(0, dw, size);
  if (db) reduce(size, db, s.filters);
}

namespace {
constexpr Index kBiasChunks = 16;
constexpr Index kBiasRows = 64;
}  // namespace

ConvScratch conv_bias_gradient_scratch(Index cols) {
  return {kBiasChunks * cols, kBiasRows * cols};
}

void conv_bias_gradient(const ConvSource& src, Index rows, Index cols, real* out,
                        const ConvWork& work) {
  const Index chunks = most(1, least(kBiasChunks, rows / kBiasRows));
  parallel_for(work.pool, chunks, 1, [&](Index begin, Index end, int worker) {
    for (Index c = begin; c < end; ++c) {
      real* sum = work.fixed + c * cols;
      for (Index i = 0; i < cols; ++i) sum[i] = 0;
      const Index last = rows * (c + 1) / chunks;
      for (Index r = rows * c / chunks; r < last; r += kBiasRows) {
        const Index count = least(kBiasRows, last - r);
        const real* y = src.p + r * cols;
        if (src.act) {
          real* buffer = work.worker + worker * work.worker_stride;
          activation_backward(*src.act, src.v + r * cols, y, buffer, count * cols);
          y = buffer;
        }
        for (Index k = 0; k < count; ++k)
          for (Index i = 0; i < cols; ++i) sum[i] += y[k * cols + i];
      }
    }
  });
  for (Index i = 0; i < cols; ++i) {
    real sum = work.fixed[i];
    for (Index c = 1; c < chunks; ++c) sum += work.fixed[c * cols + i];
    out[i] = sum;
  }
}

}  // namespace pyseq::PYSEQ_NS
