#include "cuda/gemm.h"

namespace pyseq::cuda {

// A block takes 32 columns; its 8 groups of threads take every eighth row and add up at the end.
void column_sum(Stream* s, const float* x, Index ld, Index rows, Index cols, float* out) {
  constexpr int kColumns = 32, kGroups = 8;
  for_blocks(s, (cols + kColumns - 1) / kColumns, kColumns * kGroups, kColumns * kGroups,
             [=] __device__(Index b, Block t) {
               const Index j = b * kColumns + t.thread % kColumns;
               const int group = t.thread / kColumns;
               float sum = 0;
               if (j < cols)
                 for (Index i = group; i < rows; i += kGroups) sum += x[i * ld + j];
               t.shared[t.thread] = sum;
               t.sync();
               if (group != 0 || j >= cols) return;
               for (int g = 1; g < kGroups; ++g) sum += t.shared[g * kColumns + t.thread];
               out[j] = sum;
             });
}

}  // namespace pyseq::cuda
