#include "kernels/depthwise_detail.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr int kPixels = 6;  // pixels of a register tile
// Of one with three neighbouring taps: pixels, and rows where those are neighbours too.
constexpr int kPixels3 = 4, kRows3 = kVectorBytes == 64 ? 2 : 1;

// A row of outputs that share their taps along D and H; with 3 x 3 neighbours, several rows.
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
  Index y_step, y_row;

  const real* weights(Index td, Index th, Index tw) const {
    const auto tap = [&](int i, Index t) { return a[i]->w_first + t * a[i]->w_step; };
    return w + ((tap(0, td) * kernel_h + tap(1, th)) * kernel_w + tap(2, tw)) * channels;
  }
};

template <int P, bool Partial>
PYSEQ_INLINE void finish(const Row& r, V* acc, real* y, int lanes) {
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) {
    if (r.relu) acc[p] = max_v(V{}, acc[p]);
    if (Partial) store_partial(y + p * r.y_step, acc[p], lanes);
    else store(y + p * r.y_step, acc[p]);
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

// T x 3 neighbouring taps at stride S (T: 1 or 3), R rows of kPixels3 outputs: each input is loaded
// once for all of them. `h` are the rows, `in` the columns of the inputs that exist.
template <int T, int R, int S, bool Partial>
PYSEQ_INLINE void tile3(const Row& r, Index o, Range h, Range in, Index c, int lanes) {
  constexpr int P = kPixels3, kInputs = (P - 1) * S + 3;
  const V bias = r.bias ? get<Partial>(r.bias + c, lanes) : V{};
  const real* wp = r.weights(0, 0, 0) + c;
  const Index w_step = r.a[2]->w_step * r.channels;
  const Index w_row = r.a[1]->w_step * r.kernel_w * r.channels;
  V acc[R][P], w[T][3];
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t)
#pragma GCC unroll 4
    for (int k = 0; k < 3; ++k) w[t][k] = get<Partial>(wp + t * w_row + k * w_step, lanes);
#pragma GCC unroll 4
  for (int q = 0; q < R; ++q)
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) acc[q][p] = bias;
  const real* x = r.x + o * S * r.channels + c;
#pragma GCC unroll 8
  for (int i = 0; i < (R - 1) * S + T; ++i, x += r.row) {
    if (i < h.begin || i >= h.end) continue;
    V v[kInputs];
#pragma GCC unroll 16
    for (int j = 0; j < kInputs; ++j) {
      v[j] = V{};
      if (j >= in.begin && j < in.end) v[j] = get<Partial>(x + j * r.channels, lanes);
      v[j] = in_register(v[j]);
    }
#pragma GCC unroll 4
    for (int q = 0; q < R; ++q) {
      const int t = i - q * S;
      if (t < 0 || t >= T) continue;
#pragma GCC unroll 4
      for (int k = 0; k < 3; ++k)
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) acc[q][p] += v[p * S + k] * w[t][k];
    }
  }
#pragma GCC unroll 4
  for (int q = 0; q < R; ++q)
    finish<P, Partial>(r, acc[q], r.y + q * r.y_row + o * r.y_step + c, lanes);
}

// The last tile of a row begins early enough to be whole.
template <int T, int R, int S>
void run_rows3(const Row& r, Range h) {
  constexpr int kInputs = (kPixels3 - 1) * S + 3;
  const PassAxis& a = *r.a[2];
  for (Index at = 0; at < a.out; at += kPixels3) {
    const Index o = least(at, a.out - kPixels3), first = o * S + a.first;
    const Range in{most(0, -first), least(kInputs, a.in - first)}, all{0, kInputs};
    constexpr int kReach = (R - 1) * S + T;
    const bool inside = in.begin == 0 && in.end == kInputs && h.begin == 0 && h.end == kReach;
    Index c = 0;
    if (inside)
      for (; c + kLanes <= r.channels; c += kLanes)
        tile3<T, R, S, false>(r, o, {0, kReach}, all, c, kLanes);
    else
      for (; c + kLanes <= r.channels; c += kLanes) tile3<T, R, S, false>(r, o, h, in, c, kLanes);
    if (c < r.channels)
      tile3<T, R, S, true>(r, o, h, in, c, static_cast<int>(r.channels - c));
  }
}

// Rows of outputs that run_rows3 takes at a time, 0 where it cannot.
int rows_at_once(const PassAxis* const* a) {
  const PassAxis &d = *a[0], &h = *a[1], &w = *a[2];
  if (!three_neighbours(w) || w.out < kPixels3 || d.taps != 1 || d.out_step != 1) return 0;
  if (h.taps == 1 && h.out_step == 1) return 1;
  return three_neighbours(h) && h.stride == w.stride && h.out_step == 1 ? kRows3 : 0;
}

void run_rows3(const Row& r, Index rows, Range h) {
  const bool square = r.a[1]->taps == 3, two = r.a[2]->stride == 2;
  if (!square) two ? run_rows3<1, 1, 2>(r, h) : run_rows3<1, 1, 1>(r, h);
  else if (rows == 1) two ? run_rows3<3, 1, 2>(r, h) : run_rows3<3, 1, 1>(r, h);
  else two ? run_rows3<3, kRows3, 2>(r, h) : run_rows3<3, kRows3, 1>(r, h);
}

template <int P>
void pixels(const Row& r, Index o, Range tw) {
  Index c = 0;
  for (; c + kLanes <= r.channels; c += kLanes) tile<P, false>(r, o, tw, c, kLanes);
  if (c < r.channels) tile<P, true>(r, o, tw, c, static_cast<int>(r.channels - c));
}

