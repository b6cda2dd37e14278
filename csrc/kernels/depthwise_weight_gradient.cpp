#include "kernels/depthwise_detail.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr int kTaps = 9;                  // taps of a register tile
constexpr Index kChunks = 32;             // partial sums
constexpr Index kBlockReals = 32 * 1024;  // inputs that a block of rows reads

// A block of output rows that see the same taps along D and H, one vector of channels.
struct Block {
  const real* x;  // tap (0, 0, 0) of the first output
  const real* y;
  Index x_row, y_row, x_step, y_step;  // between rows, between outputs of a row
  Index rows;
};

// dw[t] += sum over rows and `pixels` outputs of x[.. + offset[t]] y[..].
template <int T, bool Partial>
void gradient_tile(const Block& b, Index first, Index pixels, const Index* offset, int lanes,
                   real* const* dw) {
  V acc[T];
  Index o[T];
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) {
    acc[t] = get<Partial>(dw[t], lanes);
    o[t] = offset[t];
  }
  for (Index r = 0; r < b.rows; ++r) {
    const real* x = b.x + r * b.x_row + first * b.x_step;
    const real* y = b.y + r * b.y_row + first * b.y_step;
    for (Index p = 0; p < pixels; ++p) {
      const V yv = get<Partial>(y, lanes);
#pragma GCC unroll 16
      for (int t = 0; t < T; ++t) acc[t] += get<Partial>(x + o[t], lanes) * yv;
      x += b.x_step;
      y += b.y_step;
    }
  }
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) {
    if (Partial) store_partial(dw[t], acc[t], lanes);
    else store(dw[t], acc[t]);
  }
}

// As gradient_tile for R rows of three neighbouring taps at stride S: each input is loaded once for
// the outputs that share it. dw[r] is the first of
// the three.
template <int R, int S>
void gradient_tile3(const Block& b, Index first, Index pixels, const Index* offset, Index channels,
                    real* const* dw) {
  constexpr int P = 4;
  V acc[R][3];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int k = 0; k < 3; ++k) acc[r][k] = load(dw[r] + k * channels);
  for (Index i = 0; i < b.rows; ++i) {
    const real* x = b.x + i * b.x_row + first * b.x_step;
    const real* y = b.y + i * b.y_row + first * b.y_step;
    Index p = 0;
    for (; p + P <= pixels; p += P) {
      V g[P];
#pragma GCC unroll 8
      for (int q = 0; q < P; ++q) g[q] = load(y + q * b.y_step);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        V in[(P - 1) * S + 3];
#pragma GCC unroll 16
        for (int q = 0; q < (P - 1) * S + 3; ++q) in[q] = load(x + offset[r] + q * channels);
#pragma GCC unroll 8
        for (int q = 0; q < P; ++q)
#pragma GCC unroll 4
          for (int k = 0; k < 3; ++k) acc[r][k] += in[q * S + k] * g[q];
      }
      x += P * b.x_step;
      y += P * b.y_step;
    }
    for (; p < pixels; ++p) {
      const V g = load(y);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int k = 0; k < 3; ++k) acc[r][k] += load(x + offset[r] + k * channels) * g;
      x += b.x_step;
      y += b.y_step;
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int k = 0; k < 3; ++k) store(dw[r] + k * channels, acc[r][k]);
}

template <bool Partial>
void gradient_taps(const Block& b, Index first, Index pixels, int count, const Index* offset,
                   int lanes, real* const* dw) {
  int i = 0;
  for (; i + kTaps <= count; i += kTaps)
    gradient_tile<kTaps, Partial>(b, first, pixels, offset + i, lanes, dw + i);
  for (; i + 6 <= count; i += 6)
    gradient_tile<6, Partial>(b, first, pixels, offset + i, lanes, dw + i);
  for (; i + 4 <= count; i += 4)
    gradient_tile<4, Partial>(b, first, pixels, offset + i, lanes, dw + i);
  for (; i < count; ++i) gradient_tile<1, Partial>(b, first, pixels, offset + i, lanes, dw + i);
}

struct Geometry {
  PassAxis a[3];
  Index channels, row, plane, image;
  Range whole;
};

// The outputs that see all taps along W, where those are three neighbours.
template <int S>
void gradient_inside3(const Geometry& g, const Block& b, Range d, Range h, real* dw) {
  Index offset[3];
  real* at[3];
  int count = 0;
  const Index pixels = g.whole.end - g.whole.begin;
  const auto run = [&] {
    const auto f = count == 3   ? gradient_tile3<3, S>
                   : count == 2 ? gradient_tile3<2, S>
                                : gradient_tile3<1, S>;
    if (count) f(b, g.whole.begin, pixels, offset, g.channels, at);
    count = 0;
  };
  for (Index td = d.begin; td < d.end; ++td)
    for (Index th = h.begin; th < h.end; ++th) {
      offset[count] = td * g.a[0].step * g.plane + th * g.a[1].step * g.row;
      at[count++] = dw + (td * g.a[1].taps + th) * 3 * g.channels;
      if (count == 3) run();
    }
  run();
}

