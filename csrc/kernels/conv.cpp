#include "kernels/conv.h"

#include "kernels/conv_narrow.h"
#include "kernels/conv_pass.h"
#include "kernels/winograd.h"

namespace pyseq::PYSEQ_NS {
namespace {

// Register tile: pixels x vectors of output channels, chosen to fill the register file.
constexpr int kTile = kVectorBytes == 64 ? 14 : 6;
constexpr int kTileVectors = 2;
constexpr int kPanel = kTileVectors * kLanes;
static_assert(kTile <= kMaxTilePixels);

struct TileStore {
  real* y;
  const Index* offset;
  int pixels, columns;
  const real* bias;  // kPanel values
  bool relu;
};

// y[offset[i]] = sum over segments s and k of x[pixel[i] + s.x + k] b[s.row + k, columns] + bias.
template <int R, int NV>
void tile(const real* x, const Index* pixel, const Segments& segments, const real* weights,
          Index b_row, const TileStore& out) {
  V acc[R][NV] = {};
  const Index length = segments.length;
  // The stores at the end would wait for their lines.
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) __builtin_prefetch(out.y + out.offset[i] + v * kLanes, 1);
  for (Index s = 0; s < segments.count; ++s) {
    const real* b = weights + segments.row[s] * b_row;
    const real* a[R];
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) a[i] = x + segments.x[s] + pixel[i];
#pragma GCC unroll 4
    for (Index k = 0; k < length; ++k) {
      V bv[NV];
#pragma GCC unroll 4
      for (int v = 0; v < NV; ++v) bv[v] = load(b + v * kLanes);
#pragma GCC unroll 16
      for (int i = 0; i < R; ++i) {
        const V av = splat(a[i][k]);
#pragma GCC unroll 4
        for (int v = 0; v < NV; ++v) acc[i][v] += av * bv[v];
      }
      b += b_row;
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < NV; ++v) {
    const V bias = load(out.bias + v * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      acc[i][v] += bias;
      if (out.relu) acc[i][v] = max_v(V{}, acc[i][v]);
    }
  }
  const int rest = out.columns - (NV - 1) * kLanes;
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) {
    if (i >= out.pixels) break;
    real* y = out.y + out.offset[i];
#pragma GCC unroll 4
    for (int v = 0; v < NV - 1; ++v) store(y + v * kLanes, acc[i][v]);
    if (rest == kLanes) store(y + (NV - 1) * kLanes, acc[i][NV - 1]);
    else store_partial(y + (NV - 1) * kLanes, acc[i][NV - 1], rest);
  }
}

using TileFunction = void (*)(const real*, const Index*, const Segments&, const real*, Index,
                              const TileStore&);

template <int NV>
TileFunction tile_function(int pixels) {
  if (pixels <= 1) return tile<1, NV>;
  if (pixels <= 2) return tile<2, NV>;
  if (pixels <= 4) return tile<4, NV>;
  if (kTile == 6) return tile<6, NV>;
  if (pixels <= 6) return tile<6, NV>;
  if (pixels <= 8) return tile<8, NV>;
  if (pixels <= 10) return tile<10, NV>;
  if (pixels <= 12) return tile<12, NV>;
  return tile<kTile, NV>;
}

struct Weights {
  const real* w;
  Index kernel_h, kernel_w;
  Index channels, filters, group_filters;  // of w: (taps, channels, filters)
  bool transposed;                         // contract over filters
};

// First real of tap (d, h, w) of a pass and output channel j of group g.
PYSEQ_INLINE const real* weights_at(const Pass& p, const Weights& w, Index tap, Index g, Index j) {
  const Index tw = tap % p.a[2].taps, th = tap / p.a[2].taps % p.a[1].taps;
  const Index td = tap / p.a[2].taps / p.a[1].taps;
  const auto index = [&](int i, Index t) { return p.a[i].w_first + t * p.a[i].w_step; };
  const Index t = (index(0, td) * w.kernel_h + index(1, th)) * w.kernel_w + index(2, tw);
  const real* at = w.w + t * w.channels * w.filters + g * w.group_filters;
  return w.transposed ? at + j * w.filters : at + j;
}

