#pragma once
// Compiled once per instruction set: PYSEQ_NS names the namespace of this build of the kernels
// (base, avx2, avx512, amx, ref64), PYSEQ_REAL its element type.
#include "core/op.h"

#ifndef PYSEQ_NS
#define PYSEQ_NS base
#endif
#ifndef PYSEQ_REAL
#define PYSEQ_REAL float
#endif

namespace pyseq::PYSEQ_NS {
using real = PYSEQ_REAL;
}
