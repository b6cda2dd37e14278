#include "kernels/peak.h"

#include "kernels/simd.h"

namespace pyseq::PYSEQ_NS {

double multiply_adds(Index steps) {
  // More sums side by side than latency times units on any core.
  constexpr int kSums = 12;
  V sum[kSums];
  const V a = splat(real(0.999999)), b = splat(real(1e-6));
#pragma GCC unroll 12
  for (int i = 0; i < kSums; ++i) sum[i] = b;
  for (Index s = 0; s < steps; ++s) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) {
      sum[i] = sum[i] * a + b;
#if defined(__x86_64__)
      asm volatile("" : "+v"(sum[i]));  // the compiler may not fold the loop
#elif defined(__aarch64__)
      asm volatile("" : "+w"(sum[i]));
#endif
    }
  }
  V all = sum[0];
#pragma GCC unroll 12
  for (int i = 1; i < kSums; ++i) all += sum[i];
  volatile real sink = horizontal_sum(all);
  (void)sink;
  return 2.0 * kSums * kLanes * static_cast<double>(steps);
}

}  // namespace pyseq::PYSEQ_NS
