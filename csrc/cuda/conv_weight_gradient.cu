// dw = sum over pixels of x (at each tap) times dy: a product whose contracted axis is all pixels. It is
// cut into chunks that are added up in order.
#include "cuda/conv.h"
#include "cuda/conv_tile.h"
#include "cuda/divide.h"

namespace pyseq::cuda {
namespace {

constexpr Index kBlocks = 132 * 4;  // to aim at

struct Pass {
  ConvShape s;
  Divider out[3];
  Divider taps_h, taps_w, depth;
  const float *x, *dy;
  float* dw;         // (chunks, size of dw)
  Index taps, rows;  // rows of dw
  Index pixels, per_chunk, tiles_m, tiles_n;
};

template <class T, int kA, int kB>
struct Loader {
  static constexpr int kAcrossA = T::kM / kA, kAcrossB = T::kN / kB;
  static constexpr int kStepA = kTileThreads / kAcrossA;
  static constexpr int kEachA = (kSlice + kStepA - 1) / kStepA;
  static constexpr int kPiecesB = kSlice * kAcrossB, kEachB = (kPiecesB + kTileThreads - 1) / kTileThreads;

  const Pass& p;
  int thread;
  Index k, end;  // pixels
  bool row;      // there is such a row of dw
  int d, h, w;   // where its tap reads, from an output's first input
  const float* x;
  const float* dy;
  int first_n, count_n;
  Piece<kA> from_x[kEachA];
  Piece<kB> from_y[kEachB];

  __device__ Loader(const Pass& pass, int group, int m0, int n0, Index begin, Index last, int thread_)
      : p(pass),
        thread(thread_),
        k(begin),
        end(last),
        first_n(n0),
        count_n(static_cast<int>(pass.s.filters / pass.s.groups)) {
    const Index depth = p.depth.d, m = m0 + thread % kAcrossA * kA;
    const Index tap = p.depth.quotient(m);
    row = tap < p.taps;
    const Index plane = p.taps_w.quotient(tap), td = p.taps_h.quotient(plane);
    const auto start = [&](int axis, Index t) {
      return static_cast<int>(t * p.s.axis[axis].dilation - p.s.axis[axis].pad);
    };
    d = start(0, td);
    h = start(1, plane - td * p.taps_h.d);
    w = start(2, tap - plane * p.taps_w.d);
    x = p.x + group * depth + (m - tap * depth);
    dy = p.dy + group * count_n;
  }

  __device__ void fetch() {
    const ConvAxis* const a = p.s.axis;
    PYSEQ_UNROLL
    for (int i = 0; i < kEachA; ++i) {
      const int slot = thread / kAcrossA + i * kStepA;
      const Index pixel = k + slot;
      const Index plane = p.out[2].quotient(pixel), volume = p.out[1].quotient(plane);
      const Index sample = p.out[0].quotient(volume);
      const Index iw = (pixel - plane * p.out[2].d) * a[2].stride + w;
      const Index ih = (plane - volume * p.out[1].d) * a[1].stride + h;
      const Index id = (volume - sample * p.out[0].d) * a[0].stride + d;
      const bool inside = row && slot < kSlice && pixel < end && id >= 0 && id < a[0].in && ih >= 0 &&
                          ih < a[1].in && iw >= 0 && iw < a[2].in;
      const Index at = ((sample * a[0].in + id) * a[1].in + ih) * a[2].in + iw;
      from_x[i].load(x + (inside ? at * p.s.channels : 0), inside);
    }
    PYSEQ_UNROLL
    for (int i = 0; i < kEachB; ++i) {
      const int piece = thread + i * kTileThreads, n = first_n + piece % kAcrossB * kB;
      const Index pixel = k + piece / kAcrossB;
      const bool inside = piece < kPiecesB && pixel < end && n < count_n;
      from_y[i].load(dy + (inside ? pixel * p.s.filters + n : 0), inside);
    }
    k += kSlice;
  }

  __device__ void store(float* to_a, float* to_b) const {
    PYSEQ_UNROLL
    for (int i = 0; i < kEachA; ++i) {
      const int slot = thread / kAcrossA + i * kStepA;
      if (slot >= kSlice) continue;
      PYSEQ_UNROLL
      for (int j = 0; j < kA; ++j) to_a[slot * T::kPitchA + thread % kAcrossA * kA + j] = from_x[i].v[j];
    }
    PYSEQ_UNROLL
    for (int i = 0; i < kEachB; ++i) {
      const int piece = thread + i * kTileThreads;
      if (piece >= kPiecesB) continue;
      PYSEQ_UNROLL
      for (int j = 0; j < kB; ++j)
        to_b[piece / kAcrossB * T::kPitchB + piece % kAcrossB * kB + j] = from_y[i].v[j];
    }
  }
};

template <class T, int kA, int kB>
struct Kernel {
  Pass p;

