// A pass of a convolution, box by box: register tiles over panels of weights, bias and activation.
#include "kernels/conv_direct.h"

#include "kernels/conv_narrow.h"

namespace pyseq::PYSEQ_NS {
namespace {

// Register tile: pixels x vectors of output channels, chosen to fill the register file. Six sums
// alone would wait for each other.
constexpr int kTile = kVectorBytes == 64 ? 14 : 6;
constexpr int kTileVectors = 2;
constexpr int tile_pixels(int vectors) { return vectors == 1 && kTile == 6 ? 8 : kTile; }
constexpr int kPanel = kTileVectors * kLanes;
static_assert(tile_pixels(1) <= kMaxTilePixels);

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
  if (pixels <= 6 || tile_pixels(NV) == 6) return tile<6, NV>;
  if (pixels <= 8 || tile_pixels(NV) == 8) return tile<8, NV>;
  if (pixels <= 10) return tile<10, NV>;
  if (pixels <= 12) return tile<12, NV>;
  return tile<kTile, NV>;
}

// First real of tap (d, h, w) of a pass and output channel j of group g.
PYSEQ_INLINE const real* weights_at(const Pass& p, const PassWeights& w, Index tap, Index g,
                                    Index j) {
  const Index tw = tap % p.a[2].taps, th = tap / p.a[2].taps % p.a[1].taps;
  const Index td = tap / p.a[2].taps / p.a[1].taps;
  const auto index = [&](int i, Index t) { return p.a[i].w_first + t * p.a[i].w_step; };
  const Index t = (index(0, td) * w.kernel_h + index(1, th)) * w.kernel_w + index(2, tw);
  const real* at = w.w + t * w.channels * w.filters + g * w.group_filters;
  return w.transposed ? at + j * w.filters : at + j;
}

// Panels of kPanel (the last: of kLanes or kPanel) output channels, each (taps, cg, panel).
void pack_weights(Pool* pool, const Pass& p, const PassWeights& w, real* packed) {
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
void pack_narrow(const Pass& p, const PassWeights& w, real* packed) {
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
  const bool wide = panel.width > kLanes;
  const Index count = c.end - c.begin;
  const Index tiles = pieces(count, wide ? tile_pixels(kTileVectors) : tile_pixels(1));
  for (Index t = 0; t < tiles; ++t) {
    const Index from = c.begin + count * t / tiles, to = c.begin + count * (t + 1) / tiles;
    const int pixels = static_cast<int>(to - from);
    const TileStore out{y + panel.channel, b.y + from, pixels, static_cast<int>(panel.valid),
                        panel.bias,        r.relu};
    (wide ? tile_function<kTileVectors>(pixels) : tile_function<1>(pixels))(
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

}  // namespace

void pack_pass(Pool* pool, Pass p, const PassWeights& w, const real* scale, real* packed) {
  plan_pass(p, false);
  if (is_narrow(p)) pack_narrow(p, w, packed);
  else pack_weights(pool, p, w, packed);
  if (scale) scale_packed(p, scale, packed);
}

void run_pass(Pass& p, const ConvSource& src, const PassWeights& w, const ConvTarget& target,
              const ConvWork& work, const real* kept) {
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

}  // namespace pyseq::PYSEQ_NS
