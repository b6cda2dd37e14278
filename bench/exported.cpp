// Microseconds of one row, and of one step, through the headers that exported.py writes and names: the best of
// many rounds.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <type_traits>

#include "exported_headers.h"

namespace {

float in[1 << 16], out[1 << 16];

template <class F>
double microseconds(F call, int times) {
  const auto started = std::chrono::steady_clock::now();
  for (int i = 0; i < times; ++i) {
    call();
    __asm__ volatile("" ::: "memory");  // every call counts
  }
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - started;
  return took.count() / times;
}

template <class F>
double best(F call) {
  double least = 1e30;
  for (int round = 0; round < 200; ++round) {
    const double once = microseconds(call, 1);
    least = std::min(least, microseconds(call, std::max(1, static_cast<int>(500 / (once + 0.1)))));
  }
  return least;
}

template <class M, class = void>
struct Step {
  static void measure(M&) { std::printf(" -\n"); }
};
template <class M>
struct Step<M, std::void_t<decltype(M::kStepInputs)>> {
  static void measure(M& m) { std::printf(" %.3f\n", best([&] { m.step(in, out); })); }
};

template <class M>
void measure(const char* name) {
  static M m;
  static_assert(M::kInputs <= 1 << 16 && M::kOutputs <= 1 << 16);
  std::printf("%s %.3f", name, best([&] { m.run(in, out); }));
  Step<M>::measure(m);
}

}  // namespace

int main() {
  std::fill(in, in + (1 << 16), 0.5f);
#define PYSEQ_MEASURE(name) measure<name::Model>(#name);
  PYSEQ_EXPORTED(PYSEQ_MEASURE)
}
