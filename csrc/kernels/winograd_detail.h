#pragma once
// The transforms along one axis, and the walk over tiles.
#include "core/precision.h"
#include "kernels/columns.h"
#include "kernels/gemm_detail.h"
#include "kernels/winograd.h"

namespace pyseq::PYSEQ_NS {

// By measurement: below these, transforms cost more than they save.
constexpr Index kLeastChannels = 16;
constexpr double kLeastGain = 1.5;  // multiplications of the sum itself for each one of the tiles
// The weights are transformed in every call. Images of kEnoughPixels pay for that alone: so their
// results do not depend on the batch.
constexpr Index kEnoughPixels = 64, kLeastPixels = 256;

PYSEQ_INLINE bool winograd_shape(const ConvShape& s) {
  if (s.groups != 1 || s.channels < kLeastChannels || s.filters < kLeastChannels) return false;
  if (s.axis[0].kernel != 1 || s.axis[0].stride != 1 || s.axis[0].in != s.axis[0].out) return false;
  for (int i = 1; i < 3; ++i)
    if (s.axis[i].kernel != 3 || s.axis[i].stride != 1 || s.axis[i].dilation != 1) return false;
  return true;
}

ConvScratch winograd_weight_gradient_scratch(const ConvShape& s);

// y (kOut) = output(kernel(g (3)) * input(d (kIn))); the gradients use the transposes.
// Points 0, 1, -1, infinity.
struct Tile2 {
  static constexpr int kOut = 2, kIn = 4;

  PYSEQ_INLINE static void input(const V* d, V* v) {
    v[0] = d[0] - d[2];
    v[1] = d[1] + d[2];
    v[2] = d[2] - d[1];
    v[3] = d[1] - d[3];
  }
  PYSEQ_INLINE static void kernel(const V* g, V* u) {
    const V even = real(0.5) * (g[0] + g[2]), odd = real(0.5) * g[1];
    u[0] = g[0];
    u[1] = even + odd;
    u[2] = even - odd;
    u[3] = g[2];
  }
  PYSEQ_INLINE static void output(const V* m, V* y) {
    y[0] = m[0] + (m[1] + m[2]);
    y[1] = (m[1] - m[2]) - m[3];
  }
  PYSEQ_INLINE static void output_transposed(const V* y, V* m) {
    m[0] = y[0];
    m[1] = y[0] + y[1];
    m[2] = y[0] - y[1];
    m[3] = -y[1];
  }
  PYSEQ_INLINE static void kernel_transposed(const V* u, V* g) {
    const V even = real(0.5) * (u[1] + u[2]);
    g[0] = u[0] + even;
    g[1] = real(0.5) * (u[1] - u[2]);
    g[2] = even + u[3];
  }
};

// Points 0, +-sqrt(1/2), +-sqrt(2), infinity: a third of the error of the usual 0, +-1, +-2.
struct Tile4 {
  static constexpr int kOut = 4, kIn = 6;
  static constexpr real kA = static_cast<real>(0.70710678118654752440);
  static constexpr real kB = static_cast<real>(1.41421356237309504880);
  static constexpr real kNearScale = static_cast<real>(-2.0 / 3);
  static constexpr real kFarScale = static_cast<real>(1.0 / 6);

