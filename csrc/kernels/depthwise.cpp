#include "kernels/depthwise.h"

#include "kernels/conv_pass.h"

namespace pyseq::PYSEQ_NS {
namespace {

constexpr int kPixels = 8;    // pixels of a register tile
constexpr int kTaps = 9;      // taps of a weight gradient tile
constexpr Index kChunks = 32;  // partial sums of the weight gradient

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

struct Job {
  const PassAxis* a;
  Index channels;
  Index row, plane, image;  // strides of the input
  const real* w;
  Index kernel_h, kernel_w;

  const real* weights(Index d, Index h, Index k) const {
    const auto tap = [&](int i, Index t) { return a[i].w_first + t * a[i].w_step; };
    return w + ((tap(0, d) * kernel_h + tap(1, h)) * kernel_w + tap(2, k)) * channels;
  }
};

struct Taps {
  Range d, h, w;
};

// P pixels of one output row, one vector of channels (the first `lanes` of it).
template <int P, bool Partial>
PYSEQ_INLINE void tile(const Job& j, const real* x, const Taps& t, Index c, int lanes, V bias,
                       bool relu, real* y, Index y_step) {
  V acc[P];
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) acc[p] = bias;
  const Index step = j.a[2].stride * j.channels;
  const Index w_step = j.a[2].w_step * j.channels, x_step = j.a[2].step * j.channels;
  for (Index d = t.d.begin; d < t.d.end; ++d)
    for (Index h = t.h.begin; h < t.h.end; ++h) {
      const real* w = j.weights(d, h, t.w.begin) + c;
      const real* xt = x + d * j.a[0].step * j.plane + h * j.a[1].step * j.row + t.w.begin * x_step;
      for (Index k = t.w.begin; k < t.w.end; ++k) {
        const V wv = Partial ? load_partial(w, lanes) : load(w);
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p)
          acc[p] += (Partial ? load_partial(xt + p * step, lanes) : load(xt + p * step)) * wv;
        w += w_step;
        xt += x_step;
      }
    }
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) {
    if (relu) acc[p] = max_v(V{}, acc[p]);
    if (Partial)
      store_partial(y + p * y_step, acc[p], lanes);
    else
      store(y + p * y_step, acc[p]);
  }
}

template <bool Partial>
void row_channels(const Job& j, const real* x, Taps t, Range whole, Index c, int lanes,
                  const real* bias, bool relu, real* y, Index y_step) {
  const PassAxis& w = j.a[2];
  const V b = !bias ? V{} : Partial ? load_partial(bias + c, lanes) : load(bias + c);
  const Index step = w.stride * j.channels;
  const auto edge = [&](Index o) {
    t.w = valid_taps(w, o);
    tile<1, Partial>(j, x + o * step + c, t, c, lanes, b, relu, y + o * y_step + c, y_step);
  };
  Index o = 0;
  for (; o < whole.begin; ++o) edge(o);
  t.w = {0, w.taps};
  for (; o + kPixels <= whole.end; o += kPixels)
    tile<kPixels, Partial>(j, x + o * step + c, t, c, lanes, b, relu, y + o * y_step + c, y_step);
  for (; o + 2 <= whole.end; o += 2)
    tile<2, Partial>(j, x + o * step + c, t, c, lanes, b, relu, y + o * y_step + c, y_step);
  for (; o < w.out; ++o) edge(o);
}

