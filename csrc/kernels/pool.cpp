#include "kernels/pool.h"

#include "kernels/simd.h"

namespace pyseq::PYSEQ_NS {
namespace {

Index larger(Index a, Index b) { return a > b ? a : b; }
Index smaller(Index a, Index b) { return a < b ? a : b; }
Index pieces_of(Index n, Index unit) { return (n + unit - 1) / unit; }

template <bool B>
struct Flag {
  static constexpr bool value = B;
};

// `start` may lie outside; [begin, end) is what counts.
struct Window {
  Index start, begin, end;
};

struct Windows {
  Window d, h, w;
  Index count() const { return (d.end - d.begin) * (h.end - h.begin) * (w.end - w.begin); }
};

PYSEQ_INLINE Window window(const PoolAxis& a, Index o) {
  if (a.adaptive) {
    const Index b = o * a.in / a.out, e = ((o + 1) * a.in + a.out - 1) / a.out;
    return {b, b, e};
  }
  const Index start = o * a.stride - a.pad;
  return {start, larger(start, 0), smaller(start + a.size, a.in)};
}

template <bool Partial>
PYSEQ_INLINE V get(const real* p, int lanes) {
  return Partial ? load_partial(p, lanes) : load(p);
}
template <bool Partial>
PYSEQ_INLINE void put(real* p, V v, int lanes) {
  if (Partial) store_partial(p, v, lanes);
  else store(p, v);
}

// Positions of maxima as small integers.
template <class I, bool Partial>
PYSEQ_INLINE VI get_positions(const I* p, int lanes) {
  typedef I Narrow __attribute__((vector_size(kLanes * sizeof(I))));
  Narrow v{};
  __builtin_memcpy(&v, p, Partial ? static_cast<std::size_t>(lanes) * sizeof(I) : sizeof v);
  return __builtin_convertvector(v, VI);
}
template <class I, bool Partial>
PYSEQ_INLINE void put_positions(I* p, VI positions, int lanes) {
  typedef I Narrow __attribute__((vector_size(kLanes * sizeof(I))));
  const Narrow v = __builtin_convertvector(positions, Narrow);
  __builtin_memcpy(p, &v, Partial ? static_cast<std::size_t>(lanes) * sizeof(I) : sizeof v);
}

// Where the taps of a window that lies wholly inside are, from its first pixel. Count: how many, 0 for
// any number; such lists are empty where there are too many taps or windows differ.
template <int Count>
struct Taps {
  static constexpr int kMost = 64;
  int count = 0;
  Index offset[Count ? Count : kMost];