Index packed_columns(Index fg) { return round_to(fg, kLanes); }

// Panels of kPanel (the last: of kLanes or kPanel) output channels, each (taps, cg, panel).
void pack_weights(Pool* pool, const Pass& p, const Weights& w, real* packed) {
  const Index taps = p.a[0].taps * p.a[1].taps * p.a[2].taps;
  const Index columns = packed_columns(p.fg), panels = pieces(columns, kPanel);
  const Index depth = taps * p.cg;
  const Index grain = most(1, 16384 / (p.cg * kPanel));
  parallel_for(pool, p.groups * panels * taps, grain, [&](Index begin, Index end, int) {
    for (Index item = begin; item < end; ++item) {
      const Index tap = item % taps, panel = item / taps % panels, g = item / taps / panels;
      const Index j0 = panel * kPanel, width = least(kPanel, columns - j0);
      const Index valid = least(width, p.fg - j0);
      real* to = packed + g * columns * depth + j0 * depth + tap * p.cg * width;
      const real* from = weights_at(p, w, tap, g, j0);
      if (w.transposed) {
        for (Index j = 0; j < width; ++j)
          for (Index c = 0; c < p.cg; ++c)
            to[c * width + j] = j < valid ? from[j * w.filters + c] : 0;
      } else {
        for (Index c = 0; c < p.cg; ++c)
          for (Index j = 0; j < width; ++j)
            to[c * width + j] = j < valid ? from[c * w.filters + j] : 0;
      }
    }
  });
}

// (groups, fg, taps, cg): what narrow_tiles reads.
void pack_narrow(const Pass& p, const Weights& w, real* packed) {
  const Index taps = p.a[0].taps * p.a[1].taps * p.a[2].taps;
  const Index step = w.transposed ? 1 : w.filters;
  for (Index g = 0; g < p.groups; ++g)
    for (Index j = 0; j < p.fg; ++j)
      for (Index tap = 0; tap < taps; ++tap) {
        const real* from = weights_at(p, w, tap, g, j);
        for (Index c = 0; c < p.cg; ++c) *packed++ = from[c * step];
      }
}

struct PassRun {
  const Pass& p;
  const ConvSource& src;
  const ConvTarget& out;
  const real* b;
  Index b_row;  // 0: packed
  bool narrow;
  const Segments& all;
  bool relu;
};

struct Panel {
  Index channel, valid, width, in_channel;
  const real* weights;
  real bias[kPanel];
};

Index panel_unit(const PassRun& r) { return r.narrow ? kNarrowFilters : kPanel; }

void set_panel(const PassRun& r, Index item, Panel& panel) {
  const Pass& p = r.p;
  const Index columns = r.narrow ? p.fg : packed_columns(p.fg);
  const Index unit = panel_unit(r), panels = pieces(columns, unit);
  const Index g = item / panels, j0 = item % panels * unit;
  panel.width = least(unit, columns - j0);
  panel.valid = least(panel.width, p.fg - j0);
  panel.channel = g * p.fg + j0;
  panel.in_channel = g * p.cg;
  panel.weights = r.b_row ? r.b + panel.channel : r.b + (g * columns + j0) * p.depth();
  for (Index j = 0; j < kPanel; ++j)
    panel.bias[j] = r.out.bias && j < panel.valid ? r.out.bias[panel.channel + j] : 0;
}