  __device__ void operator()(Index b, const Block& t) const {
    const int n0 = static_cast<int>(b % p.tiles_n) * T::kN;
    b /= p.tiles_n;
    const int m0 = static_cast<int>(b % p.tiles_m) * T::kM;
    b /= p.tiles_m;
    const int group = static_cast<int>(b % p.s.groups);
    const Index chunk = b / p.s.groups, begin = chunk * p.per_chunk;
    const Index end = begin + p.per_chunk < p.pixels ? begin + p.per_chunk : p.pixels;
    Loader<T, kA, kB> loader(p, group, m0, n0, begin, end, t.thread);
    T tile;
    multiply_tiles(t, static_cast<int>((end - begin + kSlice - 1) / kSlice), loader, tile);
    const int rows = static_cast<int>(p.rows), cols = static_cast<int>(p.s.filters / p.s.groups);
    float* const to = p.dw + chunk * rows * p.s.filters + group * cols;
    PYSEQ_UNROLL
    for (int i = 0; i < T::kRowParts * 4; ++i) {
      const int m = m0 + T::row(t.thread, i);
      if (m >= rows) continue;
      PYSEQ_UNROLL
      for (int part = 0; part < T::kColParts; ++part) {
        const int n = n0 + T::col(t.thread, part);
        PYSEQ_UNROLL
        for (int j = 0; j < 4; ++j)
          if (n + j < cols) to[m * p.s.filters + n + j] = tile.v[i][part * 4 + j];
      }
    }
  }
};

// By the size of dw alone: how many chunks there may be must not depend on the rows.
TileSize weight_tile(const ConvShape& s) {
  const Index rows = s.depth(), cols = s.filters / s.groups;
  if (cols <= 32) return kTile128x32;
  if (rows <= 64) return kTile64x64;
  return cols <= 64 ? kTile128x64 : kTile128x128;
}

Index most_chunks(const ConvShape& s) {
  constexpr Index kRows[] = {128, 128, 128, 64}, kCols[] = {128, 64, 32, 64};
  const TileSize t = weight_tile(s);
  const Index down = (s.depth() + kRows[t] - 1) / kRows[t];
  const Index tiles = down * ((s.filters / s.groups + kCols[t] - 1) / kCols[t]) * s.groups;
  return (kBlocks + tiles - 1) / tiles;
}

template <class T>
void launch(DeviceStream* stream, Pass p, Index chunks, bool wide_x, bool wide_y) {
  p.tiles_m = (p.rows + T::kM - 1) / T::kM;
  p.tiles_n = (p.s.filters / p.s.groups + T::kN - 1) / T::kN;
  const Index blocks = chunks * p.s.groups * p.tiles_m * p.tiles_n;
  if (wide_x && wide_y) for_blocks(stream, blocks, kTileThreads, T::kShared, Kernel<T, 4, 4>{p});
  else if (wide_y) for_blocks(stream, blocks, kTileThreads, T::kShared, Kernel<T, 1, 4>{p});
  else for_blocks(stream, blocks, kTileThreads, T::kShared, Kernel<T, 1, 1>{p});
}

bool aligned(const void* p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; }

}  // namespace

ConvScratch conv_weight_gradient_scratch(const ConvShape& s) {
  if (pointwise(s)) return {};
  const Index chunks = most_chunks(s), filters = cudnn_filter_size(s);
  const Index parts = chunks == 1 ? 0 : chunks * s.depth() * s.filters;
  return {parts > filters ? parts : filters, 0};
}

void conv_weight_gradient(DeviceStream* stream, const ConvShape& s, Index n, const float* x, const float* dy,
                          float* dw, float* scratch) {
  if (pointwise(s)) {
    Gemm g;
    g.m = s.channels, g.n = s.filters, g.k = n * s.out_pixels();
    g.a = x, g.a_row = 1, g.a_col = s.channels;
    g.b = dy, g.b_row = s.filters;
    g.c = dw, g.ldc = s.filters;
    return gemm(stream, g);
  }
  if (cudnn_weight_gradient(stream, s, n, x, dy, dw, scratch)) return;
  Pass p;
  p.s = s;
  for (int k = 0; k < 3; ++k) p.out[k] = Divider(s.axis[k].out);
  p.taps_h = Divider(s.axis[1].kernel);
  p.taps_w = Divider(s.axis[2].kernel);
  p.depth = Divider(s.channels / s.groups);
  p.taps = s.taps();
  p.rows = s.depth();
  p.x = x;
  p.dy = dy;
  p.pixels = n * s.out_pixels();
  constexpr Index kFewest = 8 * kSlice;  // pixels that are worth a chunk
  Index chunks = most_chunks(s);
  if (chunks > p.pixels / kFewest) chunks = p.pixels / kFewest;
  if (chunks < 1) chunks = 1;
  p.per_chunk = ((p.pixels + chunks - 1) / chunks + kSlice - 1) / kSlice * kSlice;
  chunks = (p.pixels + p.per_chunk - 1) / p.per_chunk;
  p.dw = chunks > 1 ? scratch : dw;
  const bool wide_x = s.channels / s.groups % 4 == 0 && aligned(x);
  const bool wide_y = s.filters / s.groups % 4 == 0 && aligned(dy);
  switch (weight_tile(s)) {
    case kTile128x128:
      launch<Tile<128, 128>>(stream, p, chunks, wide_x, wide_y);
      break;
    case kTile128x64:
      launch<Tile<128, 64>>(stream, p, chunks, wide_x, wide_y);
      break;
    case kTile128x32:
      launch<Tile<128, 32>>(stream, p, chunks, wide_x, wide_y);
      break;
    case kTile64x64:
      launch<Tile<64, 64>>(stream, p, chunks, wide_x, wide_y);
      break;
  }
  if (chunks == 1) return;
  const Index size = s.depth() * s.filters;
  const float* const parts = scratch;
  for_each(stream, size, [=] __device__(Index i) {
    float sum = parts[i];
    for (Index k = 1; k < chunks; ++k) sum += parts[k * size + i];
    dw[i] = sum;
  });
}

}  // namespace pyseq::cuda
