#include "kernels/depthwise.h"

#include "kernels/conv_pass.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr int kPixels = 6;     // pixels of a register tile
constexpr int kPixels3 = 4;    // with three neighbouring taps
constexpr int kTaps = 9;       // taps of a weight gradient tile
constexpr Index kChunks = 32;  // partial sums of the weight gradient
constexpr Index kBlockReals = 32 * 1024;  // inputs that a block of rows reads

struct Range {
  Index begin, end;
};

Index ceil_div(Index a, Index b) { return a > 0 ? (a + b - 1) / b : -(-a / b); }

// Taps of axis `a` that fall inside the input for output o.
Range valid_taps(const PassAxis& a, Index o) {
  const Index at = o * a.stride + a.first;
  Range r{most(0, ceil_div(-at, a.step)), least(a.taps, ceil_div(a.in - at, a.step))};
  if (r.end < r.begin) r.end = r.begin;
  return r;
}

// Outputs of axis `a` for which every tap falls inside the input.
Range whole_outputs(const PassAxis& a) {
  const Index span = (a.taps - 1) * a.step;
  Range r{most(0, ceil_div(-a.first, a.stride)),
          least(a.out, ceil_div(a.in - a.first - span, a.stride))};
  if (a.taps == 0 || r.end < r.begin) r = {0, 0};
  return r;
}

// One row of outputs that share their taps along D and H.
struct Row {
  const PassAxis* a[3];
  Range d, h;
  Index channels, row, plane;  // strides of the input
  Index kernel_h, kernel_w;
  const real* x;  // where tap (0, 0, 0) of output 0 reads
  const real* w;
  const real* bias;
  bool relu;
  real* y;
  Index y_step;

  const real* weights(Index td, Index th, Index tw) const {
    const auto tap = [&](int i, Index t) { return a[i]->w_first + t * a[i]->w_step; };
    return w + ((tap(0, td) * kernel_h + tap(1, th)) * kernel_w + tap(2, tw)) * channels;
  }
};

template <bool Partial>
PYSEQ_INLINE V get(const real* p, int lanes) {
  return Partial ? load_partial(p, lanes) : load(p);
}

template <int P, bool Partial>
PYSEQ_INLINE void finish(const Row& r, V* acc, real* y, int lanes) {
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) {
    if (r.relu) acc[p] = max_v(V{}, acc[p]);
    if (Partial)
      store_partial(y + p * r.y_step, acc[p], lanes);
    else
      store(y + p * r.y_step, acc[p]);
  }
}

// Outputs [o, o + P), taps tw along W, channels [c, c + lanes).
template <int P, bool Partial>
PYSEQ_INLINE void tile(const Row& r, Index o, Range tw, Index c, int lanes) {
  const V bias = r.bias ? get<Partial>(r.bias + c, lanes) : V{};
  V acc[P];
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) acc[p] = bias;
  const PassAxis& a = *r.a[2];
  const Index step = a.stride * r.channels;
  const Index w_step = a.w_step * r.channels, x_step = a.step * r.channels;
  for (Index d = r.d.begin; d < r.d.end; ++d)
    for (Index h = r.h.begin; h < r.h.end; ++h) {
      const real* w = r.weights(d, h, tw.begin) + c;
      const real* x = r.x + d * r.a[0]->step * r.plane + h * r.a[1]->step * r.row +
                      tw.begin * x_step + o * step + c;
      for (Index k = tw.begin; k < tw.end; ++k) {
        const V wv = get<Partial>(w, lanes);
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) acc[p] += get<Partial>(x + p * step, lanes) * wv;
        w += w_step;
        x += x_step;
      }
    }
  finish<P, Partial>(r, acc, r.y + o * r.y_step + c, lanes);
}

// Three neighbouring taps along W at stride S: each input is loaded once for all outputs.
template <int P, int S>
PYSEQ_INLINE void tile3(const Row& r, Index o, Index c) {
  constexpr int kInputs = (P - 1) * S + 3;
  const V bias = r.bias ? load(r.bias + c) : V{};
  V acc[P];
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) acc[p] = bias;
  const Index w_step = r.a[2]->w_step * r.channels;
  for (Index d = r.d.begin; d < r.d.end; ++d)
    for (Index h = r.h.begin; h < r.h.end; ++h) {
      const real* w = r.weights(d, h, 0) + c;
      const real* x = r.x + d * r.a[0]->step * r.plane + h * r.a[1]->step * r.row +
                      o * S * r.channels + c;
      V in[kInputs];
#pragma GCC unroll 16
      for (int i = 0; i < kInputs; ++i) in[i] = load(x + i * r.channels);
#pragma GCC unroll 4
      for (int k = 0; k < 3; ++k) {
        const V wv = load(w + k * w_step);
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) acc[p] += in[p * S + k] * wv;
      }
    }
  finish<P, false>(r, acc, r.y + o * r.y_step + c, kLanes);
}

