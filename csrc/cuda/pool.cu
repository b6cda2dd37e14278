// One thread an element: forward goes through its window, backward through the windows that hold it.
#include "cuda/pool.h"

namespace pyseq::cuda {
namespace {

struct Range {
  int begin, end;
  int start;  // of the window, may lie outside
};

__device__ inline Range window(const PoolAxis& a, int o) {
  if (a.adaptive) {
    const auto b = static_cast<int>(a.by_out.quotient(static_cast<Index>(o) * a.in));
    const auto e = static_cast<int>(a.by_out.quotient((o + Index{1}) * a.in + a.out - 1));
    return {b, e, b};
  }
  const int start = o * a.stride - a.pad, end = start + a.size;
  return {start < 0 ? 0 : start, end > a.in ? a.in : end, start};
}

// Windows that hold input i.
__device__ inline Range windows_of(const PoolAxis& a, int i) {
  Range r{0, 0, 0};
  if (a.adaptive) {
    r.begin = static_cast<int>(a.by_in.quotient(static_cast<Index>(i) * a.out));
    r.end = static_cast<int>(a.by_in.quotient((i + Index{1}) * a.out - 1)) + 1;
  } else {
    const int before = i + a.pad - a.size + 1;
    r.begin = before > 0 ? static_cast<int>(a.by_stride.quotient(before + a.stride - 1)) : 0;
    r.end = static_cast<int>(a.by_stride.quotient(i + a.pad)) + 1;
  }
  if (r.end > a.out) r.end = a.out;
  return r;
}

struct Element {
  Index n, c;
  int d, h, w;
};
template <bool kOutput>
__device__ inline Element element(const PoolShape& s, Index i) {
  Element e;
  const auto split = [&](Index& rest, const Divider& by) {
    const Index q = by.quotient(rest), at = rest - q * by.d;
    rest = q;
    return at;
  };
  const PoolAxis* const a = s.axis;
  e.c = split(i, s.by_channels);
  e.w = static_cast<int>(split(i, kOutput ? a[2].by_out : a[2].by_in));
  e.h = static_cast<int>(split(i, kOutput ? a[1].by_out : a[1].by_in));
  e.d = static_cast<int>(split(i, kOutput ? a[0].by_out : a[0].by_in));
  e.n = i;
  return e;
}

// f(input, tap) over the window of an output.
template <class F>
__device__ inline void for_taps(const PoolShape& s, const Element& e, F&& f) {
  const PoolAxis* const a = s.axis;
  const Range d = window(a[0], e.d), h = window(a[1], e.h), w = window(a[2], e.w);
  for (int i = d.begin; i < d.end; ++i)
    for (int j = h.begin; j < h.end; ++j) {
      const Index row = ((e.n * a[0].in + i) * a[1].in + j) * a[2].in;
      const int tap = ((i - d.start) * a[1].size + j - h.start) * a[2].size - w.start;
      for (int k = w.begin; k < w.end; ++k) f((row + k) * s.channels + e.c, tap + k);
    }
}

// f(output, tap of the input in it, inputs that it counts) over the windows of an input.
template <class F>
__device__ inline void for_windows(const PoolShape& s, const Element& e, F&& f) {
  const PoolAxis* const a = s.axis;
  const Range d = windows_of(a[0], e.d), h = windows_of(a[1], e.h), w = windows_of(a[2], e.w);
  for (int i = d.begin; i < d.end; ++i) {
    const Range in_d = window(a[0], i);
    for (int j = h.begin; j < h.end; ++j) {
      const Range in_h = window(a[1], j);
      const Index row = ((e.n * a[0].out + i) * a[1].out + j) * a[2].out;
      for (int k = w.begin; k < w.end; ++k) {
        const Range in_w = window(a[2], k);
        const int tap = ((e.d - in_d.start) * a[1].size + e.h - in_h.start) * a[2].size + e.w - in_w.start;
        f((row + k) * s.channels + e.c, tap,
          (in_d.end - in_d.begin) * (in_h.end - in_h.begin) * (in_w.end - in_w.begin));
      }
    }
  }
}

template <class I>
void max_forward(DeviceStream* stream, const PoolShape& shape, Index n, const float* x, float* y, I* kept) {
  const PoolShape s = shape;
  for_each(stream, n * s.out_size(), [=] __device__(Index i) {
    float best = -INFINITY;
    int position = 0;
    for_taps(s, element<true>(s, i), [&](Index at, int tap) {
      const float v = x[at];
      if (v > best || v != v) best = v, position = tap;  // NaN wins
    });
    y[i] = best;
    if (kept) kept[i] = static_cast<I>(position);
  });
}

template <class I>
void max_backward(DeviceStream* stream, const PoolShape& shape, Index n, const float* dy, const I* kept,
                  float* dx) {
  const PoolShape s = shape;
  for_each(stream, n * s.in_size(), [=] __device__(Index i) {
    float sum = 0;
    for_windows(s, element<false>(s, i), [&](Index at, int tap, int) {
      if (kept[at] == static_cast<I>(tap)) sum += dy[at];
    });
    dx[i] = sum;
  });
}

}  // namespace

Index max_pool_kept(const PoolShape& s) {
  return s.small_positions() ? (s.out_size() + 3) / 4 : s.out_size();
}

void max_pool_forward(DeviceStream* stream, const PoolShape& s, Index n, const float* x, float* y, void* kept) {
  if (s.small_positions()) max_forward(stream, s, n, x, y, static_cast<std::uint8_t*>(kept));
  else max_forward(stream, s, n, x, y, static_cast<std::int32_t*>(kept));
}

void max_pool_backward(DeviceStream* stream, const PoolShape& s, Index n, const float* dy, const void* kept,
                       float* dx) {
  if (s.small_positions()) max_backward(stream, s, n, dy, static_cast<const std::uint8_t*>(kept), dx);
  else max_backward(stream, s, n, dy, static_cast<const std::int32_t*>(kept), dx);
}

void average_pool_forward(DeviceStream* stream, const PoolShape& shape, Index n, const float* x, float* y) {
  const PoolShape s = shape;
  for_each(stream, n * s.out_size(), [=] __device__(Index i) {
    float sum = 0;
    int count = 0;
    for_taps(s, element<true>(s, i), [&](Index at, int) {
      sum += x[at];
      ++count;
    });
    y[i] = sum / static_cast<float>(count);
  });
}

void average_pool_backward(DeviceStream* stream, const PoolShape& shape, Index n, const float* dy, float* dx) {
  const PoolShape s = shape;
  for_each(stream, n * s.in_size(), [=] __device__(Index i) {
    float sum = 0;
    for_windows(s, element<false>(s, i),
                [&](Index at, int, int count) { sum += dy[at] / static_cast<float>(count); });
    dx[i] = sum;
  });
}

PoolShape pool_shape_from(const Plan& plan, const Shape& x, bool adaptive) {
  const int rank = x.rank - 1;
  Index size[3] = {}, stride[3] = {}, begin[3] = {}, end[3] = {};
  bool fits = rank >= 1 && rank <= 3;
  const auto read = [&](const char* name, Index* to) { fits = fits && plan.integers(name, to, 3) == rank; };
  if (adaptive) {
    read("output_size", size);
  } else {
    read("pool_size", size);
    read("strides", stride);
    read("pads_begin", begin);
    read("pads_end", end);
  }
  if (!fits) plan.fail("expected windows for an input of 1 to 3 spatial axes, got %d", rank);
  PoolShape s;
  s.channels = x[-1];
  s.by_channels = Divider(s.channels);
  for (int i = 0; i < rank; ++i) {
    PoolAxis& a = s.axis[3 - rank + i];
    a.in = static_cast<int>(x[i]);
    a.adaptive = adaptive;
    if (adaptive) {
      a.out = static_cast<int>(size[i]);
      a.size = a.in / a.out + 2;
    } else {
      a.size = static_cast<int>(size[i]);
      a.stride = static_cast<int>(stride[i]);
      a.pad = static_cast<int>(begin[i]);
      a.out = static_cast<int>((x[i] + begin[i] + end[i] - size[i]) / stride[i] + 1);
    }
  }
  for (PoolAxis& a : s.axis) {
    a.by_in = Divider(a.in);
    a.by_out = Divider(a.out);
    a.by_stride = Divider(a.stride);
  }
  return s;
}

Shape pool_output(const PoolShape& s, int rank) {
  Shape y;
  for (int i = 3 - rank; i < 3; ++i) y.push(s.axis[i].out);
  y.push(s.channels);
  return y;
}

}  // namespace pyseq::cuda
