// Forward and data gradient of a convolution as one implicit product: rows are pixels of the result,
// the contracted axis runs over taps and channels (filters), and nothing is unfolded in memory.
#include "cuda/conv.h"

#include "cuda/conv_tile.h"
#include "cuda/divide.h"

namespace pyseq::cuda {
namespace {

struct Pass {
  ConvShape s;
  Index n;
  const float *x, *w, *bias;
  float* y;
  bool relu;
  bool wide;  // channels of the result in fours
  Index tiles_m, tiles_n;
  int phase[3];  // residues of the stride along each axis; 1 for a forward pass
};

// Which tap and channel an element of the contracted axis is, moved on a slice at a time.
struct Walk {
  int c, td, th, tw;
  int depth, step_c, step_tap, taps_h, taps_w;

  __device__ Walk(int k, int depth_, const PassAxis* a)
      : depth(depth_),
        step_c(kSlice % depth_),
        step_tap(kSlice / depth_),
        taps_h(a[1].taps),
        taps_w(a[2].taps) {
    int tap = k / depth;
    c = k % depth;
    tw = tap % taps_w;
    tap /= taps_w;
    th = tap % taps_h;
    td = tap / taps_h;
  }
  __device__ void advance() {
    c += step_c;
    tw += step_tap;
    if (c >= depth) c -= depth, ++tw;
    while (tw >= taps_w) {
      tw -= taps_w;
      if (++th == taps_h) th = 0, ++td;
    }
  }
};

// Coordinates of pixel m of the pass.
struct Pixel {
  Index sample;
  int o[3];
  __device__ Pixel(Index m, const PassAxis* a) {
    if (m < Index{1} << 31) {
      auto rest = static_cast<std::uint32_t>(m);
      for (int k = 2; k >= 0; --k) {
        const auto size = static_cast<std::uint32_t>(a[k].out);
        o[k] = static_cast<int>(rest % size);
        rest /= size;
      }
      sample = rest;
      return;
    }
    for (int k = 2; k >= 0; --k) {
      o[k] = static_cast<int>(m % a[k].out);
      m /= a[k].out;
    }
    sample = m;
  }
};

template <class T, bool kBack, int kA, int kB>
struct Loader {
  static constexpr int kLanes = kSlice / kA, kRowStep = kTileThreads / kLanes, kRows = T::kM / kRowStep;
  // Weights: a slice is (kSlice, kN), read along filters; in the gradient (kN, kSlice), read along k.
  static constexpr int kPieces = kBack ? kLanes * T::kN : kSlice * T::kN / kB;
  static constexpr int kEach = (kPieces + kTileThreads - 1) / kTileThreads;

  const Pass& p;
  const PassAxis* a;
  int thread, depth, source_c, contraction;
  int k;  // first of the slice to fetch
  Walk walk;
  const float* image[kRows];
  int d[kRows], h[kRows], w[kRows];
  const float* weights;
  int first_n, count_n;
  Piece<kA> from_x[kRows];
  Piece<kB> from_w[kEach];

  __device__ Loader(const Pass& pass, const PassAxis* axes, int group, Index first_m, Index count_m, int n0,
                    int thread_)
      : p(pass),
        a(axes),
        thread(thread_),
        depth(static_cast<int>((kBack ? pass.s.filters : pass.s.channels) / pass.s.groups)),
        source_c(static_cast<int>(kBack ? pass.s.filters : pass.s.channels)),
        contraction(axes[0].taps * axes[1].taps * axes[2].taps * depth),
        k(0),
        walk(thread_ % kLanes * kA, depth, axes),
        weights(pass.w),
        first_n(n0),
        count_n(static_cast<int>((kBack ? pass.s.channels : pass.s.filters) / pass.s.groups)) {
    const Index size = static_cast<Index>(a[0].in) * a[1].in * a[2].in * source_c;
    for (int i = 0; i < kRows; ++i) {
      const Index m = first_m + thread / kLanes + i * kRowStep;
      const bool real_row = m < count_m;
      const Pixel pixel(real_row ? m : 0, a);
      image[i] = p.x + pixel.sample * size + group * depth;
      d[i] = real_row ? pixel.o[0] * a[0].stride + a[0].first : -(1 << 30);
      h[i] = pixel.o[1] * a[1].stride + a[1].first;
      w[i] = pixel.o[2] * a[2].stride + a[2].first;
    }
    weights += group * static_cast<int>(p.s.filters / p.s.groups);
  }

