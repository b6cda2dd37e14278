// Matrix products by cuBLASLt. Its matrices are column major: C^T = B^T A^T.
#include "cuda/gemm.h"

#include <cublasLt.h>

#include <map>
#include <tuple>

#include "cuda/libraries.h"

namespace pyseq::cuda {
namespace {

// How cuBLASLt reads an operand: `transposed` against the column-major matrix that the product needs.
struct Operand {
  Index ld;
  bool transposed;
};

// rows x cols with strides, one of which is 1; as the column-major matrix (cols, rows).
Operand operand(Index rows, Index cols, Index row_step, Index col_step) {
  if (col_step == 1) return {row_step < cols ? cols : row_step, false};
  return {col_step < rows ? rows : col_step, true};
}

int alignment(const void* p) {
  const auto at = reinterpret_cast<std::uintptr_t>(p);
  for (int a = 256; a > 4; a /= 2)
    if (at % static_cast<unsigned>(a) == 0) return a;
  return 4;
}

using Key = std::tuple<Index, Index, Index, Index, Index, Index, bool, bool, int, bool, int, Index, Index,
                       Index, Index, int, int, int>;

struct Product {
  cublasLtMatmulDesc_t desc = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr;
  cublasLtMatmulAlgo_t algo{};
  bool usable = false;

  Product() = default;
  Product(const Product&) = delete;
  Product& operator=(const Product&) = delete;
  ~Product() {
    if (c) cublasLtMatrixLayoutDestroy(c);
    if (b) cublasLtMatrixLayoutDestroy(b);
    if (a) cublasLtMatrixLayoutDestroy(a);
    if (desc) cublasLtMatmulDescDestroy(desc);
  }
};

cublasComputeType_t compute_type() {
  switch (matmul_precision()) {
    case 1: return CUBLAS_COMPUTE_32F_FAST_16BF;
    case 2: return CUBLAS_COMPUTE_32F_FAST_TF32;
    default: return CUBLAS_COMPUTE_32F;
  }
}

void layout(cublasLtMatrixLayout_t* to, const Operand& o, Index rows, Index cols, Index count, Index step) {
  if (o.transposed) std::swap(rows, cols);
  cublasLtMatrixLayoutCreate(to, CUDA_R_32F, static_cast<std::uint64_t>(rows),
                             static_cast<std::uint64_t>(cols), o.ld);
  if (count == 1) return;
  const auto n = static_cast<std::int32_t>(count);
  cublasLtMatrixLayoutSetAttribute(*to, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &n, sizeof n);
  cublasLtMatrixLayoutSetAttribute(*to, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &step, sizeof step);
}

// Products of one context; a context is used by one host thread at a time.
struct Products {
  cublasLtHandle_t handle = nullptr;
  std::map<Key, Product> known;
};

Products& products(DeviceStream* s) { return *reinterpret_cast<Products*>(s->blas); }

void choose(DeviceStream* s, Product& p, const Gemm& g, const Batch& batch, const Operand& a, const Operand& b,
            cublasLtEpilogue_t epilogue, const int (&align)[3]) {
  cublasLtMatmulDescCreate(&p.desc, compute_type(), CUDA_R_32F);
  const cublasOperation_t first = b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  const cublasOperation_t second = a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  cublasLtMatmulDescSetAttribute(p.desc, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first);
  cublasLtMatmulDescSetAttribute(p.desc, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second);
  cublasLtMatmulDescSetAttribute(p.desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
  if (epilogue != CUBLASLT_EPILOGUE_DEFAULT)
    cublasLtMatmulDescSetAttribute(p.desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &g.bias, sizeof g.bias);
  layout(&p.a, b, g.n, g.k, batch.count, batch.b_step);
  layout(&p.b, a, g.k, g.m, batch.count, batch.a_step);
  layout(&p.c, {g.ldc < g.n ? g.n : g.ldc, false}, g.n, g.m, batch.count, batch.c_step);

  cublasLtMatmulPreference_t preference = nullptr;
  cublasLtMatmulPreferenceCreate(&preference);
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t what, const auto& value) {
    cublasLtMatmulPreferenceSetAttribute(preference, what, &value, sizeof value);
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<std::uint64_t>(s->workspace_bytes));
  // The same bits in every run: partial sums go to the workspace and are added in order.
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<std::uint32_t>(align[1]));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<std::uint32_t>(align[0]));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<std::uint32_t>(align[2]));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<std::uint32_t>(align[2]));
  cublasLtMatmulHeuristicResult_t best{};
  const auto ask = [&] {
    int found = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
        products(s).handle, p.desc, p.a, p.b, p.c, p.c, preference, 1, &best, &found);
    p.usable = status == CUBLAS_STATUS_SUCCESS && found == 1 && best.state == CUBLAS_STATUS_SUCCESS;
  };
  ask();
  if (!p.usable && compute_type() != CUBLAS_COMPUTE_32F) {  // GPUs before 8.0 have no other
    const cublasComputeType_t exact = CUBLAS_COMPUTE_32F;
    cublasLtMatmulDescSetAttribute(p.desc, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, &exact, sizeof exact);
    ask();
  }
  cublasLtMatmulPreferenceDestroy(preference);
  p.algo = best.algo;
}

