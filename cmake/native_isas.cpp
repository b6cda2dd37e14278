// Prints those of PYSEQ_LEVELS that this CPU runs, for cmake/isa.cmake: one unit, which is what try_run takes.
#include <cstdio>

#include "core/cpu.h"
#include PYSEQ_PLATFORM_SOURCE

int main() {
  const char* const levels[] = {PYSEQ_LEVELS};
  for (const char* level : levels)
    if (pyseq::cpu_runs(level)) std::printf("%s;", level);
}