void run_class(const PassRun& r, const BoxPixels& b, const PixelClass& c, const Segments& segments,
               const Panel& panel, const real* x, real* y) {
  if (r.narrow) {
    narrow_tiles(x + panel.in_channel, b.x + c.begin, c.end - c.begin, segments, panel.weights,
                 r.p.depth(), static_cast<int>(panel.valid),
                 {y + panel.channel, b.y + c.begin, panel.bias, r.relu});
    return;
  }
  const Index count = c.end - c.begin, tiles = pieces(count, kTile);
  for (Index t = 0; t < tiles; ++t) {
    const Index from = c.begin + count * t / tiles, to = c.begin + count * (t + 1) / tiles;
    const int pixels = static_cast<int>(to - from);
    const TileStore out{y + panel.channel, b.y + from, pixels, static_cast<int>(panel.valid),
                        panel.bias,        r.relu};
    (panel.width > kLanes ? tile_function<kTileVectors>(pixels) : tile_function<1>(pixels))(
        x + panel.in_channel, b.x + from, segments, panel.weights, r.b_row ? r.b_row : panel.width,
        out);
  }
}

void apply_activation(const PassRun& r, const BoxPixels& b, Index low, Index high, const real* y) {
  const Pass& p = r.p;
  const auto apply = [&](Index at, Index count) {
    activation_forward(*r.out.act, y + at, r.out.y + at, count);
  };
  if (low > 0 || high < p.out_c || p.a[2].out_step != 1) {
    for (Index k = 0; k < b.pixels; ++k) apply(b.y[k] + low, high - low);
    return;
  }
  // Whole rows, whatever the order of their pixels.
  const auto place = [&](int i, Index o) {
    return p.a[i].out_first + (b.begin[i + 1] + o) * p.a[i].out_step;
  };
  for (Index n = 0; n < b.size[0]; ++n)
    for (Index d = 0; d < b.size[1]; ++d)
      for (Index h = 0; h < b.size[2]; ++h) {
        const Index line = ((b.begin[0] + n) * p.a[0].out_size + place(0, d)) * p.a[1].out_size;
        const Index pixel = (line + place(1, h)) * p.a[2].out_size + place(2, 0);
        apply(pixel * p.out_c, b.size[3] * p.out_c);
      }
}

constexpr Index kClassSegments = 64;  // above, pixels are not sorted into classes

// Panels [first, last) of all groups over one box.
void run_box(const PassRun& r, Index box, Index first, Index last, real* buffer) {
  const Pass& p = r.p;
  BoxPixels b;
  box_pixels(p, box, p.segments <= kClassSegments, b);
  const real* x = load_box(p, r.src, b, buffer);
  real* y = r.out.z ? r.out.z : r.out.y;
  Panel panel;
  Index low = 0;
  for (Index item = first; item < last; ++item) {
    set_panel(r, item, panel);
    if (item == first) low = panel.channel;
    if (b.classes == 1) {
      run_class(r, b, b.of_class[0], r.all, panel, x, y);
      continue;
    }
    for (int i = 0; i < b.classes; ++i) {
      const PixelClass& c = b.of_class[i];
      Index at[kClassSegments], row[kClassSegments];
      const Index count = pass_segments(p, c.first, c.last, at, row);
      const Index taps = p.merged ? c.last[2] - c.first[2] : 1;
      run_class(r, b, c, {count, taps * p.cg, at, row}, panel, x, y);
    }
  }
  if (r.out.act && !r.relu) apply_activation(r, b, low, panel.channel + panel.valid, y);
}

bool plain_relu(const ConvTarget& out) {
  return out.act && !out.z && out.act->kind == kRelu && out.act->a == 0 && out.act->c == 0 &&
         out.act->b > static_cast<real>(1e38);
}

Index segment_reals(Index taps) {
  return round_to(2 * taps * static_cast<Index>(sizeof(Index) / sizeof(real)), kLanes);
}

// Sizes of the packed weights of a pass do not depend on the number of rows.
Index packed_reals(const Pass& p) {
  return round_to(p.a[0].taps * p.a[1].taps * p.a[2].taps * p.cg * p.groups * packed_columns(p.fg),
                  kLanes);
}