bool plain_relu(const Activation& act) {
  return act.kind == kRelu && act.a == 0 && act.c == 0 && act.b > 3e38f;
}

}  // namespace

void open_blas(DeviceStream* s) {
  auto* p = new Products;
  s->blas = reinterpret_cast<cublasLtContext*>(p);
  if (cublasLtCreate(&p->handle) != CUBLAS_STATUS_SUCCESS)
    throw Error("cuda: expected cuBLASLt to start, got a failure; is nvidia-cublas of this CUDA version "
                "installed (pip install \"pyseq-nn[cuda]\")?");
}

void close_blas(DeviceStream* s) {
  auto* p = reinterpret_cast<Products*>(s->blas);
  if (!p) return;
  p->known.clear();
  if (p->handle) cublasLtDestroy(p->handle);
  delete p;
  s->blas = nullptr;
}

void gemm(DeviceStream* s, const Gemm& g, const Batch& batch) {
  if (g.m <= 0 || g.n <= 0 || batch.count <= 0) return;
  float* const out = g.c;
  const float* const bias = g.bias;
  const Activation act = g.act;
  const Index n = g.n, ldc = g.ldc, step = batch.c_step, per = g.m * g.n;
  if (g.k <= 0) {
    if (g.accumulate) return;
    for_each(s, per * batch.count, [=] __device__(Index i) {
      const Index j = i % n;
      out[i / per * step + i % per / n * ldc + j] = activate(act, bias ? bias[j] : 0.0f);
    });
    return;
  }
  const Operand a = operand(g.m, g.k, g.a_row, g.a_col), b = operand(g.k, g.n, g.b_row, g.b_col);
  const bool relu = plain_relu(act);
  const cublasLtEpilogue_t epilogue = bias ? (relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS)
                                      : relu ? CUBLASLT_EPILOGUE_RELU
                                             : CUBLASLT_EPILOGUE_DEFAULT;
  const int align[3] = {alignment(g.a), alignment(g.b), alignment(g.c)};
  try {
    const Key key{g.m, g.n, g.k, a.ld, b.ld, g.ldc, a.transposed, b.transposed, static_cast<int>(epilogue),
                  g.accumulate, matmul_precision(), batch.count, batch.a_step, batch.b_step, batch.c_step,
                  align[0], align[1], align[2]};
    const auto [at, fresh] = products(s).known.try_emplace(key);
    Product& p = at->second;
    if (fresh) choose(s, p, g, batch, a, b, epilogue, align);
    if (!p.usable) return s->note(cudaErrorNotSupported, "matrix product");
    if (bias)
      cublasLtMatmulDescSetAttribute(p.desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
    const float one = 1, old = g.accumulate ? 1.0f : 0.0f;
    const cublasStatus_t status =
        cublasLtMatmul(products(s).handle, p.desc, &one, g.b, p.a, g.a, p.b, &old, g.c, p.c, g.c, p.c,
                       &p.algo, s->workspace, s->workspace_bytes, s->handle);
    if (status != CUBLAS_STATUS_SUCCESS) return s->note(cudaErrorUnknown, "matrix product");
  } catch (...) {
    return s->note(cudaErrorMemoryAllocation, "matrix product");
  }
  if (relu || act.kind == kLinear) return;
  for_each(s, per * batch.count, [=] __device__(Index i) {
    float& y = out[i / per * step + i % per / n * ldc + i % n];
    y = activate(act, y);
  });
}

}  // namespace pyseq::cuda