void run_row(const Row& r) {
  const PassAxis& w = *r.a[2];
  const Range whole = whole_outputs(w), all{0, w.taps};
  Index o = 0;
  for (; o < whole.begin; ++o) pixels<1>(r, o, valid_taps(w, o));
  for (; o + kPixels <= whole.end; o += kPixels) pixels<kPixels>(r, o, all);
  for (; o + 2 <= whole.end; o += 2) pixels<2>(r, o, all);
  for (; o < w.out; ++o) pixels<1>(r, o, valid_taps(w, o));
}

bool plain_relu(const Activation& act) {
  return act.kind == kRelu && act.a == 0 && act.c == 0 && act.b > static_cast<real>(1e38);
}

// Rows of the output are independent; in a gradient those of one phase of the stride share taps.
// Neighbouring rows are taken in groups, as large as some phase can take them at once.
struct Walk {
  const ConvShape& s;
  const bool gradient;
  Index size[3], in[3], period[3];
  Index group, groups;  // rows of a group, groups of an image's plane

  Walk(const ConvShape& shape, bool back) : s(shape), gradient(back) {
    for (int i = 0; i < 3; ++i) {
      size[i] = gradient ? s.axis[i].in : s.axis[i].out;
      in[i] = gradient ? s.axis[i].out : s.axis[i].in;
      period[i] = gradient ? s.axis[i].stride : 1;
    }
    const PassAxis first[3] = {axis(0, 0), axis(1, 0), axis(2, 0)};
    const PassAxis* const axes[3] = {first, first + 1, first + 2};
    group = most(1, rows_at_once(axes)), groups = pieces(size[1], group);
  }
  PassAxis axis(int i, Index phase) const {
    return gradient ? gradient_axis(s.axis[i], phase) : forward_axis(s.axis[i]);
  }
  Index count(Index n) const { return n * size[0] * groups; }
  Index row(Index g) const { return g / groups * size[1] + least(g % groups * group, size[1]); }
  Index work() const { return group * size[2] * s.channels * s.taps(); }

  // Groups [begin, end), from out.y on.
  void run(Index begin, Index end, const real* x, const real* w, const ConvTarget& out) const {
    const Index c = s.channels, out_row = size[2] * c;
    const Index in_row = in[2] * c, plane = in[1] * in_row, image = in[0] * plane;
    const Activation* act = out.act && out.act->kind != kLinear ? out.act : nullptr;
    const bool relu = act && !out.z && plain_relu(*act);
    real* to = act && out.z ? out.z : out.y;
    for (Index g = begin; g < end; ++g) {
      const Index h = g % groups * group, d = g / groups % size[0], sample = g / groups / size[0];
      const Index rows = least(group, size[1] - h), at = (row(g) - row(begin)) * out_row;
      const PassAxis ad = axis(0, d % period[0]), ah = axis(1, h % period[1]);
      const Index od = d / period[0], oh = h / period[1];
      for (Index phase = 0; phase < least(period[2], size[2]); ++phase) {
        const PassAxis aw = axis(2, phase);
        const PassAxis* const a[3] = {&ad, &ah, &aw};
        const Index top = oh * ah.stride + ah.first;
        const real* from = x + sample * image + (od * ad.stride + ad.first) * plane + top * in_row +
                           aw.first * c;
        Row r{{&ad, &ah, &aw}, valid_taps(ad, od), valid_taps(ah, oh), c, in_row, plane,
              s.axis[1].kernel, s.axis[2].kernel, from, w, out.bias, relu, to + at + phase * c,
              period[2] * c, out_row};
        if (rows_at_once(a) && r.d.end == 1) {
          const Index reach = (rows - 1) * ah.stride + ah.taps;
          run_rows3(r, rows, {most(0, -top), least(reach, ah.in - top)});
          continue;
        }
        for (Index k = 0; k < rows; ++k) {
          r.h = valid_taps(ah, oh + k);
          r.x = from + k * ah.stride * in_row;
          r.y = to + at + k * out_row + phase * c;
          run_row(r);
        }
      }
      if (act && !relu) activation_forward(*act, to + at, out.y + at, rows * out_row);
    }
  }
};

void run(const Walk& walk, Index n, const real* x, const real* w, const ConvTarget& out,
         Pool* pool) {
  const Index row = walk.size[2] * walk.s.channels;
  const Index grain = most(1, 32768 / most(1, walk.work()));
  parallel_for(pool, walk.count(n), grain, [&](Index begin, Index end, int) {
    ConvTarget part = out;
    part.y += walk.row(begin) * row;
    if (part.z) part.z += walk.row(begin) * row;
    walk.run(begin, end, x, w, part);
  });
}

}  // namespace

void depthwise_forward(const ConvShape& s, Index n, const real* x, const real* w,
                       const ConvTarget& y, Pool* pool) {
  run({s, false}, n, x, w, y, pool);
}

DepthwiseRows depthwise_rows(const ConvShape& s, Index n) {
  const Walk walk(s, false);
  return {walk.count(n), walk.group * walk.size[2]};
}

Index depthwise_forward_rows(const ConvShape& s, Index begin, Index end, const real* x,
                             const real* w, const ConvTarget& y) {
  const Walk walk(s, false);
  walk.run(begin, end, x, w, y);
  return (walk.row(end) - walk.row(begin)) * walk.size[2];
}

Index depthwise_first_pixel(const ConvShape& s, Index group) {
  const Walk walk(s, false);
  return walk.row(group) * walk.size[2];
}

void depthwise_data_gradient(const ConvShape& s, Index n, const real* dy, const real* w, real* dx,
                             Pool* pool) {
  ConvTarget out;
  out.y = dx;
  run({s, true}, n, dy, w, out, pool);
}

}  // namespace pyseq::PYSEQ_NS
