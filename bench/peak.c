// What the machine can do at most: float32 multiply-adds from registers, and memory bandwidth.
// Prints GFLOP/s of one thread's FMA loop and GB/s of a triad, summed over the threads given.
//   cc -O3 -march=native -fopenmp peak.c -o peak && ./peak 2
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__AVX512F__)
#define WIDTH 16
#elif defined(__AVX__)
#define WIDTH 8
#else
#define WIDTH 4
#endif
typedef float Vector __attribute__((vector_size(WIDTH * 4)));

// Twelve independent sums: more than the latency (4) times the units (2). Named, because an array
// stays in memory; the empty asm keeps the compiler from folding the loop.
#define EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
#define CHAINS 12
#if defined(__x86_64__)
#define REGISTER "+v"
#else
#define REGISTER "+w"
#endif

static double fma_gflops(long steps) {
  double start = omp_get_wtime(), sum = 0;
  int threads = 0;
#pragma omp parallel reduction(+ : sum)
  {
#pragma omp single
    threads = omp_get_num_threads();
    Vector a = {0}, b = {0};
    a = a + 0.999999f, b = b + 1e-6f;
#define DECLARE(i) Vector x##i = b;
#define STEP(i)        \
  x##i = x##i * a + b; \
  __asm__ volatile("" : REGISTER(x##i));
#define SUM(i) sum += x##i[0];
    EACH(DECLARE)
    for (long s = 0; s < steps; ++s) {
      EACH(STEP)
    }
    EACH(SUM)
  }
  double seconds = omp_get_wtime() - start;
  if (sum == 42) printf("#\n");
  return 2.0 * WIDTH * CHAINS * steps * threads / seconds * 1e-9;
}

static double triad_gbs(float* x, const float* y, const float* z, long size) {
  double start = omp_get_wtime();
#pragma omp parallel for schedule(static)
  for (long i = 0; i < size; ++i) x[i] = y[i] + 3.0f * z[i];
  return 12.0 * size / (omp_get_wtime() - start) * 1e-9;
}

int main(int argc, char** argv) {
  if (argc > 1) omp_set_num_threads(atoi(argv[1]));
  const long size = 32L << 20;
  float* x = aligned_alloc(64, 3 * size * sizeof(float));
  if (!x) return 1;
#pragma omp parallel for schedule(static)
  for (long i = 0; i < size; ++i) x[i] = x[size + i] = x[2 * size + i] = 1.0f;
  double flops = 0, bytes = 0;
  for (int i = 0; i < 5; ++i) {
    double f = fma_gflops(20000000), b = triad_gbs(x, x + size, x + 2 * size, size);
    flops = f > flops ? f : flops;
    bytes = b > bytes ? b : bytes;
  }
  printf("%.1f %.2f\n", flops, bytes);
  free(x);
}