  __device__ void fetch() {
    const bool some = walk.td < a[0].taps;
    const int od = walk.td * a[0].step, oh = walk.th * a[1].step, ow = walk.tw * a[2].step;
    PYSEQ_UNROLL
    for (int i = 0; i < kRows; ++i) {
      const int id = d[i] + od, ih = h[i] + oh, iw = w[i] + ow;
      const bool inside =
          some && id >= 0 && id < a[0].in && ih >= 0 && ih < a[1].in && iw >= 0 && iw < a[2].in;
      Index at = 0;
      if (inside) at = (static_cast<Index>(id * a[1].in + ih) * a[2].in + iw) * source_c + walk.c;
      from_x[i].load(image[i] + at, inside);
    }
    const Index filters = p.s.filters;
    if constexpr (kBack) {
      const int tap_d = a[0].w_first + walk.td * a[0].w_step, tap_h = a[1].w_first + walk.th * a[1].w_step;
      const int tap_w = a[2].w_first + walk.tw * a[2].w_step;
      const int tap =
          (tap_d * static_cast<int>(p.s.axis[1].kernel) + tap_h) * static_cast<int>(p.s.axis[2].kernel) +
          tap_w;
      PYSEQ_UNROLL
      for (int i = 0; i < kEach; ++i) {
        const int n = thread / kLanes + i * kRowStep;
        const bool inside = some && n < T::kN && first_n + n < count_n;
        from_w[i].load(
            weights + (inside ? (static_cast<Index>(tap) * count_n + first_n + n) * filters + walk.c : 0),
            inside);
      }
    } else {
      constexpr int kAcross = T::kN / kB;
      PYSEQ_UNROLL
      for (int i = 0; i < kEach; ++i) {
        const int piece = thread + i * kTileThreads, row = k + piece / kAcross,
                  n = first_n + piece % kAcross * kB;
        const bool inside = piece < kPieces && row < contraction && n < count_n;
        from_w[i].load(weights + (inside ? row * filters + n : 0), inside);
      }
    }
    walk.advance();
    k += kSlice;
  }

  __device__ void store(float* to_a, float* to_b) const {
    const int lane = thread % kLanes * kA, first = thread / kLanes;
    PYSEQ_UNROLL
    for (int i = 0; i < kRows; ++i) {
      PYSEQ_UNROLL
      for (int j = 0; j < kA; ++j) to_a[(lane + j) * T::kPitchA + first + i * kRowStep] = from_x[i].v[j];
    }
    PYSEQ_UNROLL
    for (int i = 0; i < kEach; ++i) {
      if constexpr (kBack) {
        const int n = first + i * kRowStep;
        if (n >= T::kN) continue;
        PYSEQ_UNROLL
        for (int j = 0; j < kB; ++j) to_b[(lane + j) * T::kPitchB + n] = from_w[i].v[j];
      } else {
        constexpr int kAcross = T::kN / kB;
        const int piece = thread + i * kTileThreads;
        if (piece >= kPieces) continue;
        PYSEQ_UNROLL
        for (int j = 0; j < kB; ++j)
          to_b[piece / kAcross * T::kPitchB + piece % kAcross * kB + j] = from_w[i].v[j];
      }
    }
  }
};

template <class T, bool kBack, int kA, int kB>
struct PassKernel {
  Pass p;