bool three_neighbours(const PassAxis& a) {
  return a.taps == 3 && a.step == 1 && a.stride <= 2;
}

template <int P>
void pixels(const Row& r, Index o, Range tw) {
  Index c = 0;
  if (P == kPixels3 && r.a[2]->stride == 1)
    for (; c + kLanes <= r.channels; c += kLanes) tile3<kPixels3, 1>(r, o, c);
  else if (P == kPixels3)
    for (; c + kLanes <= r.channels; c += kLanes) tile3<kPixels3, 2>(r, o, c);
  else
    for (; c + kLanes <= r.channels; c += kLanes) tile<P, false>(r, o, tw, c, kLanes);
  if (c < r.channels) tile<P, true>(r, o, tw, c, static_cast<int>(r.channels - c));
}

void run_row(const Row& r) {
  const PassAxis& w = *r.a[2];
  const Range whole = whole_outputs(w), all{0, w.taps};
  Index o = 0;
  for (; o < whole.begin; ++o) pixels<1>(r, o, valid_taps(w, o));
  if (three_neighbours(w))
    for (; o + kPixels3 <= whole.end; o += kPixels3) pixels<kPixels3>(r, o, all);
  else
    for (; o + kPixels <= whole.end; o += kPixels) pixels<kPixels>(r, o, all);
  for (; o + 2 <= whole.end; o += 2) pixels<2>(r, o, all);
  for (; o < w.out; ++o) pixels<1>(r, o, valid_taps(w, o));
}

PassAxis forward_axis(const ConvAxis& c) {
  return {c.in, c.out, c.stride, c.kernel, -c.pad, c.dilation, 0, 1, 0, 1, c.out};
}

PassAxis axis_of(const ConvAxis& c, bool gradient, Index phase) {
  return gradient ? gradient_axis(c, phase) : forward_axis(c);
}

bool plain_relu(const Activation& act) {
  return act.kind == kRelu && act.a == 0 && act.c == 0 && act.b > static_cast<real>(1e38);
}

// Rows of the output are independent; in a gradient those of one phase of the stride share taps.
void run(const ConvShape& s, bool gradient, Index n, const real* x, const real* w,
         const ConvTarget& out, Pool* pool) {
  const Index c = s.channels;
  Index size[3], in[3], period[3];
  for (int i = 0; i < 3; ++i) {
    size[i] = gradient ? s.axis[i].in : s.axis[i].out;
    in[i] = gradient ? s.axis[i].out : s.axis[i].in;
    period[i] = gradient ? s.axis[i].stride : 1;
  }
  const Index row = in[2] * c, plane = in[1] * row, image = in[0] * plane;
  const Activation* act = out.act && out.act->kind != kLinear ? out.act : nullptr;
  const bool relu = act && !out.z && plain_relu(*act);
  real* z = act && out.z ? out.z : out.y;
  const Index work = most(1, size[2] * c * s.taps());
  parallel_for(pool, n * size[0] * size[1], most(1, 32768 / work), [&](Index b, Index e, int) {
    for (Index i = b; i < e; ++i) {
      const Index h = i % size[1], d = i / size[1] % size[0], sample = i / size[1] / size[0];
      const PassAxis ad = axis_of(s.axis[0], gradient, d % period[0]);
      const PassAxis ah = axis_of(s.axis[1], gradient, h % period[1]);
      const Index od = d / period[0], oh = h / period[1];
      real* y = z + i * size[2] * c;
      for (Index phase = 0; phase < least(period[2], size[2]); ++phase) {
        const PassAxis aw = axis_of(s.axis[2], gradient, phase);
        const real* from = x + sample * image + (od * ad.stride + ad.first) * plane +
                           (oh * ah.stride + ah.first) * row + aw.first * c;
        run_row({{&ad, &ah, &aw}, valid_taps(ad, od), valid_taps(ah, oh), c, row, plane,
                 s.axis[1].kernel, s.axis[2].kernel, from, w, out.bias, relu, y + phase * c,
                 period[2] * c});
      }
      if (act && !relu)
        activation_forward(*act, y, out.y + i * size[2] * c, size[2] * c);
    }
  });
}

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
    if (Partial)
      store_partial(dw[t], acc[t], lanes);
    else
      store(dw[t], acc[t]);
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
          offset[count] = td * g.a[0].step * g.plane + th * g.a[1].step * g.row +
                          k * w.step * g.channels;
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
    else
      run(g.whole.begin, g.whole.end - g.whole.begin, {0, w.taps});
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
            dy + r * y_row, ah.stride * g.row, y_row, aw.stride * c, c, rows};
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

void depthwise_forward(const ConvShape& s, Index n, const real* x, const real* w,
                       const ConvTarget& y, Pool* pool) {
  run(s, false, n, x, w, y, pool);
}

void depthwise_data_gradient(const ConvShape& s, Index n, const real* dy, const real* w, real* dx,
                             Pool* pool) {
  ConvTarget out;
  out.y = dx;
  run(s, true, n, dy, w, out, pool);
}

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
