#pragma once
// Which levels of the kernels the CPU of this process runs: asked at run time, and by CMake for
// PYSEQ_ISAS=native. cmake/native_isas.cpp is compiled before the rest, with the platform alone.
#include <cstring>

#include "core/platform.h"

namespace pyseq {

// AMX tiles with bfloat16, and the system's permission to use them.
inline bool cpu_has_amx() {
#if defined(__x86_64__)
  unsigned a, b, c, d;
  __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(7), "c"(0));
  const bool tile = d & (1u << 24), bf16 = d & (1u << 22);
  return tile && bf16 && platform::allow_tiles();
#else
  return false;
#endif
}

inline bool cpu_runs(const char* isa) {
  if (!std::strcmp(isa, "base") || !std::strcmp(isa, "ref64")) return true;
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
  if (!std::strcmp(isa, "avx2")) return avx2;
  if (!std::strcmp(isa, "avx512")) return avx512;
  if (!std::strcmp(isa, "amx"))
    return avx512 && __builtin_cpu_supports("avx512bf16") && cpu_has_amx();
#endif
  return false;
}

}  // namespace pyseq
