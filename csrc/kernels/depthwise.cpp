#include "kernels/depthwise_detail.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr int kPixels = 6;   // pixels of a register tile
constexpr int kPixels3 = 4;  // with three neighbouring taps

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
      const real* x =
          r.x + d * r.a[0]->step * r.plane + h * r.a[1]->step * r.row + o * S * r.channels + c;
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
        run_row({{&ad, &ah, &aw},
                 valid_taps(ad, od),
                 valid_taps(ah, oh),
                 c,
                 row,
                 plane,
                 s.axis[1].kernel,
                 s.axis[2].kernel,
                 from,
                 w,
                 out.bias,
                 relu,
                 y + phase * c,
                 period[2] * c});
      }
      if (act && !relu) activation_forward(*act, y, out.y + i * size[2] * c, size[2] * c);
    }
  });
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

}  // namespace pyseq::PYSEQ_NS
