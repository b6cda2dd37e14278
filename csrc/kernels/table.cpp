// The table of one ISA build. ops.inc, losses.inc and optimizers.inc list the files of the folders.
#include "core/isa.h"
#include "kernels/constraint.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "kernels/peak.h"
#include "kernels/penalty.h"
#include "kernels/plain.h"
#include "kernels/real.h"

#define PYSEQ_TEXT_(x) #x
#define PYSEQ_TEXT(x) PYSEQ_TEXT_(x)

namespace pyseq {

#define PYSEQ_ENTRY(level, name)    \
  namespace level {                 \
  extern const OpDef op_##name;     \
  }
#include "ops.inc"
#undef PYSEQ_ENTRY
#define PYSEQ_ENTRY(level, name)    \
  namespace level {                 \
  extern const OpDef loss_##name;   \
  }
#include "losses.inc"
#undef PYSEQ_ENTRY
#define PYSEQ_ENTRY(level, name)               \
  namespace level {                            \
  extern const OptimizerDef optimizer_##name;  \
  }
#include "optimizers.inc"
#undef PYSEQ_ENTRY

namespace PYSEQ_NS {
namespace {

// The last entry stands for none: a build for inference has no losses.
const OpDef* const ops[] = {
#define PYSEQ_ENTRY(level, name) &level::op_##name,
#include "ops.inc"
#undef PYSEQ_ENTRY
    nullptr};
const OpDef* const losses[] = {
#define PYSEQ_ENTRY(level, name) &level::loss_##name,
#include "losses.inc"
#undef PYSEQ_ENTRY
    nullptr};
const OptimizerDef* const optimizers[] = {
#define PYSEQ_ENTRY(level, name) &level::optimizer_##name,
#include "optimizers.inc"
#undef PYSEQ_ENTRY
    nullptr};

// Tiles exist on few machines, and an emulator or a hypervisor may get them wrong: one product, large
// enough for them, against plain sums.
bool self_test() {
#if defined(PYSEQ_AMX)
  constexpr Index n = 128;
  const GemmScratch size = gemm_scratch(n, n, n);
  const Index fixed = (size.fixed + 15) / 16 * 16;
  const auto bytes = static_cast<std::size_t>(3 * n * n + fixed + size.per_worker + 32) * sizeof(real);
  char* const memory = static_cast<char*>(__builtin_malloc(bytes));
  if (!memory) return false;
  real* const a = reinterpret_cast<real*>(memory + (64 - reinterpret_cast<std::uintptr_t>(memory) % 64));
  real *b = a + n * n, *c = b + n * n;
  real* shared = c + n * n;
  std::uint32_t state = 1;
  for (Index i = 0; i < 2 * n * n; ++i) {
    state = state * 1664525u + 1013904223u;
    a[i] = static_cast<real>(static_cast<std::int32_t>(state) >> 8) / real(8388608);
  }
  Gemm g;
  g.m = g.n = g.k = n;
  g.a = a, g.a_row = n;
  g.b = b, g.b_row = n;
  g.c = c, g.ldc = n;
  gemm(nullptr, g, shared, shared + fixed, size.per_worker);
  bool good = true;
  for (Index i = 0; i < n; i += 5)
    for (Index j = 0; j < n; ++j) {
      double sum = 0;
      for (Index k = 0; k < n; ++k) sum += static_cast<double>(a[i * n + k]) * b[k * n + j];
      const double off = sum - static_cast<double>(c[i * n + j]);
      good = good && off < 1e-3 && off > -1e-3;
    }
  __builtin_free(memory);
  return good;
#else
  return true;
#endif
}

template <class T, int N>
constexpr int count(T (&)[N]) {
  return N - 1;
}

}  // namespace

extern const KernelTable table;
const KernelTable table{PYSEQ_TEXT(PYSEQ_NS), sizeof(real),     ops,      count(ops),
                        losses,               count(losses),    optimizers, count(optimizers),
                        add,                  blend,            sum_squares, all_finite,
                        penalty,              constrain,        self_test,  multiply_adds, nullptr};

}  // namespace PYSEQ_NS
}  // namespace pyseq
