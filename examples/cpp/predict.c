/* The same from C:  ./predict_c model.pyseq */
#include <pyseq.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
  pyseq_model* model;
  if (argc < 2) return fputs("usage: predict_c MODEL.pyseq\n", stderr), 2;
  if (pyseq_load(argv[1], &model)) return fprintf(stderr, "%s\n", pyseq_last_error()), 1;
  float* x = calloc((size_t)pyseq_input(model).size, sizeof *x);
  float* y = calloc((size_t)pyseq_output(model).size, sizeof *y);
  for (int64_t i = 0; i < pyseq_input(model).size; ++i) x[i] = 0.5f;
  if (pyseq_predict(model, 1, x, y)) return fprintf(stderr, "%s\n", pyseq_last_error()), 1;
  for (int64_t i = 0; i < pyseq_output(model).size; ++i) printf("%g ", y[i]);
  pyseq_free_model(model);
  return puts("") < 0;
}