bool is_narrow(const Pass& p) { return narrow_pass(p.length, p.fg); }

// Multiplies what pack_weights or pack_narrow wrote for each output channel.
void scale_packed(const Pass& p, const real* scale, real* packed) {
  const Index columns = packed_columns(p.fg), depth = p.depth();
  for (Index g = 0; g < p.groups; ++g)
    for (Index j = 0; j < p.fg; ++j) {
      const real s = scale[g * p.fg + j];
      if (is_narrow(p)) {
        real* at = packed + (g * p.fg + j) * depth;
        for (Index k = 0; k < depth; ++k) at[k] *= s;
        continue;
      }
      const Index panel = j / kPanel * kPanel, width = least(kPanel, columns - panel);
      real* at = packed + (g * columns + panel) * depth + j - panel;
      for (Index k = 0; k < depth; ++k) at[k * width] *= s;
    }
}

void pack_pass(Pool* pool, Pass p, const Weights& w, const real* scale, real* packed) {
  plan_pass(p, false);
  if (is_narrow(p)) pack_narrow(p, w, packed);
  else pack_weights(pool, p, w, packed);
  if (scale) scale_packed(p, scale, packed);
}

// Boxes of a small output are made smaller, so that several workers find some. By shape and rows
// alone: which taps of a border are skipped depends on the box.
void divide_boxes(Pass& p, Index panels) {
  // Few pieces, and more where they are still long: workers end at nearly the same time then.
  constexpr Index kPieces = 8, kMorePieces = 24, kLong = 1 << 18;
  for (;;) {
    Index pixels = 1;
    for (int k = 0; k < 4; ++k) pixels *= p.box[k];
    const bool is_long = pixels * p.depth() * kPanel >= kLong;
    if (p.boxes() * panels >= (is_long ? kMorePieces : kPieces)) return;
    // The outermost axis that can still be halved.
    const Index out[4] = {p.n, p.a[0].out, p.a[1].out, p.a[2].out};
    int i = 0;
    while (i < 4 && (p.box[i] == 1 || (i == 3 && p.box[3] < 2 * kMaxTilePixels))) ++i;
    if (i == 4 || pixels < 4 * kMaxTilePixels) return;
    p.box[i] = pieces(p.box[i], 2);
    if (i == 3) p.box[i] = round_to(p.box[i], kTile);
    p.count[i] = pieces(out[i], p.box[i]);
  }
}

void run_pass(Pass& p, const ConvSource& src, const Weights& w, const ConvTarget& target,
              const ConvWork& work, const real* kept = nullptr) {
  plan_pass(p, src.act != nullptr);
  if (kept) divide_boxes(p, p.groups * pieces(p.fg, is_narrow(p) ? kNarrowFilters : kPanel));
  const Index taps = p.a[0].taps * p.a[1].taps * p.a[2].taps;
  const Index none[3] = {}, every[3] = {p.a[0].taps, p.a[1].taps, p.a[2].taps};
  Index* offsets = reinterpret_cast<Index*>(work.fixed);
  const Index count = pass_segments(p, none, every, offsets, offsets + taps);
  const Segments all{count, p.length, offsets, offsets + taps};
  const Index pixels = p.n * p.a[0].out * p.a[1].out * p.a[2].out;
  ConvTarget out = target;
  if (out.act && out.act->kind == kLinear) out.act = nullptr;
  if (!out.act) out.z = nullptr;
  PassRun r{p, src, out, nullptr, 0, is_narrow(p), all, plain_relu(out)};
  real* packed = work.fixed + segment_reals(taps);
  // Packing costs as much as a few tiles of pixels.
  if (kept) {
    r.b = kept;
  } else if (r.narrow) {
    pack_narrow(p, w, packed);
    r.b = packed;
  } else if (!w.transposed && pixels <= 2 * kTile && p.fg % kLanes == 0) {
    r.b = w.w;
    r.b_row = w.filters;
  } else {
    pack_weights(work.pool, p, w, packed);
    r.b = packed;
  }
  const Index boxes = p.boxes(), panels = p.groups * pieces(p.fg, panel_unit(r));
  const Index wanted = work.pool ? 8 * pool_workers(work.pool) : 1;
  const Index splits = boxes >= wanted ? 1 : least(panels, pieces(wanted, most(boxes, 1)));
  parallel_for(work.pool, boxes * splits, 1, [&](Index begin, Index end, int worker) {
    for (Index item = begin; item < end; ++item) {
      const Index box = item / splits, s = item % splits;
      run_box(r, box, panels * s / splits, panels * (s + 1) / splits,
              work.worker + worker * work.worker_stride);
    }
  });
}

