#include "kernels/conv_pass.h"

namespace pyseq::PYSEQ_NS {
namespace {

// Pieces of nearly one size, none above `limit`.
Index even_piece(Index n, Index limit) { return pieces(n, pieces(n, most(limit, 1))); }

Index extent_of(const PassAxis& a, Index outputs) {
  return a.taps ? (outputs - 1) * a.stride + (a.taps - 1) * a.step + 1 : 0;
}

Index footprint(const Pass& p) {
  Index size = p.box[0] * (p.in_c + p.skew);
  for (int i = 0; i < 3; ++i) size *= extent_of(p.a[i], p.box[i + 1]);
  return size;
}

void choose_box(Pass& p) {
  const Index out[4] = {p.n, p.a[0].out, p.a[1].out, p.a[2].out};
  Index room = kBoxPixels;
  for (int i = 3; i >= 0; --i) {
    p.box[i] = even_piece(most(out[i], 1), room);
    room = p.box[i] == out[i] ? room / p.box[i] : 1;
  }
  // A tile wants some pixels along W even when the channels alone overflow the budget.
  for (int i = 0; i < 4; ++i) {
    const Index least_size = i == 3 ? least(out[3], kMaxTilePixels) : 1;
    while (footprint(p) > kBoxReals && p.box[i] > least_size)
      p.box[i] = even_piece(out[i], most(p.box[i] / 2, least_size));
  }
  for (int i = 0; i < 4; ++i) p.count[i] = pieces(most(out[i], 0), p.box[i]);
}

void copy_row(const ConvSource& src, Index from, Index count, real* to) {
  if (src.act) activation_backward(*src.act, src.v + from, src.p + from, to, count);
  else __builtin_memcpy(to, src.p + from, sizeof(real) * static_cast<std::size_t>(count));
}

void zero(real* p, Index count) {
  __builtin_memset(p, 0, sizeof(real) * static_cast<std::size_t>(count));
}

Index common_divisor(Index a, Index b) {
  while (b) {
    const Index t = a % b;
    a = b;
    b = t;
  }
  return a;
}

}  // namespace

PassAxis gradient_axis(const ConvAxis& c, Index phase) {
  const Index g = common_divisor(c.stride, c.dilation), period = c.stride / g;
  const Index residue = (phase + c.pad) % c.stride;
  Index first = 0;
  while (first < period && first < c.kernel && first * c.dilation % c.stride != residue) ++first;
  const bool none = first >= period || first >= c.kernel;
  const Index taps = none ? 0 : (c.kernel - 1 - first) / period + 1;
  const Index last = first + (taps - 1) * period;
  PassAxis a{};
  a.in = c.out;
  a.out = phase < c.in ? (c.in - 1 - phase) / c.stride + 1 : 0;
  a.stride = 1;
  a.taps = taps;
  a.first = none ? 0 : (phase + c.pad - last * c.dilation) / c.stride;
  a.step = c.dilation / g;
  a.w_first = last;
  a.w_step = -period;
  a.out_first = phase;
  a.out_step = c.stride;
  a.out_size = c.in;
  return a;
}

void plan_pass(Pass& p, bool force_copy) {
  bool outside = false;
  for (const PassAxis& a : p.a)
    if (a.out > 0 && a.taps > 0)
      outside |= a.first < 0 || (a.out - 1) * a.stride + a.first + (a.taps - 1) * a.step >= a.in;
  // Pixels a multiple of 2 KiB apart fight for the same few sets of the L1 cache.
  const bool conflict = p.in_c * static_cast<Index>(sizeof(real)) % 2048 == 0;
  p.copy = force_copy || outside || conflict;
  p.skew = conflict ? 2 * kLanes : 0;
  p.merged = p.groups == 1 && p.skew == 0 && p.a[2].step == 1;
  p.segments = p.a[0].taps * p.a[1].taps * (p.merged ? least(p.a[2].taps, 1) : p.a[2].taps);
  p.length = p.merged ? p.a[2].taps * p.cg : p.cg;
  choose_box(p);
  const Index pixel = p.in_c + p.skew;
  Index size[3];
  for (int i = 0; i < 3; ++i) {
    p.extent[i] = extent_of(p.a[i], p.box[i + 1]);
    size[i] = p.copy ? p.extent[i] : p.a[i].in;
  }
  p.xs[3] = pixel;
  p.xs[2] = size[2] * pixel;
  p.xs[1] = size[1] * p.xs[2];
  p.xs[0] = size[0] * p.xs[1];
}

Pass forward_pass(const ConvShape& s, Index n) {
  Pass p{};
  p.n = n;
  bool pointwise = true;
  for (int i = 0; i < 3; ++i) {
    const ConvAxis& c = s.axis[i];
    p.a[i] = {c.in, c.out, c.stride, c.kernel, -c.pad, c.dilation, 0, 1, 0, 1, c.out};
    pointwise &= c.kernel == 1 && c.stride == 1 && c.pad == 0 && c.in == c.out;
  }
  if (pointwise) {
    const Index all = n * s.in_pixels();
    p.n = 1;
    for (int i = 0; i < 2; ++i) p.a[i] = {1, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1};
    p.a[2] = {all, all, 1, 1, 0, 1, 0, 1, 0, 1, all};
  }
  p.in_c = s.channels;
  p.out_c = s.filters;
  p.groups = s.groups;
  p.cg = s.channels / s.groups;
  p.fg = s.filters / s.groups;
  return p;
}

Index pass_segments(const Pass& p, const Index* first, const Index* last, Index* x, Index* row) {
  const Index begin_w = first[2], end_w = p.merged ? least(begin_w + 1, last[2]) : last[2];
  Index count = 0;
  for (Index d = first[0]; d < last[0]; ++d)
    for (Index h = first[1]; h < last[1]; ++h)
      for (Index w = begin_w; w < end_w; ++w, ++count) {
        x[count] =
            d * p.a[0].step * p.xs[1] + h * p.a[1].step * p.xs[2] + w * p.a[2].step * p.xs[3];
        if (row) row[count] = ((d * p.a[1].taps + h) * p.a[2].taps + w) * p.cg;
      }
  return count;
}

namespace {

constexpr int kMaxRuns = 5;

// Outputs [begin, end) of a box along one axis that see taps [first, last).
struct Run {
  Index begin, end, first, last;
};

Index ceil_div(Index a, Index b) { return a > 0 ? (a + b - 1) / b : -(-a / b); }

// Longer, if it sees the same taps as the one before; false if there are too many.
bool add_run(Run* runs, int& count, const Run& r) {
  if (count && runs[count - 1].first == r.first && runs[count - 1].last == r.last) {
    runs[count - 1].end = r.end;
    return true;
  }
  if (count == kMaxRuns) return false;
  runs[count++] = r;
  return true;
}

int axis_runs(const PassAxis& a, Index begin, Index size, Run* runs) {
  int count = 0;
  const Index reach = (a.taps - 1) * a.step;
  for (Index o = 0; o < size; ++o) {
    const Index at = (begin + o) * a.stride + a.first;
    if (at >= 0 && at + reach < a.in) {
      // So do all after it, up to the last one that reads no further than the input's end.
      const Index more = least(size - 1 - o, (a.in - 1 - reach - at) / a.stride);
      if (!add_run(runs, count, {o, o + more + 1, 0, a.taps})) return 0;
      o += more;
      continue;
    }
    Index first = most(0, ceil_div(-at, a.step)), last = least(a.taps, ceil_div(a.in - at, a.step));
    if (last <= first) first = last = 0;
    if (!add_run(runs, count, {o, o + 1, first, last})) return 0;
  }
  return count;
}

// Cycles, up to a factor, of the register tiles of `pixels` pixels and `taps` taps.
Index tile_cost(Index pixels, Index taps) {
  const Index tiles = pieces(pixels, kMaxTilePixels);
  return tiles * (pieces(pixels, tiles) + 2) * taps;
}

struct Split {
  Run run[3][kMaxRuns];
  int count[3];

