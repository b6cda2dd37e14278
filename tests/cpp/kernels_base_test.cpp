#define PYSEQ_NS base
#define PYSEQ_REAL float
#include "kernels_test.inc"