  __device__ void operator()(Index b, const Block& t) const {
    const int n0 = static_cast<int>(b % p.tiles_n) * T::kN;
    b /= p.tiles_n;
    const Index first_m = b % p.tiles_m * T::kM;
    b /= p.tiles_m;
    const int group = static_cast<int>(b % p.s.groups);
    int phase = static_cast<int>(b / p.s.groups);
    PassAxis a[3];
    for (int k = 2; k >= 0; --k) {
      a[k] = kBack ? gradient_axis(p.s.axis[k], phase % p.phase[k]) : forward_axis(p.s.axis[k]);
      phase /= p.phase[k];
    }
    const Index count_m = p.n * a[0].out * a[1].out * a[2].out;
    if (first_m >= count_m) return;
    T tile;
    const bool taps = a[0].taps > 0 && a[1].taps > 0 && a[2].taps > 0;
    if (taps) {
      Loader<T, kBack, kA, kB> loader(p, a, group, first_m, count_m, n0, t.thread);
      multiply_tiles(t, (loader.contraction + kSlice - 1) / kSlice, loader, tile);
    } else {
      tile.clear();
    }
    finish(tile, a, group, first_m, count_m, n0, t.thread);
  }

  __device__ void finish(const T& tile, const PassAxis* a, int group, Index first_m, Index count_m, int n0,
                         int thread) const {
    const Index out_c = kBack ? p.s.channels : p.s.filters;
    const int count_n = static_cast<int>(out_c / p.s.groups), begin_n = group * count_n;
    PYSEQ_UNROLL
    for (int i = 0; i < T::kRowParts * 4; ++i) {
      const Index m = first_m + T::row(thread, i);
      if (m >= count_m) continue;
      const Pixel o(m, a);
      Index at = o.sample;
      for (int k = 0; k < 3; ++k) at = at * a[k].out_size + a[k].out_first + o.o[k] * a[k].out_step;
      float* const to = p.y + at * out_c + begin_n;
      PYSEQ_UNROLL
      for (int part = 0; part < T::kColParts; ++part) {
        const int n = n0 + T::col(thread, part);
        Four f;
        PYSEQ_UNROLL
        for (int j = 0; j < 4; ++j) {
          float v = tile.v[i][part * 4 + j];
          if (p.bias && n + j < count_n) v += p.bias[begin_n + n + j];
          f.v[j] = p.relu && v <= 0 ? 0.0f : v;
        }
        if (p.wide && n < count_n) {
          *reinterpret_cast<Four*>(to + n) = f;
          continue;
        }
        PYSEQ_UNROLL
        for (int j = 0; j < 4; ++j)
          if (n + j < count_n) to[n + j] = f.v[j];
      }
    }
  }
};

bool aligned(const void* p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; }

template <bool kBack, class T>
void launch(DeviceStream* stream, Pass p, Index rows, Index cols, Index copies, bool wide_x, bool wide_w) {
  p.tiles_m = (rows + T::kM - 1) / T::kM;
  p.tiles_n = (cols + T::kN - 1) / T::kN;
  const Index blocks = copies * p.tiles_m * p.tiles_n;
  if (wide_x && wide_w) for_blocks(stream, blocks, kTileThreads, T::kShared, PassKernel<T, kBack, 4, 4>{p});
  else if (!kBack && wide_w)
    for_blocks(stream, blocks, kTileThreads, T::kShared, PassKernel < T, kBack, 1, kBack ? 1 : 4 > {p});
  else for_blocks(stream, blocks, kTileThreads, T::kShared, PassKernel<T, kBack, 1, 1>{p});
}

template <bool kBack>
void run(DeviceStream* stream, Pass& p) {
  const ConvShape& s = p.s;
  const Index channels = s.channels / s.groups, filters = s.filters / s.groups;
  const Index cols = kBack ? channels : filters;
  Index rows = p.n, copies = s.groups;
  for (int k = 0; k < 3; ++k) {
    const ConvAxis& c = s.axis[k];
    p.phase[k] = kBack ? static_cast<int>(c.stride < c.in ? c.stride : c.in) : 1;
    rows *= kBack ? (c.in + c.stride - 1) / c.stride : c.out;
    copies *= p.phase[k];
  }
  const bool fours_c = channels % 4 == 0, fours_f = filters % 4 == 0;
  const bool wide_x = (kBack ? fours_f : fours_c) && aligned(p.x), wide_w = fours_f && aligned(p.w);
  p.wide = (kBack ? fours_c : fours_f) && aligned(p.y);
  switch (tile_size(rows, cols, copies)) {
    case kTile128x128:
      return launch<kBack, Tile<128, 128>>(stream, p, rows, cols, copies, wide_x, wide_w);
    case kTile128x64:
      return launch<kBack, Tile<128, 64>>(stream, p, rows, cols, copies, wide_x, wide_w);
    case kTile128x32:
      return launch<kBack, Tile<128, 32>>(stream, p, rows, cols, copies, wide_x, wide_w);
    case kTile64x64:
      return launch<kBack, Tile<64, 64>>(stream, p, rows, cols, copies, wide_x, wide_w);
  }
}

bool by_cudnn(DeviceStream* stream, const ConvShape& s, bool back, Index n, const float* x, const float* w,
              const ConvFilters& filters, float* z) {
  if (!filters.at) return false;
  if (filters.packed) w = nullptr;
  return back ? cudnn_data_gradient(stream, s, n, x, w, filters.at, z)
              : cudnn_forward(stream, s, n, x, w, filters.at, z);
}

void pass(DeviceStream* stream, const ConvShape& s, bool back, Index n, const float* x, const float* w,
          const ConvTarget& to, const ConvFilters& filters) {
  const Activation act = to.act ? *to.act : Activation{};
  const Index size = n * (back ? s.in_pixels() * s.channels : s.out_pixels() * s.filters);
  if (size <= 0) return;
  const bool relu = !to.z && is_plain_relu(act);
  float* const y = to.y;
  float* const z = to.z ? to.z : y;
  if (pointwise(s)) {
    Gemm g;
    g.m = n * s.out_pixels();
    g.n = back ? s.channels : s.filters;
    g.k = back ? s.filters : s.channels;
    g.a = x, g.a_row = g.k;
    g.b = w, g.b_row = back ? 1 : s.filters, g.b_col = back ? s.filters : 1;
    g.c = z, g.ldc = g.n;
    g.bias = to.bias;
    if (relu) g.act = act;
    gemm(stream, g);
  } else if (by_cudnn(stream, s, back, n, x, w, filters, z)) {
    const float* const bias = to.bias;
    if (!bias && act.kind == kLinear && z == y) return;
    const Divider channels(back ? s.channels : s.filters);
    for_each(stream, size, [=] __device__(Index i) {
      const float v = bias ? z[i] + bias[i - channels.quotient(i) * channels.d] : z[i];
      z[i] = v;
      y[i] = activate(act, v);
    });
    return;
  } else {
    Pass p{s, n, x, w, to.bias, z, relu, false, 0, 0, {1, 1, 1}};
    if (back) run<true>(stream, p);
    else run<false>(stream, p);
  }
  if (relu || (act.kind == kLinear && z == y)) return;
  for_each(stream, size, [=] __device__(Index i) { y[i] = activate(act, z[i]); });
}

}  // namespace

void conv_forward(DeviceStream* stream, const ConvShape& s, Index n, const float* x, const float* w,
                  const ConvTarget& y, const ConvFilters& filters) {
  pass(stream, s, false, n, x, w, y, filters);
}

void conv_data_gradient(DeviceStream* stream, const ConvShape& s, Index n, const float* y, const float* w,
                        const ConvTarget& x, const ConvFilters& filters) {
  pass(stream, s, true, n, y, w, x, filters);
}

}  // namespace pyseq::cuda