void run(const Pass& p, const ConvShape& s, const real* x, const real* w, const ConvTarget& out,
         Pool* pool) {
  const Index c = s.channels;
  const Index row = p.a[2].in * c, plane = p.a[1].in * row;
  const Job j{p.a, c, row, plane, p.a[0].in * plane, w, s.axis[1].kernel, s.axis[2].kernel};
  const Range whole = whole_outputs(p.a[2]);
  const Activation* act = out.act && out.act->kind != kLinear ? out.act : nullptr;
  real* z = act && out.z ? out.z : out.y;
  const bool relu = act && !out.z && act->kind == kRelu && act->a == 0 && act->c == 0 &&
                    act->b > static_cast<real>(1e38);
  const Index rows = p.n * p.a[0].out * p.a[1].out;
  const Index y_row = p.a[2].out_size * c, y_step = p.a[2].out_step * c;
  const Index work = most(1, p.a[2].out * c * s.taps());
  parallel_for(pool, rows, most(1, 32768 / work), [&](Index begin, Index end, int) {
    for (Index r = begin; r < end; ++r) {
      const Index h = r % p.a[1].out, d = r / p.a[1].out % p.a[0].out, n = r / p.a[1].out / p.a[0].out;
      const Taps t{valid_taps(p.a[0], d), valid_taps(p.a[1], h), {0, 0}};
      const real* xr = x + n * j.image + (d * p.a[0].stride + p.a[0].first) * plane +
                       (h * p.a[1].stride + p.a[1].first) * row + p.a[2].first * c;
      const auto at = [&](int i, Index o) { return p.a[i].out_first + o * p.a[i].out_step; };
      const Index offset = ((n * p.a[0].out_size + at(0, d)) * p.a[1].out_size + at(1, h)) * y_row +
                           p.a[2].out_first * c;
      Index k = 0;
      for (; k + kLanes <= c; k += kLanes)
        row_channels<false>(j, xr, t, whole, k, kLanes, out.bias, relu, z + offset, y_step);
      if (k < c)
        row_channels<true>(j, xr, t, whole, k, static_cast<int>(c - k), out.bias, relu, z + offset,
                           y_step);
      if (act && !relu) activation_forward(*act, z + offset, out.y + offset, p.a[2].out * c);
    }
  });
}

// acc[t] += sum over `pixels` of x[p * x_step + offset[t]] y[p * y_step], one vector of channels.
template <int T, bool Partial>
void gradient_tile(const real* x, Index x_step, const Index* offset, const real* y, Index y_step,
                   Index pixels, int lanes, real* const* dw) {
  V acc[T];
  Index o[T];
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) {
    acc[t] = Partial ? load_partial(dw[t], lanes) : load(dw[t]);
    o[t] = offset[t];
  }
  for (Index p = 0; p < pixels; ++p) {
    const V yv = Partial ? load_partial(y, lanes) : load(y);
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t)
      acc[t] += (Partial ? load_partial(x + o[t], lanes) : load(x + o[t])) * yv;
    x += x_step;
    y += y_step;
  }
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) {
    if (Partial)
      store_partial(dw[t], acc[t], lanes);
    else
      store(dw[t], acc[t]);
  }
}

// One output row and one vector of channels. `x` is where tap (0, 0, 0) of output 0 reads.
template <bool Partial>
void gradient_row(const Job& j, const real* x, const real* y, const Taps& t, Range whole, Index c,
                  int lanes, real* dw) {
  const PassAxis& w = j.a[2];
  const Index step = w.stride * j.channels;
  real* at[kTaps];
  Index offset[kTaps];
  const auto target = [&](Index d, Index h, Index k) {
    return dw + ((d * j.kernel_h + h) * j.kernel_w + k) * j.channels + c;
  };
  const auto flush = [&](int count) {
    const real* xw = x + whole.begin * step + c;
    const real* yw = y + whole.begin * j.channels + c;
    const Index pixels = whole.end - whole.begin;
    int i = 0;
    if (count == kTaps) {
      gradient_tile<kTaps, Partial>(xw, step, offset, yw, j.channels, pixels, lanes, at);
      return;
    }
    for (; i + 3 <= count; i += 3)
      gradient_tile<3, Partial>(xw, step, offset + i, yw, j.channels, pixels, lanes, at + i);
    for (; i < count; ++i)
      gradient_tile<1, Partial>(xw, step, offset + i, yw, j.channels, pixels, lanes, at + i);
  };
  int count = 0;
  for (Index d = t.d.begin; d < t.d.end; ++d)
    for (Index h = t.h.begin; h < t.h.end; ++h)
      for (Index k = 0; k < w.taps; ++k) {
        const Index o = d * j.a[0].step * j.plane + h * j.a[1].step * j.row + k * w.step * j.channels;
        const auto edge = [&](Index from, Index to) {
          for (Index p = from; p < to; ++p) {
            const Index in = p * w.stride + w.first + k * w.step;
            if (in < 0 || in >= w.in) continue;
            real* one = target(d, h, k);
            gradient_tile<1, Partial>(x + p * step + c, 0, &o, y + p * j.channels + c, 0, 1, lanes,
                                      &one);
          }
        };
        edge(0, whole.begin);
        edge(whole.end, w.out);
        at[count] = target(d, h, k);
        offset[count++] = o;
        if (count == kTaps) {
          flush(count);
          count = 0;
        }
      }
  flush(count);
}

}  // namespace

