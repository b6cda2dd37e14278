#pragma once
// Operands that are broadcast against each other; see kernels/operands.h.
#include "cuda/divide.h"
#define PYSEQ_NS cuda
#include "kernels/operands.h"

namespace pyseq::cuda {

// Where an operand's elements are, by the elements of the batch of results.
struct Places {
  bool whole;
  Strided walk;
};
inline Places places(const Operands& o, int k) {
  return {o.of[k].whole, strided(o.rank, o.dim, o.of[k].stride, o.of[k].sample)};
}

// An operand in a kernel: an array, or (p null) a number.
struct Argument {
  const float* p;
  float number;
  Places places;

  __device__ float operator[](Index i) const {
    return p ? p[places.whole ? i : places.walk.at(i)] : number;
  }
};

}  // namespace pyseq::cuda
