#pragma once
// PYSEQ_PLAIN_NS: the level of what gains nothing from tiles. `amx` takes it from `avx512`, and has only
// the rest anew.
#include "kernels/real.h"

#if defined(PYSEQ_AMX) && !defined(PYSEQ_AMX_EMULATE)
#define PYSEQ_PLAIN_NS avx512
namespace pyseq::PYSEQ_PLAIN_NS {
using real = PYSEQ_REAL;
}
#else
#define PYSEQ_PLAIN_NS PYSEQ_NS
#endif