  PYSEQ_INLINE static void input(const V* d, V* v) {
    const V near_even = d[4] - 2 * d[2], near_odd = kA * (d[3] - 2 * d[1]);
    const V far_even = d[4] - real(0.5) * d[2], far_odd = kB * (d[3] - real(0.5) * d[1]);
    v[0] = (d[4] + d[0]) - real(2.5) * d[2];
    v[1] = near_even + near_odd;
    v[2] = near_even - near_odd;
    v[3] = far_even + far_odd;
    v[4] = far_even - far_odd;
    v[5] = (d[5] + d[1]) - real(2.5) * d[3];
  }
  PYSEQ_INLINE static void kernel(const V* g, V* u) {
    const V near_even = kNearScale * (g[0] + real(0.5) * g[2]), near_odd = kNearScale * kA * g[1];
    const V far_even = kFarScale * (g[0] + 2 * g[2]), far_odd = kFarScale * kB * g[1];
    u[0] = g[0];
    u[1] = near_even + near_odd;
    u[2] = near_even - near_odd;
    u[3] = far_even + far_odd;
    u[4] = far_even - far_odd;
    u[5] = g[2];
  }
  PYSEQ_INLINE static void output(const V* m, V* y) {
    const V near_even = m[1] + m[2], near_odd = kA * (m[1] - m[2]);
    const V far_even = m[3] + m[4], far_odd = kB * (m[3] - m[4]);
    y[0] = m[0] + (near_even + far_even);
    y[1] = near_odd + far_odd;
    y[2] = real(0.5) * near_even + 2 * far_even;
    y[3] = (real(0.5) * near_odd + 2 * far_odd) + m[5];
  }
  PYSEQ_INLINE static void output_transposed(const V* y, V* m) {
    const V near_even = y[0] + real(0.5) * y[2], near_odd = kA * (y[1] + real(0.5) * y[3]);
    const V far_even = y[0] + 2 * y[2], far_odd = kB * (y[1] + 2 * y[3]);
    m[0] = y[0];
    m[1] = near_even + near_odd;
    m[2] = near_even - near_odd;
    m[3] = far_even + far_odd;
    m[4] = far_even - far_odd;
    m[5] = y[3];
  }
  PYSEQ_INLINE static void kernel_transposed(const V* u, V* g) {
    const V near_even = kNearScale * (u[1] + u[2]), near_odd = kNearScale * kA * (u[1] - u[2]);
    const V far_even = kFarScale * (u[3] + u[4]), far_odd = kFarScale * kB * (u[3] - u[4]);
    g[0] = u[0] + (near_even + far_even);
    g[1] = near_odd + far_odd;
    g[2] = (real(0.5) * near_even + 2 * far_even) + u[5];
  }
};

// Rows of transformed values are an odd number of vectors apart, so that they spread over the sets
// of a cache.
PYSEQ_INLINE Index spread(Index n) { return (ceil_div(n, kLanes) | 1) * kLanes; }

// The tiles of `images` images of `height` x `width` outputs, row by row.
struct TileGrid {
  Index images, rows, columns;

