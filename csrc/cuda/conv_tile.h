#pragma once
// Products of tiles through shared memory: 256 threads hold an M x N block of results in registers and
// go through the contracted axis in slices, the next slice on its way while one is multiplied.
#include "cuda/vector.h"

#ifdef __CUDACC__
#define PYSEQ_UNROLL _Pragma("unroll")
#else
#define PYSEQ_UNROLL
#endif

namespace pyseq::cuda {

inline constexpr int kSlice = 16;  // contracted elements of a slice
inline constexpr int kTileThreads = 256;

template <int Rows, int Cols>
struct Tile {
  static constexpr int kM = Rows, kN = Cols;
  // Each thread holds kRowParts x kColParts pieces of 4 x 4.
  static constexpr int kColParts = kN == 128 ? 2 : 1;
  static constexpr int kAcross = kN / (4 * kColParts), kDown = kTileThreads / kAcross;
  static constexpr int kRowParts = kM / (4 * kDown);
  static constexpr int kPitchA = kM + 4, kPitchB = kN + 4;
  static constexpr int kBuffer = kSlice * (kPitchA + kPitchB);
  static constexpr int kShared = 2 * kBuffer;
  static_assert(kM % (4 * kDown) == 0 && kShared <= 12288);

  float v[kRowParts * 4][kColParts * 4];

  __device__ void clear() {
    PYSEQ_UNROLL
    for (auto& row : v) {
      PYSEQ_UNROLL
      for (float& x : row) x = 0;
    }
  }
  static __device__ int row(int thread, int i) { return i / 4 * (4 * kDown) + thread / kAcross * 4 + i % 4; }
  static __device__ int col(int thread, int part) { return part * (4 * kAcross) + thread % kAcross * 4; }

  // += A^T B of one slice: A (kSlice, kPitchA), B (kSlice, kPitchB).
  __device__ void multiply(const float* a, const float* b, int thread) {
    PYSEQ_UNROLL
    for (int k = 0; k < kSlice; ++k) {
      Four x[kRowParts], y[kColParts];
      PYSEQ_UNROLL
      for (int i = 0; i < kRowParts; ++i)
        x[i] = *reinterpret_cast<const Four*>(a + k * kPitchA + row(thread, 4 * i));
      PYSEQ_UNROLL
      for (int j = 0; j < kColParts; ++j)
        y[j] = *reinterpret_cast<const Four*>(b + k * kPitchB + col(thread, j));
      PYSEQ_UNROLL
      for (int i = 0; i < kRowParts * 4; ++i) {
        PYSEQ_UNROLL
        for (int j = 0; j < kColParts * 4; ++j) v[i][j] += x[i / 4].v[i % 4] * y[j / 4].v[j % 4];
      }
    }
  }
};

// loader.fetch() brings the next slice into registers, loader.store(a, b) puts it into shared memory.
template <class T, class Loader>
__device__ inline void multiply_tiles(const Block& t, int slices, Loader& loader, T& tile) {
  tile.clear();
  if (slices <= 0) return;
  loader.fetch();
  loader.store(t.shared, t.shared + kSlice * T::kPitchA);
  t.sync();
  for (int k = 0; k < slices; ++k) {
    float* const now = t.shared + k % 2 * T::kBuffer;
    float* const next = t.shared + (k + 1) % 2 * T::kBuffer;
    if (k + 1 < slices) loader.fetch();
    tile.multiply(now, now + kSlice * T::kPitchA, t.thread);
    if (k + 1 < slices) loader.store(next, next + kSlice * T::kPitchA);
    t.sync();
  }
}

// kWidth neighbours at p, or zeros.
template <int kWidth>
struct Piece {
  float v[kWidth];
  __device__ void load(const float* p, bool inside) {
    if constexpr (kWidth == 4) {
      Four f{};
      if (inside) f = *reinterpret_cast<const Four*>(p);
      for (int k = 0; k < 4; ++k) v[k] = f.v[k];
    } else {
      v[0] = inside ? *p : 0.0f;
    }
  }
};

enum TileSize { kTile128x128, kTile128x64, kTile128x32, kTile64x64 };

// The tile that suits `rows` x `cols` results, `copies` times.
inline TileSize tile_size(Index rows, Index cols, Index copies) {
  const auto blocks = [&](Index m, Index n) { return (rows + m - 1) / m * ((cols + n - 1) / n) * copies; };
  constexpr Index kBusy = 132 * 2;  // enough blocks for every multiprocessor
  if (cols <= 32) return kTile128x32;
  if (cols > 64 && blocks(128, 128) >= kBusy) return kTile128x128;
  return blocks(128, 64) >= kBusy ? kTile128x64 : kTile64x64;
}

}  // namespace pyseq::cuda
