#pragma once
// The recurrent product of a few rows with the gates of kLanes units in registers: what it adds up
// goes straight into the activations.
#include "kernels/rnn.h"
#include "kernels/simd.h"

namespace pyseq::PYSEQ_NS {

// Vectors that hold sums; the others hold weights and one element of h.
constexpr int kFusedSums = kVectorBytes >= 64 ? 28 : 12;
constexpr int kFusedRows = 7;

template <int N>
struct RnnCount {
  static constexpr int value = N;
};

PYSEQ_INLINE Index rnn_groups(Index u) { return (u + kLanes - 1) / kLanes; }

// sums[row][group][gate] += h (R, U) times the packed weights of P groups of units.
template <int G, int R, int P>
PYSEQ_INLINE void rnn_add_product(const real* h, Index ld_h, Index u, const real* packed,
                                  V (&sums)[R][P][G]) {
  const real* row[R];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) row[i] = h + i * ld_h;
  const Index group = u * G * kLanes;
  for (Index k = 0; k < u; ++k, packed += G * kLanes) {
    V w[P][G];
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
      for (int g = 0; g < G; ++g) w[p][g] = load(packed + p * group + g * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
      const real x = row[i][k];
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
        for (int g = 0; g < G; ++g) sums[i][p][g] += x * w[p][g];
    }
  }
}

template <int G, int R, int P, class Begin, class End>
PYSEQ_INLINE void rnn_fused_tile(const RnnStep& s, const real* packed, Index first, Index group,
                                 const Begin& begin, const End& end) {
  const Index u = s.rnn->u;
  V sums[R][P][G];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) {
      const Index j = (group + p) * kLanes;
      begin(first + i, j, j + kLanes <= u ? kLanes : static_cast<int>(u - j), sums[i][p]);
    }
  rnn_add_product<G, R, P>(s.h + first * s.ld_h, s.ld_h, u, packed + group * u * G * kLanes, sums);
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) {
      const Index j = (group + p) * kLanes;
      end(first + i, j, j + kLanes <= u ? kLanes : static_cast<int>(u - j), sums[i][p]);
    }
}

// begin(row, j, k, sums) sets the sums of k units from unit j on; end(row, j, k, sums) uses them.
// A row alone takes several groups at once: its few sums would wait for each other.
template <int G, class Begin, class End>
PYSEQ_INLINE void rnn_fused_step(const RnnStep& s, const real* packed, Index first_group,
                                 Index last_group, const Begin& begin, const End& end) {
  constexpr int kMost = kFusedSums / G < kFusedRows ? kFusedSums / G : kFusedRows;
  constexpr int kTogether = G == 1 ? 4 : 2;
  Index group = first_group;
  if (s.rows == 1)
    for (; group + kTogether <= last_group; group += kTogether)
      rnn_fused_tile<G, 1, kTogether>(s, packed, 0, group, begin, end);
  const Index panels = (s.rows + kMost - 1) / kMost;
  for (; group < last_group; ++group) {
    Index row = 0;
    for (Index panel = 0; panel < panels; ++panel) {
      const Index rows = s.rows / panels + (panel < s.rows % panels);
      const auto tile = [&](auto count) __attribute__((always_inline)) {
        rnn_fused_tile<G, decltype(count)::value, 1>(s, packed, row, group, begin, end);
      };
      switch (rows) {
        case 1:
          tile(RnnCount<1>{});
          break;
        case 2:
          tile(RnnCount<2>{});
          break;
        case 3:
          tile(RnnCount<3>{});
          break;
        case 4:
          if constexpr (kMost >= 4) tile(RnnCount<4>{});
          break;
        case 5:
          if constexpr (kMost >= 5) tile(RnnCount<5>{});
          break;
        case 6:
          if constexpr (kMost >= 6) tile(RnnCount<6>{});
          break;
        case 7:
          if constexpr (kMost >= 7) tile(RnnCount<7>{});
          break;
      }
      row += rows;
    }
  }
}

}  // namespace pyseq::PYSEQ_NS
