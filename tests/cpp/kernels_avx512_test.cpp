#define PYSEQ_NS avx512
#define PYSEQ_REAL float
#include "kernels_test.inc"
