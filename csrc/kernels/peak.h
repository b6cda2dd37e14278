#pragma once
#include "kernels/real.h"

namespace pyseq::PYSEQ_NS {

// Multiplies and adds on registers alone, the most that a core can do; returns how many operations.
double multiply_adds(Index steps);

}  // namespace pyseq::PYSEQ_NS