  explicit Taps(const PoolShape& s) {
    if (s.taps() > kMost) return;
    for (const PoolAxis& a : s.axis)
      if (a.adaptive) return;
    for (Index i = 0; i < s.axis[0].size; ++i)
      for (Index j = 0; j < s.axis[1].size; ++j)
        for (Index k = 0; k < s.axis[2].size; ++k)
          offset[count++] = ((i * s.axis[1].in + j) * s.axis[2].in + k) * s.channels;
  }
};

// f(taps): common windows have a number of taps that the compiler knows.
template <class F>
PYSEQ_INLINE void with_taps(const PoolShape& s, F&& f) {
  if (s.taps() == 4) f(Taps<4>(s));
  else if (s.taps() == 9) f(Taps<9>(s));
  else f(Taps<0>(s));
}

// f(offset of the input pixel, number of the tap) over the window of one output pixel.
template <int Count, class F>
PYSEQ_INLINE void for_taps(const PoolShape& s, const Taps<Count>& taps, const Windows& windows, F&& f) {
  const auto& [d, h, w] = windows;
  if (taps.count == windows.count()) {
    const Index first = ((d.begin * s.axis[1].in + h.begin) * s.axis[2].in + w.begin) * s.channels;
    if constexpr (Count != 0) {
#pragma GCC unroll 9
      for (int t = 0; t < Count; ++t) f(first + taps.offset[t], Index{t});
    } else {
      for (int t = 0; t < taps.count; ++t) f(first + taps.offset[t], Index{t});
    }
    return;
  }
  for (Index i = d.begin; i < d.end; ++i)
    for (Index j = h.begin; j < h.end; ++j) {
      const Index row = (i * s.axis[1].in + j) * s.axis[2].in;
      const Index tap = ((i - d.start) * s.axis[1].size + j - h.start) * s.axis[2].size - w.start;
      for (Index k = w.begin; k < w.end; ++k) f((row + k) * s.channels, tap + k);
    }
}

// f(output pixel, windows) over output rows [begin, end) of one or several samples.
template <class F>
PYSEQ_INLINE void for_pixels(const PoolShape& s, Index begin, Index end, F&& f) {
  const Index oh = s.axis[1].out, od = s.axis[0].out;
  for (Index r = begin; r < end; ++r) {
    const Window h = window(s.axis[1], r % oh), d = window(s.axis[0], r / oh % od);
    const Index n = r / oh / od;
    for (Index k = 0; k < s.axis[2].out; ++k)
      f(n, r * s.axis[2].out + k, Windows{d, h, window(s.axis[2], k)});
  }
}

template <class F>
PYSEQ_INLINE void for_channels(Index begin, Index end, F&& f) {
  Index c = begin;
  for (; c + kLanes <= end; c += kLanes) f(c, kLanes, Flag<false>{});
  if (c < end) f(c, static_cast<int>(end - c), Flag<true>{});
}

Index row_count(const PoolShape& s, Index n) { return n * s.axis[0].out * s.axis[1].out; }
Index row_grain(const PoolShape& s) {
  return larger(1, 16384 / larger(1, s.axis[2].out * s.channels * smaller(s.taps(), 64)));
}

bool overlapping(const PoolShape& s) {
  for (const PoolAxis& a : s.axis)
    if (a.adaptive ? a.in % a.out != 0 : a.size > a.stride) return true;
  return false;
}

// Every input pixel belongs to exactly one window.
bool tiling(const PoolShape& s) {
  for (const PoolAxis& a : s.axis)
    if (a.adaptive ? a.in % a.out != 0
                   : a.size != a.stride || a.pad != 0 || a.out * a.stride != a.in)
      return false;
  return true;
}

void zero(Pool* pool, real* p, Index count) {
  parallel_for(pool, count, 65536, [&](Index b, Index e, int) {
    __builtin_memset(p + b, 0, sizeof(real) * static_cast<std::size_t>(e - b));
  });
}

// dx = sum over windows of share(n, output pixel, tap, channel, lanes). `share(...)` gives the
// function of the tap for one vector of channels.
template <int Count, class Share>
PYSEQ_INLINE void scatter(const PoolShape& s, const Taps<Count>& taps, Index n, real* dx, Pool* pool,
                          Share&& share) {
  const Index image = s.in_pixels() * s.channels, rows = s.axis[0].out * s.axis[1].out;
  if (!overlapping(s)) {
    if (!tiling(s)) zero(pool, dx, n * image);
    parallel_for(pool, n * rows, row_grain(s), [&](Index begin, Index end, int) {
      for_pixels(s, begin, end, [&](Index i, Index pixel, const Windows& w) {
        for_channels(0, s.channels, [&](Index c, int lanes, auto partial) {
          constexpr bool P = decltype(partial)::value;
          const auto f = share(i, pixel, c, lanes, partial, w.count());
          real* to = dx + i * image + c;
          for_taps(s, taps, w, [&](Index offset, Index tap) { put<P>(to + offset, f(tap), lanes); });
        });
      });
    });
    return;
  }
  // Windows share pixels: one worker owns a sample, or some of its channels.
  const Index wanted = 2 * pool_workers(pool), groups = pieces_of(s.channels, 64);
  const Index splits = n >= wanted ? 1 : groups;
  parallel_for(pool, n * splits, 1, [&](Index begin, Index end, int) {
    for (Index item = begin; item < end; ++item) {
      const Index i = item / splits, part = item % splits;
      const Index first = splits == 1 ? 0 : part * 64;
      const Index last = splits == 1 ? s.channels : smaller(first + 64, s.channels);
      real* image_dx = dx + i * image;
      for (Index p = 0; p < s.in_pixels(); ++p)
        for (Index c = first; c < last; ++c) image_dx[p * s.channels + c] = 0;
      for_pixels(s, i * rows, (i + 1) * rows, [&](Index, Index pixel, const Windows& w) {
        for_channels(first, last, [&](Index c, int lanes, auto partial) {
          constexpr bool P = decltype(partial)::value;
          const auto f = share(i, pixel, c, lanes, partial, w.count());
          for_taps(s, taps, w, [&](Index offset, Index tap) {
            real* to = image_dx + offset + c;
            put<P>(to, get<P>(to, lanes) + f(tap), lanes);
          });
        });
      });
    }
  });
}

// Output rows [begin, end). Comparisons pass over NaN: unless `Nan`, the result says whether there may
// have been one (or a sum of infinities), and counts for nothing then.
template <bool Nan, class I, bool Keep, int Count>
PYSEQ_INLINE bool max_rows(const PoolShape& s, const Taps<Count>& taps, Index begin, Index end,
                           const real* x, real* y, I* kept) {
  const Index image = s.in_pixels() * s.channels;
  V zeros{};
  for_pixels(s, begin, end, [&](Index i, Index pixel, const Windows& w) {
    for_channels(0, s.channels, [&](Index c, int lanes, auto partial) {
      constexpr bool P = decltype(partial)::value;
      const real* from = x + i * image + c;
      V best = splat(static_cast<real>(-__builtin_inff())), sum{};
      VI position{};
      for_taps(s, taps, w, [&](Index offset, Index tap) {
        const V v = get<P>(from + offset, lanes);
        const VI here = splat_int(static_cast<Lane>(tap));
        if constexpr (Nan) {
          const VI take = (v > best) | (v != v);
          best = take ? v : best;
          if constexpr (Keep) position = take ? here : position;
        } else {
          if constexpr (Keep) position = v > best ? here : position;
          best = v > best ? v : best;
          sum += v;
        }
      });
      zeros += sum * V{};
      put<P>(y + pixel * s.channels + c, best, lanes);
      if constexpr (Keep) {
        I* row = kept + i * max_pool_kept(s) * static_cast<Index>(sizeof(real) / sizeof(I));
        put_positions<I, P>(row + (pixel - i * s.out_pixels()) * s.channels + c, position, lanes);
      }
    });
  });
  return horizontal_sum(zeros) != 0;
}

// Rows with a NaN are few: one version for any number of taps.
template <class I, bool Keep>
__attribute__((noinline)) void max_rows_with_nan(const PoolShape& s, Index begin, Index end, const real* x,
                                                 real* y, I* kept) {
  max_rows<true, I, Keep>(s, Taps<0>(s), begin, end, x, y, kept);
}

template <class I, bool Keep, int Count>
void max_forward(const PoolShape& s, const Taps<Count>& taps, Index n, const real* x, real* y,
                 I* kept, Pool* pool) {
  parallel_for(pool, row_count(s, n), row_grain(s), [&](Index begin, Index end, int) {
    if (max_rows<false, I, Keep>(s, taps, begin, end, x, y, kept))
      max_rows_with_nan<I, Keep>(s, begin, end, x, y, kept);
  });
}

template <class I, int Count>
void max_backward(const PoolShape& s, const Taps<Count>& taps, Index n, const real* dy, const I* kept, real* dx,
                  Pool* pool) {
  const Index stride = max_pool_kept(s) * static_cast<Index>(sizeof(real) / sizeof(I));
  scatter(s, taps, n, dx, pool, [&](Index i, Index pixel, Index c, int lanes, auto partial, Index) {
    constexpr bool P = decltype(partial)::value;
    const V g = get<P>(dy + pixel * s.channels + c, lanes);
    const I* row = kept + i * stride + (pixel - i * s.out_pixels()) * s.channels + c;
    const VI position = get_positions<I, P>(row, lanes);
    return [g, position](Index tap) {
      return (position == splat_int(static_cast<Lane>(tap))) ? g : V{};
    };
  });
}

bool small_positions(const PoolShape& s) { return s.taps() <= 256; }

}  // namespace

Index max_pool_kept(const PoolShape& s) {
  const Index bytes = s.out_pixels() * s.channels * (small_positions(s) ? 1 : 4);
  return (bytes + static_cast<Index>(sizeof(real)) - 1) / static_cast<Index>(sizeof(real));
}

void max_pool_forward(const PoolShape& s, Index n, const real* x, real* y, void* kept, Pool* pool) {
  if (kept && !small_positions(s)) {
    max_forward<std::int32_t, true>(s, Taps<0>(s), n, x, y, static_cast<std::int32_t*>(kept), pool);
    return;
  }
  with_taps(s, [&](const auto& taps) {
    if (!kept) max_forward<std::uint8_t, false>(s, taps, n, x, y, nullptr, pool);
    else max_forward<std::uint8_t, true>(s, taps, n, x, y, static_cast<std::uint8_t*>(kept), pool);
  });
}

void max_pool_backward(const PoolShape& s, Index n, const real* dy, const void* kept, real* dx,
                       Pool* pool) {
  if (!small_positions(s)) {
    max_backward(s, Taps<0>(s), n, dy, static_cast<const std::int32_t*>(kept), dx, pool);
    return;
  }
  with_taps(s, [&](const auto& taps) {
    max_backward(s, taps, n, dy, static_cast<const std::uint8_t*>(kept), dx, pool);
  });
}

void average_pool_forward(const PoolShape& s, Index n, const real* x, real* y, Pool* pool) {
  const Index image = s.in_pixels() * s.channels;
  with_taps(s, [&](const auto& taps) {
    parallel_for(pool, row_count(s, n), row_grain(s), [&](Index begin, Index end, int) {
      for_pixels(s, begin, end, [&](Index i, Index pixel, const Windows& w) {
        const Index count = w.count();
        for_channels(0, s.channels, [&](Index c, int lanes, auto partial) {
          constexpr bool P = decltype(partial)::value;
          const real* from = x + i * image + c;
          V sum{};
          for_taps(s, taps, w, [&](Index offset, Index) { sum += get<P>(from + offset, lanes); });
          put<P>(y + pixel * s.channels + c, sum / static_cast<real>(count), lanes);
        });
      });
    });
  });
}

void average_pool_backward(const PoolShape& s, Index n, const real* dy, real* dx, Pool* pool) {
  const auto share = [&](Index, Index pixel, Index c, int lanes, auto partial, Index count) {
    constexpr bool P = decltype(partial)::value;
    const V g = get<P>(dy + pixel * s.channels + c, lanes) / static_cast<real>(count);
    return [g](Index) { return g; };
  };
  with_taps(s, [&](const auto& taps) { scatter(s, taps, n, dx, pool, share); });
}

PoolShape pool_shape_from(const Plan& plan, const Shape& x, bool adaptive) {
  const int rank = x.rank - 1;
  if (rank < 1 || rank > 3) plan.fail("expected an input of 1 to 3 spatial axes, got %d", rank);
  PoolShape s;
  s.channels = x[-1];
  Index size[3] = {}, stride[3] = {}, begin[3] = {}, end[3] = {};
  const auto read = [&](const char* name, Index* to, Index least) {
    if (plan.integers(name, to, 3, at_least(least)) != rank)
      plan.fail("expected %d numbers in `%s`", rank, name);
  };
  if (adaptive) {
    read("output_size", size, 1);
  } else {
    read("pool_size", size, 1);
    read("strides", stride, 1);
    read("pads_begin", begin, 0);
    read("pads_end", end, 0);
  }
  for (int i = 0; i < rank; ++i) {
    PoolAxis& a = s.axis[3 - rank + i];
    a.in = x[i];
    a.adaptive = adaptive;
    if (adaptive) {
      a.out = size[i];
      a.size = a.in / a.out + 2;
      continue;
    }
    a.size = size[i];
    a.stride = stride[i];
    a.pad = begin[i];
    const Index room = a.in + begin[i] + end[i] - size[i];
    if (room < 0 || begin[i] >= size[i] || end[i] >= size[i])
      plan.fail("expected a window that fits the input along spatial axis %d", i);
    a.out = room / stride[i] + 1;
  }
  plan.product(s.axis[0].size, s.axis[1].size, s.axis[2].size);
  return s;
}

Shape pool_output(const PoolShape& s, int rank) {
  Shape y;
  for (int i = 3 - rank; i < 3; ++i) y.push(s.axis[i].out);
  y.push(s.channels);
  return y;
}

}  // namespace pyseq::PYSEQ_NS
