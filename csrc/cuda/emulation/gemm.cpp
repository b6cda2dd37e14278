#include "cuda/gemm.h"

#include "cuda/libraries.h"

namespace pyseq::cuda {

void open_blas(DeviceStream*) {}
void close_blas(DeviceStream*) {}

void gemm(DeviceStream* s, const Gemm& g, const Batch& batch) {
  s->handle->enqueue([=] {
    for (Index k = 0; k < batch.count; ++k) {
      const float *a = g.a + k * batch.a_step, *b = g.b + k * batch.b_step;
      float* c = g.c + k * batch.c_step;
      for (Index i = 0; i < g.m; ++i)
        for (Index j = 0; j < g.n; ++j) {
          double sum = g.bias ? static_cast<double>(g.bias[j]) : 0.0;
          for (Index p = 0; p < g.k; ++p)
            sum += static_cast<double>(a[i * g.a_row + p * g.a_col]) *
                   static_cast<double>(b[p * g.b_row + j * g.b_col]);
          float& out = c[i * g.ldc + j];
          out = g.accumulate ? out + static_cast<float>(sum) : activate(g.act, static_cast<float>(sum));
        }
    }
  });
}

}  // namespace pyseq::cuda