  PYSEQ_INLINE Index count() const { return images * rows * columns; }
};

template <class T>
PYSEQ_INLINE TileGrid tile_grid(Index images, Index height, Index width) {
  return {images, ceil_div(height, T::kOut), ceil_div(width, T::kOut)};
}

// What tiles read: a patch of size x size pixels for each, `step` apart, from (top, left) on; zero
// outside the image.
struct PatchSource {
  ConvSource src;
  Index height, width, channels;
  Index top, left;
  int step, size;
};

// Neighbours along W share a copy of their patches.
constexpr Index kRunReals = 12 * 1024;
PYSEQ_INLINE Index run_tiles(const PatchSource& p) {
  const Index tiles = kRunReals / (p.size * p.step * p.channels);
  return tiles < 1 ? 1 : tiles > 8 ? 8 : tiles;
}
PYSEQ_INLINE Index run_reals(const PatchSource& p) {
  return p.size * ((run_tiles(p) - 1) * p.step + p.size) * p.channels;
}

PYSEQ_INLINE void zero_reals(real* p, Index n) {
  __builtin_memset(p, 0, sizeof(real) * static_cast<std::size_t>(n));
}

// Pixels [top, top + size) x [left, left + width) of image n.
PYSEQ_INLINE void copy_patch(const PatchSource& p, Index n, Index top, Index left, Index width,
                             real* to) {
  const Index low = larger(0, smaller(width, -left));
  const Index high = larger(low, smaller(width, p.width - left));
  for (Index i = 0; i < p.size; ++i, to += width * p.channels) {
    const Index y = top + i;
    if (y < 0 || y >= p.height) {
      zero_reals(to, width * p.channels);
      continue;
    }
    const Index from = ((n * p.height + y) * p.width + left + low) * p.channels;
    const Index count = (high - low) * p.channels;
    real* at = to + low * p.channels;
    zero_reals(to, low * p.channels);
    if (p.src.act)
      activation_backward(*p.src.act, p.src.v + from, p.src.p + from, at, count);
    else
      __builtin_memcpy(at, p.src.p + from, sizeof(real) * static_cast<std::size_t>(count));
    zero_reals(to + high * p.channels, (width - high) * p.channels);
  }
}

// Tiles from (top, left) on, at most `limit`, that share a copy or are all read in place.
PYSEQ_INLINE Index run_length(const PatchSource& p, Index top, Index left, Index limit,
                              bool* copy) {
  const bool rows_inside = top >= 0 && top + p.size <= p.height;
  const Index room = p.width - left - p.size;
  const Index inside = left < 0 || room < 0 ? 0 : room / p.step + 1;
  *copy = p.src.act || !rows_inside || inside == 0;
  if (p.src.act || !rows_inside) return smaller(limit, run_tiles(p));
  return inside ? smaller(limit, inside) : 1;
}

// f(tile, patch, row): the patch of each tile of [begin, end), `row` reals between its rows.
template <class F>
PYSEQ_INLINE void for_patches(const PatchSource& p, const TileGrid& grid, Index begin, Index end,
                              real* buffer, F&& f) {
  for (Index t = begin; t < end;) {
    const Index column = t % grid.columns, line = t / grid.columns;
    const Index n = line / grid.rows, top = line % grid.rows * p.step + p.top;
    const Index left = column * p.step + p.left;
    bool copy;
    const Index tiles = run_length(p, top, left, smaller(end - t, grid.columns - column), &copy);
    const Index width = (tiles - 1) * p.step + p.size;
    const real* from = buffer;
    Index row = width * p.channels;
    if (copy) {
      copy_patch(p, n, top, left, width, buffer);
    } else {
      row = p.width * p.channels;
      from = p.src.p + (n * p.height + top) * row + left * p.channels;
    }
    for (Index k = 0; k < tiles; ++k, ++t) f(t, from + k * p.step * p.channels, row);
  }
}

// v[q * q_step + c] = q-th value of the transformed patch of channel c; whole vectors are written.
template <class T>
PYSEQ_INLINE void transform_input(const real* x, Index row, Index channels, real* v,
                                  Index q_step) {
  constexpr int A = T::kIn;
  for_lanes(channels, [&](Index c, auto lanes) __attribute__((always_inline)) {
    V d[A][A];
#pragma GCC unroll 8
    for (int j = 0; j < A; ++j) {
      V in[A], out[A];
#pragma GCC unroll 8
      for (int i = 0; i < A; ++i) in[i] = lanes.get(x + i * row + j * channels + c);
      T::input(in, out);
#pragma GCC unroll 8
      for (int i = 0; i < A; ++i) d[i][j] = out[i];
    }
#pragma GCC unroll 8
    for (int i = 0; i < A; ++i) {
      V out[A];
      T::input(d[i], out);
#pragma GCC unroll 8
      for (int j = 0; j < A; ++j) store(v + (i * A + j) * q_step + c, out[j]);
    }
  });
}

template <class T>
PYSEQ_INLINE Index tile_multiplications(Index height, Index width) {
  return tile_grid<T>(1, height, width).count() * T::kIn * T::kIn;
}

// Calls f with the tile type that needs the fewest multiplications among those that the precision
// allows.
template <class F>
PYSEQ_INLINE void with_tile(Index height, Index width, F&& f) {
  const bool coarse = matmul_precision() < 3 &&
                      tile_multiplications<Tile4>(height, width) <
                          tile_multiplications<Tile2>(height, width);
  coarse ? f(Tile4{}) : f(Tile2{});
}

}  // namespace pyseq::PYSEQ_NS
