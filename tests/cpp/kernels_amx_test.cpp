#define PYSEQ_NS amx
#define PYSEQ_REAL float
#include "kernels_test.inc"