Weights weights_of(const ConvShape& s, const real* w, bool transposed) {
  return {w,         s.axis[1].kernel,     s.axis[2].kernel, s.channels / s.groups,
          s.filters, s.filters / s.groups, transposed};
}

Pass gradient_pass(const ConvShape& s, Index n, Index pd, Index ph, Index pw) {
  Pass p{};
  p.n = n;
  p.in_c = s.filters;
  p.out_c = s.channels;
  p.groups = s.groups;
  p.cg = s.filters / s.groups;
  p.fg = s.channels / s.groups;
  const Index phase[3] = {pd, ph, pw};
  for (int i = 0; i < 3; ++i) p.a[i] = gradient_axis(s.axis[i], phase[i]);
  return p;
}

bool is_pointwise(const ConvShape& s) {
  bool pointwise = true;
  for (const ConvAxis& c : s.axis)
    pointwise &= c.kernel == 1 && c.stride == 1 && c.pad == 0 && c.in == c.out;
  return pointwise;
}

// Box copies: n only adds whole samples, which must fit the budget.
Index copy_bound(Pass p) {
  plan_pass(p, true);
  return most(most(kBoxReals, p.copy_reals()), kMaxTilePixels * (p.in_c + p.skew));
}

}  // namespace

ConvScratch conv_forward_scratch(const ConvShape& s, bool packed) {
  const Index weights = packed ? 0 : s.depth() * packed_columns(s.filters / s.groups) * s.groups;
  ConvScratch scratch = winograd_scratch(s, ConvPass::forward);
  if (packed) scratch.fixed = 0;
  scratch.cover({segment_reals(s.taps()) + weights, copy_bound(forward_pass(s, 1))});
  return scratch;
}

ConvScratch conv_data_gradient_scratch(const ConvShape& s, bool packed) {
  const Index depth = s.taps() * (s.filters / s.groups);
  const Index weights =
      packed ? 0 : depth * packed_columns(s.channels / s.groups) * s.groups;
  Index copies = 0;
  const auto phases = [&](int i) { return least(s.axis[i].stride, s.axis[i].in); };
  for (Index d = 0; d < phases(0); ++d)
    for (Index h = 0; h < phases(1); ++h)
      for (Index w = 0; w < phases(2); ++w)
        copies = most(copies, copy_bound(gradient_pass(s, 1, d, h, w)));
  ConvScratch scratch = winograd_scratch(s, ConvPass::data_gradient);
  if (packed) scratch.fixed = 0;
  scratch.cover({segment_reals(s.taps()) + weights, copies});
  return scratch;
}

