#include "cuda/gemm.h"
#include "kernels/matmul_plan.h"

namespace pyseq::cuda {
namespace {

void plan(Plan& p) {
  Matmul& c = p.config<Matmul>();
  Shape y;
  c = make_matmul(p, y);
  p.output(y);
  p.backward_reads_input(0);
  p.backward_reads_input(1);
}

struct Matrix {
  const float* p;
  Index row, col;
};
Matrix matrix(const float* p, Index cols, bool transposed) {
  return transposed ? Matrix{p, 1, cols} : Matrix{p, cols, 1};
}
Matrix turned(const Matrix& m) { return {m.p, m.col, m.row}; }
Gemm product(const Matrix& a, const Matrix& b, Index m, Index n, Index k, float* c) {
  Gemm g;
  g.m = m, g.n = n, g.k = k;
  g.a = a.p, g.a_row = a.row, g.a_col = a.col;
  g.b = b.p, g.b_row = b.row, g.b_col = b.col;
  g.c = c, g.ldc = n;
  return g;
}

// Columns of an operand as it lies in memory.
Index columns_of(const Matmul& c, int operand) {
  return operand == 0 ? (c.transpose[0] ? c.m : c.k) : (c.transpose[1] ? c.k : c.p);
}

// One call does as many products as lie evenly: all of them where nothing is broadcast, else those of
// all rows for each product of a sample.
struct Calls {
  Index count, products, rows;
};
Calls calls(const Matmul& d, Index n) {
  const bool whole = d.stack.of[0].whole && d.stack.of[1].whole;
  return whole ? Calls{1, n * d.count, n} : Calls{d.count, n, n};
}

void forward(const Run& r) noexcept {
  const Matmul& d = r.config<Matmul>();
  const float *a = r.x(0), *b = r.x(1);
  float* y = r.y();
  const Calls c = calls(d, r.n);
  const bool whole = c.count == 1;
  for (Index i = 0; i < c.count; ++i) {
    const float* at[2] = {a + matrix_of(d.stack, d.stack.of[0], i) * d.m * d.k,
                          b + matrix_of(d.stack, d.stack.of[1], i) * d.k * d.p};
    const Matrix left = matrix(at[0], columns_of(d, 0), d.transpose[0]);
    const Matrix right = matrix(at[1], columns_of(d, 1), d.transpose[1]);
    Batch batch;
    batch.count = c.products;
    batch.a_step = (whole ? 1 : d.stack.of[0].sample) * d.m * d.k;
    batch.b_step = (whole ? 1 : d.stack.of[1].sample) * d.k * d.p;
    batch.c_step = (whole ? 1 : d.count) * d.m * d.p;
    gemm(r.stream, product(left, right, d.m, d.p, d.k, y + i * d.m * d.p), batch);
  }
}

// da = dy b^T and db = a^T dy, laid out as a and b; of a broadcast matrix, the sum over products.
void gradient(const Run& r, const Matmul& d, int which, float* dx) {
  const Operand& own = d.stack.of[which];
  const Operand& other = d.stack.of[1 - which];
  const Index own_size = which == 0 ? d.m * d.k : d.k * d.p;
  const Index other_size = which == 0 ? d.k * d.p : d.m * d.k;
  const float *from = r.x(1 - which), *dy = r.dy();
  const bool whole = own.whole && other.whole;
  const Index times = whole || own.whole ? 1 : d.count / own.size;
  Batch batch;
  batch.count = whole ? r.n * d.count : r.n;
  const Index g_step = (whole ? 1 : d.count) * d.m * d.p;
  const Index o_step = (whole ? 1 : other.sample) * other_size;
  batch.c_step = (whole ? 1 : own.sample) * own_size;
  for (Index i = 0; i < (whole ? 1 : own.size); ++i)
    for (Index j = 0; j < times; ++j) {
      const Index at = product_of(d.stack, own, i, j);
      const Matrix g{dy + at * d.m * d.p, d.p, 1};
      const float* p = from + matrix_of(d.stack, other, at) * other_size;
      const Matrix o = matrix(p, columns_of(d, 1 - which), d.transpose[1 - which]);
      float* to = dx + i * own_size;
      const bool swapped = d.transpose[which];
      // The other operand stands on the left for db, and where the result is transposed for da.
      const bool other_first = (which == 0) == swapped;
      batch.a_step = other_first ? o_step : g_step;
      batch.b_step = other_first ? g_step : o_step;
      Gemm m = which == 0 ? (swapped ? product(o, turned(g), d.k, d.m, d.p, to)
                                     : product(g, turned(o), d.m, d.k, d.p, to))
                          : (swapped ? product(turned(g), o, d.p, d.k, d.m, to)
                                     : product(turned(o), g, d.k, d.p, d.m, to));
      m.accumulate = j > 0;
      gemm(r.stream, m, batch);
    }
}

void backward(const Run& r) noexcept {
  const Matmul& d = r.config<Matmul>();
  for (int k = 0; k < 2; ++k)
    if (r.dx(k)) gradient(r, d, k, r.dx(k));
}

}  // namespace

extern const OpDef op_matmul;
const OpDef op_matmul{"matmul", plan, forward, backward};

}  // namespace pyseq::cuda
