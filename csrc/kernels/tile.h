#pragma once
// AMX tiles: 16 rows of 64 bytes. PYSEQ_AMX_EMULATE replaces the unit by plain loops, so that the
// code around it can be tested on CPUs without it.
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {

using Bfloat = std::uint16_t;
constexpr int kTileBytes = 64, kTileRows = 16;
constexpr int kTileDepth = 32;                     // bfloat16 values in a row
constexpr int kTileSize = kTileRows * kTileDepth;  // bfloat16 values in a tile

#if defined(PYSEQ_AMX_EMULATE)

struct TileState {
  float value[8][kTileRows][16];  // as bits for the operands
  bool configured;
};
inline thread_local TileState tile_state;

PYSEQ_INLINE void tiles_configure() { tile_state.configured = true; }
PYSEQ_INLINE void tiles_release() { tile_state.configured = false; }

template <int T>
PYSEQ_INLINE void tile_zero() {
  __builtin_memset(tile_state.value[T], 0, sizeof tile_state.value[T]);
}
// `stride` in bytes between rows.
template <int T>
PYSEQ_INLINE void tile_load(const void* p, Index stride) {
  for (int i = 0; i < kTileRows; ++i)
    __builtin_memcpy(tile_state.value[T][i], static_cast<const char*>(p) + i * stride, kTileBytes);
}
template <int T>
PYSEQ_INLINE void tile_store(void* p, Index stride) {
  for (int i = 0; i < kTileRows; ++i)
    __builtin_memcpy(static_cast<char*>(p) + i * stride, tile_state.value[T][i], kTileBytes);
}
// C (16,16) += A (16,32) B (32,16); B holds pairs of rows side by side. Denormals count as 0.
template <int C, int A, int B>
PYSEQ_INLINE void tile_multiply() {
  if (!tile_state.configured) __builtin_trap();
  const auto value = [](std::uint32_t bits) {
    if (!(bits & 0x7f800000u)) bits = 0;
    float f;
    __builtin_memcpy(&f, &bits, sizeof f);
    return f;
  };
  std::uint32_t b[kTileRows][16];
  __builtin_memcpy(b, tile_state.value[B], sizeof b);
  for (int i = 0; i < kTileRows; ++i) {
    // As the unit does: two sums, of even and odd products, then one addition to C.
    float even[16] = {}, odd[16] = {};
    for (int k = 0; k < 16; ++k) {
      std::uint32_t a;
      __builtin_memcpy(&a, &tile_state.value[A][i][k], sizeof a);
      const float low = value(a << 16), high = value(a & 0xffff0000u);
      for (int j = 0; j < 16; ++j) {
        even[j] += low * value(b[k][j] << 16);
        odd[j] += high * value(b[k][j] & 0xffff0000u);
      }
    }
    for (int j = 0; j < 16; ++j) tile_state.value[C][i][j] += even[j] + odd[j];
  }
}

#else

// The assembler's mnemonics rather than the compiler's macros, which take literals only.
struct alignas(64) TileConfig {
  std::uint8_t palette, start_row, reserved[14];
  std::uint16_t row_bytes[16];
  std::uint8_t rows[16];
};

PYSEQ_INLINE void tiles_configure() {
  TileConfig c{};
  c.palette = 1;
  for (int i = 0; i < 8; ++i) c.row_bytes[i] = kTileBytes, c.rows[i] = kTileRows;
  __asm__ volatile("ldtilecfg %0" ::"m"(c));
}
PYSEQ_INLINE void tiles_release() { __asm__ volatile("tilerelease"); }

template <int T>
PYSEQ_INLINE void tile_zero() {
  __asm__ volatile("tilezero %%tmm%c0" ::"i"(T));
}
template <int T>
PYSEQ_INLINE void tile_load(const void* p, Index stride) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(p), "r"(stride), "i"(T) : "memory");
}
template <int T>
PYSEQ_INLINE void tile_store(void* p, Index stride) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(p), "r"(stride), "i"(T) : "memory");
}
template <int C, int A, int B>
PYSEQ_INLINE void tile_multiply() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
}

#endif

}  // namespace pyseq::PYSEQ_NS