namespace {

// f(pass) for each pass whose outputs make up the gradient of the data.
template <class F>
PYSEQ_INLINE void gradient_passes(const ConvShape& s, Index n, F&& f) {
  if (is_pointwise(s)) {
    ConvShape transposed = s;
    transposed.channels = s.filters;
    transposed.filters = s.channels;
    Pass p = forward_pass(transposed, n);
    return f(p);
  }
  for (Index d = 0; d < least(s.axis[0].stride, s.axis[0].in); ++d)
    for (Index h = 0; h < least(s.axis[1].stride, s.axis[1].in); ++h)
      for (Index k = 0; k < least(s.axis[2].stride, s.axis[2].in); ++k) {
        Pass p = gradient_pass(s, n, d, h, k);
        f(p);
      }
}

template <class F>
PYSEQ_INLINE void passes(const ConvShape& s, Index n, bool gradient, F&& f) {
  if (gradient) return gradient_passes(s, n, f);
  Pass p = forward_pass(s, n);
  f(p);
}

ConvPass kind_of(bool gradient) {
  return gradient ? ConvPass::data_gradient : ConvPass::forward;
}

// Packed weights: the tile of Winograd's algorithm; the weights of each pass, unless no number of
// rows needs them; the transformed weights.
constexpr Index kHeader = 64 / static_cast<Index>(sizeof(real));

Index direct_reals(const ConvShape& s, bool gradient) {
  if (winograd_always(s, kind_of(gradient))) return 0;
  Index size = 0;
  passes(s, 1, gradient, [&](Pass& p) { size += packed_reals(p); });
  return size;
}

int tile_now(const ConvShape& s, bool gradient, int planned) {
  return static_cast<int>(least(winograd_tile(s, kind_of(gradient)), planned));
}

}  // namespace

ConvPacking conv_packing(const ConvShape& s, bool gradient) {
  const ConvPass kind = kind_of(gradient);
  const int tile = winograd_tile(s, kind);
  return {kHeader + direct_reals(s, gradient) + winograd_packed_size(s, kind, tile), tile};
}

void conv_pack(Pool* pool, const ConvShape& s, bool gradient, int tile, const real* w,
               const real* scale, real* packed) {
  const ConvPass kind = kind_of(gradient);
  const int now = tile_now(s, gradient, tile);
  packed[0] = static_cast<real>(now);
  real* to = packed + kHeader;
  const Weights weights = weights_of(s, w, gradient);
  if (!winograd_always(s, kind))
    passes(s, 1, gradient, [&](Pass& p) {
      pack_pass(pool, p, weights, scale, to);
      to += packed_reals(p);
    });
  if (now) winograd_pack(pool, s, kind, now, w, scale, to);
}

bool conv_pack_stale(const ConvShape& s, bool gradient, int tile, const real* packed) {
  return packed[0] != static_cast<real>(tile_now(s, gradient, tile));
}

void conv_forward(const ConvShape& s, Index n, const ConvSource& x, const real* w,
                  const ConvTarget& y, const ConvWork& work, const real* packed) {
  const int tile = packed ? static_cast<int>(packed[0]) : 0;
  if (packed ? winograd_packed_wanted(s, n, ConvPass::forward, tile)
             : winograd_wanted(s, n, ConvPass::forward)) {
    const real* u = packed ? packed + kHeader + direct_reals(s, false) : nullptr;
    return winograd_forward(s, n, x, w, y, work, tile, u);
  }
  Pass p = forward_pass(s, n);
  run_pass(p, x, weights_of(s, w, false), y, work, packed ? packed + kHeader : nullptr);
}

void conv_data_gradient(const ConvShape& s, Index n, const ConvSource& y, const real* w,
                        const ConvTarget& x, const ConvWork& work, const real* packed) {
  const int tile = packed ? static_cast<int>(packed[0]) : 0;
  if (packed ? winograd_packed_wanted(s, n, ConvPass::data_gradient, tile)
             : winograd_wanted(s, n, ConvPass::data_gradient)) {
    const real* u = packed ? packed + kHeader + direct_reals(s, true) : nullptr;
    return winograd_data_gradient(s, n, y, w, x, work, tile, u);
  }
  const Weights weights = weights_of(s, w, true);
  const real* kept = packed ? packed + kHeader : nullptr;
  gradient_passes(s, n, [&](Pass& p) {
    run_pass(p, y, weights, x, work, kept);
    if (kept) kept += packed_reals(p);
  });
}

}  // namespace pyseq::PYSEQ_NS
