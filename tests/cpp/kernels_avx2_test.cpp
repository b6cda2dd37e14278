#define PYSEQ_NS avx2
#define PYSEQ_REAL float
#include "kernels_test.inc"