void depthwise_forward(const ConvShape& s, Index n, const real* x, const real* w,
                       const ConvTarget& y, Pool* pool) {
  Pass p{};
  p.n = n;
  for (int i = 0; i < 3; ++i) {
    const ConvAxis& c = s.axis[i];
    p.a[i] = {c.in, c.out, c.stride, c.kernel, -c.pad, c.dilation, 0, 1, 0, 1, c.out};
  }
  run(p, s, x, w, y, pool);
}

void depthwise_data_gradient(const ConvShape& s, Index n, const real* dy, const real* w, real* dx,
                             Pool* pool) {
  ConvTarget out;
  out.y = dx;
  for (Index d = 0; d < least(s.axis[0].stride, s.axis[0].in); ++d)
    for (Index h = 0; h < least(s.axis[1].stride, s.axis[1].in); ++h)
      for (Index k = 0; k < least(s.axis[2].stride, s.axis[2].in); ++k) {
        Pass p{};
        p.n = n;
        p.a[0] = gradient_axis(s.axis[0], d);
        p.a[1] = gradient_axis(s.axis[1], h);
        p.a[2] = gradient_axis(s.axis[2], k);
        run(p, s, dy, w, out, pool);
      }
}

Index depthwise_weight_gradient_scratch(const ConvShape& s) {
  return kChunks * s.taps() * s.channels;
}

void depthwise_weight_gradient(const ConvShape& s, Index n, const real* x, const real* dy, real* dw,
                               real* scratch, Pool* pool) {
  PassAxis a[3];
  for (int i = 0; i < 3; ++i) {
    const ConvAxis& c = s.axis[i];
    a[i] = {c.in, c.out, c.stride, c.kernel, -c.pad, c.dilation, 0, 1, 0, 1, c.out};
  }
  const Index c = s.channels, size = s.taps() * c;
  const Index row = a[2].in * c, plane = a[1].in * row;
  const Job j{a, c, row, plane, a[0].in * plane, nullptr, s.axis[1].kernel, s.axis[2].kernel};
  const Range whole = whole_outputs(a[2]);
  const Index rows = n * a[0].out * a[1].out, chunks = most(1, least(kChunks, rows));
  parallel_for(pool, chunks, 1, [&](Index begin, Index end, int) {
    for (Index chunk = begin; chunk < end; ++chunk) {
      real* to = scratch + chunk * size;
      for (Index i = 0; i < size; ++i) to[i] = 0;
      for (Index r = rows * chunk / chunks; r < rows * (chunk + 1) / chunks; ++r) {
        const Index h = r % a[1].out, d = r / a[1].out % a[0].out, k = r / a[1].out / a[0].out;
        const Taps t{valid_taps(a[0], d), valid_taps(a[1], h), {0, 0}};
        const real* xr = x + k * j.image + (d * a[0].stride + a[0].first) * plane +
                         (h * a[1].stride + a[1].first) * row + a[2].first * c;
        const real* yr = dy + r * a[2].out * c;
        Index i = 0;
        for (; i + kLanes <= c; i += kLanes)
          gradient_row<false>(j, xr, yr, t, whole, i, kLanes, to);
        if (i < c) gradient_row<true>(j, xr, yr, t, whole, i, static_cast<int>(c - i), to);
      }
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