  Index cost(Index samples) const {
    Index sum = 0;
    for (int d = 0; d < count[0]; ++d)
      for (int h = 0; h < count[1]; ++h)
        for (int w = 0; w < count[2]; ++w) {
          Index pixels = samples, taps = 1;
          const int at[3] = {d, h, w};
          for (int i = 0; i < 3; ++i) {
            const Run& r = run[i][at[i]];
            pixels *= r.end - r.begin;
            taps *= r.last - r.first;
          }
          sum += tile_cost(pixels, taps);
        }
    return sum;
  }
};

Split choose_split(const Pass& p, const BoxPixels& b, bool classes) {
  Split whole, best;
  bool border = false;
  for (int i = 0; i < 3; ++i) {
    whole.count[i] = 1;
    whole.run[i][0] = {0, b.size[i + 1], 0, p.a[i].taps};
  }
  if (!classes) return whole;
  best = whole;
  Split split = whole;
  for (int i = 0; i < 3; ++i) {
    Run runs[kMaxRuns];
    const int count = axis_runs(p.a[i], b.begin[i + 1], b.size[i + 1], runs);
    if (!count) continue;
    border |= count > 1 || runs[0].first > 0 || runs[0].last < p.a[i].taps;
    split.count[i] = count;
    for (int k = 0; k < count; ++k) split.run[i][k] = runs[k];
  }
  if (!border || split.count[0] * split.count[1] * split.count[2] > kMaxClasses) return whole;
  Split rows = split;
  rows.count[2] = 1;
  rows.run[2][0] = whole.run[2][0];
  const Index cost = whole.cost(b.size[0]), by_rows = rows.cost(b.size[0]);
  const Index by_all = split.cost(b.size[0]);
  if (by_all < by_rows && by_all < cost) return split;
  return by_rows < cost ? rows : whole;
}

}  // namespace

void box_pixels(const Pass& p, Index index, bool classes, BoxPixels& b) {
  for (int i = 3; i >= 0; --i) {
    b.begin[i] = index % p.count[i] * p.box[i];
    index /= p.count[i];
    const Index all = i ? p.a[i - 1].out : p.n;
    b.size[i] = least(p.box[i], all - b.begin[i]);
  }
  const Index ys2 = p.a[2].out_size * p.out_c, ys1 = p.a[1].out_size * ys2;
  const Index ys0 = p.a[0].out_size * ys1;
  const auto at = [&](int i, Index o) {
    return p.a[i].out_first + (b.begin[i + 1] + o) * p.a[i].out_step;
  };
  const Split s = choose_split(p, b, classes);
  b.classes = 0;
  Index k = 0;
  const Index x_step = p.a[2].stride * p.xs[3], y_step = p.a[2].out_step * p.out_c;
  const auto add_class = [&](const Run& rd, const Run& rh, const Run& rw) {
    PixelClass& c = b.of_class[b.classes++];
    c = {k, k, {rd.first, rh.first, rw.first}, {rd.last, rh.last, rw.last}};
    for (Index n = 0; n < b.size[0]; ++n)
      for (Index d = rd.begin; d < rd.end; ++d)
        for (Index h = rh.begin; h < rh.end; ++h) {
          const Index x = n * p.xs[0] + d * p.a[0].stride * p.xs[1] + h * p.a[1].stride * p.xs[2];
          const Index y =
              (b.begin[0] + n) * ys0 + at(0, d) * ys1 + at(1, h) * ys2 + at(2, 0) * p.out_c;
          Index *to_x = b.x + k - rw.begin, *to_y = b.y + k - rw.begin;
          for (Index w = rw.begin; w < rw.end; ++w) {
            to_x[w] = x + w * x_step;
            to_y[w] = y + w * y_step;
          }
          k += rw.end - rw.begin;
        }
    c.end = k;
  };
  for (int d = 0; d < s.count[0]; ++d)
    for (int h = 0; h < s.count[1]; ++h)
      for (int w = 0; w < s.count[2]; ++w) add_class(s.run[0][d], s.run[1][h], s.run[2][w]);
  b.pixels = k;
  for (int i = 0; i < kMaxTilePixels; ++i) {
    b.x[k + i] = b.x[k - 1];
    b.y[k + i] = b.y[k - 1];
  }
}

const real* load_box(const Pass& p, const ConvSource& src, const BoxPixels& b, real* buffer) {
  const Index row = p.a[2].in * p.in_c, plane = p.a[1].in * row, image = p.a[0].in * plane;
  Index start[3], extent[3];
  for (int i = 0; i < 3; ++i) {
    start[i] = b.begin[i + 1] * p.a[i].stride + p.a[i].first;
    extent[i] = extent_of(p.a[i], b.size[i + 1]);
  }
  if (!p.copy)
    return src.p + b.begin[0] * image + start[0] * plane + start[1] * row + start[2] * p.in_c;
  const Index low = most(0, -start[2]), high = least(extent[2], p.a[2].in - start[2]);
  for (Index n = 0; n < b.size[0]; ++n)
    for (Index d = 0; d < extent[0]; ++d)
      for (Index h = 0; h < extent[1]; ++h) {
        real* to = buffer + n * p.xs[0] + d * p.xs[1] + h * p.xs[2];
        const Index id = start[0] + d, ih = start[1] + h;
        if (id < 0 || id >= p.a[0].in || ih < 0 || ih >= p.a[1].in || high <= low) {
          zero(to, extent[2] * p.xs[3]);
          continue;
        }
        const Index from =
            (b.begin[0] + n) * image + id * plane + ih * row + (start[2] + low) * p.in_c;
        zero(to, low * p.xs[3]);
        if (p.skew == 0) {
          copy_row(src, from, (high - low) * p.in_c, to + low * p.xs[3]);
        } else {
          for (Index w = low; w < high; ++w)
            copy_row(src, from + (w - low) * p.in_c, p.in_c, to + w * p.xs[3]);
        }
        zero(to + high * p.xs[3], (extent[2] - high) * p.xs[3]);
      }
  return buffer;
}

}  // namespace pyseq::PYSEQ_NS