// All taps of one vector of channels over a block; `d`, `h`: the taps that the rows see.
template <bool Partial>
void gradient_block(const Geometry& g, const Block& b, Range d, Range h, int lanes, real* dw) {
  constexpr int kMost = 36;
  Index offset[kMost];
  real* at[kMost];
  const PassAxis& w = g.a[2];
  // Outputs [first, first + pixels) see taps `tw` along W.
  const auto run = [&](Index first, Index pixels, Range tw) {
    int count = 0;
    for (Index td = d.begin; td < d.end; ++td)
      for (Index th = h.begin; th < h.end; ++th)
        for (Index k = tw.begin; k < tw.end; ++k) {
          offset[count] =
              td * g.a[0].step * g.plane + th * g.a[1].step * g.row + k * w.step * g.channels;
          at[count++] = dw + ((td * g.a[1].taps + th) * w.taps + k) * g.channels;
          if (count == kMost) {
            gradient_taps<Partial>(b, first, pixels, count, offset, lanes, at);
            count = 0;
          }
        }
    gradient_taps<Partial>(b, first, pixels, count, offset, lanes, at);
  };
  for (Index o = 0; o < g.whole.begin; ++o) run(o, 1, valid_taps(w, o));
  if (g.whole.end > g.whole.begin) {
    if (!Partial && three_neighbours(w))
      (w.stride == 1 ? gradient_inside3<1> : gradient_inside3<2>)(g, b, d, h, dw);
    else run(g.whole.begin, g.whole.end - g.whole.begin, {0, w.taps});
  }
  for (Index o = most(g.whole.end, g.whole.begin); o < w.out; ++o) run(o, 1, valid_taps(w, o));
}

// Output rows [from, to) of all samples, cut where the taps along D and H change.
void gradient_rows(const Geometry& g, const real* x, const real* dy, Index from, Index to,
                   real* dw) {
  const PassAxis &ad = g.a[0], &ah = g.a[1], &aw = g.a[2];
  const Index c = g.channels, y_row = aw.out * c;
  const Index limit = most(1, kBlockReals / (g.row * ah.stride));
  Index r = from;
  while (r < to) {
    const Index h = r % ah.out, d = r / ah.out % ad.out, n = r / ah.out / ad.out;
    const Range td = valid_taps(ad, d), th = valid_taps(ah, h);
    Index rows = 1;
    while (rows < limit && r + rows < to && h + rows < ah.out) {
      const Range next = valid_taps(ah, h + rows);
      if (next.begin != th.begin || next.end != th.end) break;
      ++rows;
    }
    Block b{x + n * g.image + (d * ad.stride + ad.first) * g.plane +
                (h * ah.stride + ah.first) * g.row + aw.first * c,
            dy + r * y_row,
            ah.stride * g.row,
            y_row,
            aw.stride * c,
            c,
            rows};
    Index k = 0;
    for (; k + kLanes <= c; k += kLanes) {
      gradient_block<false>(g, b, td, th, kLanes, dw + k);
      b.x += kLanes;
      b.y += kLanes;
    }
    if (k < c) gradient_block<true>(g, b, td, th, static_cast<int>(c - k), dw + k);
    r += rows;
  }
}

}  // namespace

Index depthwise_weight_gradient_scratch(const ConvShape& s) {
  return kChunks * s.taps() * s.channels;
}

void depthwise_weight_gradient(const ConvShape& s, Index n, const real* x, const real* dy, real* dw,
                               real* scratch, Pool* pool) {
  Geometry g;
  for (int i = 0; i < 3; ++i) g.a[i] = forward_axis(s.axis[i]);
  g.channels = s.channels;
  g.row = g.a[2].in * g.channels;
  g.plane = g.a[1].in * g.row;
  g.image = g.a[0].in * g.plane;
  g.whole = whole_outputs(g.a[2]);
  const Index size = s.taps() * g.channels;
  const Index rows = n * g.a[0].out * g.a[1].out, chunks = most(1, least(kChunks, rows));
  parallel_for(pool, chunks, 1, [&](Index begin, Index end, int) {
    for (Index chunk = begin; chunk < end; ++chunk) {
      real* to = scratch + chunk * size;
      for (Index i = 0; i < size; ++i) to[i] = 0;
      gradient_rows(g, x, dy, rows * chunk / chunks, rows * (chunk + 1) / chunks, to);
    }
  });
  parallel_for(pool, size, 4096, [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      real sum = scratch[i];
      for (Index k = 1; k < chunks; ++k) sum += scratch[k * size + i];
      dw[i] = sum;
    }
  });
}

}  // namespace pyseq::PYSEQ_NS
