#define PYSEQ_NS ref64
#define PYSEQ_REAL double
#include "kernels_test.inc"
