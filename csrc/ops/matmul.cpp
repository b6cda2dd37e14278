// y = a b, matrix by matrix    a (N, ..., M, K)  b (N, ..., K, P)  y (N, ..., M, P)
// Attributes transpose_a, transpose_b: the operand comes with its last two axes swapped. Leading
// axes are equal or broadcast.
#include "kernels/gemm.h"
#include "kernels/matmul_plan.h"

namespace pyseq::PYSEQ_NS {
namespace {

struct Config {
  Matmul of;
  int shared, worker;  // scratch of one product at a time
  int alone;           // of a worker that multiplies by itself
  Index alone_shared;
};

// From here on each product of a call is one worker's; fewer share the workers.
constexpr Index kManyProducts = 8;

void plan(Plan& p) {
  Config& c = p.config<Config>();
  Shape y;
  c.of = make_matmul(p, y);
  p.output(y);
  const Index m = c.of.m, k = c.of.k, n = c.of.p;
  const GemmScratch each[] = {gemm_scratch(m, n, k), gemm_scratch(m, k, n), gemm_scratch(k, m, n),
                              gemm_scratch(k, n, m), gemm_scratch(n, k, m)};
  GemmScratch s{0, 0};
  for (int i = 0; i < (p.training() ? 5 : 1); ++i) {
    if (each[i].fixed > s.fixed) s.fixed = each[i].fixed;
    if (each[i].per_worker > s.per_worker) s.per_worker = each[i].per_worker;
  }
  if (p.training()) {
    p.backward_reads_input(0);
    p.backward_reads_input(1);
  }
  c.shared = p.scratch(0, s.fixed);
  c.worker = p.scratch(0, 0, s.per_worker);
  c.alone_shared = s.fixed;
  c.alone = p.scratch(0, 0, s.fixed + s.per_worker);
  const double work = 2.0 * static_cast<double>(c.of.count) * static_cast<double>(m * k) * static_cast<double>(n);
  p.flops(work, 2 * work);
}

// Runs f(i, multiply) for i in [0, count), where multiply(gemm) does one product.
template <class F>
PYSEQ_INLINE void for_products(const Run& r, const Config& c, Index count, F&& f) {
  if (count >= kManyProducts) {
    const Index work = c.of.m * c.of.k * c.of.p;
    parallel_for(r.pool, count, 1 + 65536 / (work + 1), [&](Index begin, Index end, int worker) {
      real* const own = r.scratch(c.alone, worker);
      for (Index i = begin; i < end; ++i)
        f(i, [&](const Gemm& g) { gemm(nullptr, g, own, own + c.alone_shared, 0); });
    });
    return;
  }
  for (Index i = 0; i < count; ++i)
    f(i, [&](const Gemm& g) {
      gemm(r.pool, g, r.scratch(c.shared), r.scratch(c.worker, 0),
           r.worker_stride_[c.worker] / static_cast<Index>(sizeof(real)));
    });
}

struct Matrix {
  const real* p;
  Index row, col;
};
PYSEQ_INLINE Matrix matrix(const real* p, Index cols, bool transposed) {
  return transposed ? Matrix{p, 1, cols} : Matrix{p, cols, 1};
}
PYSEQ_INLINE Gemm product(const Matrix& a, const Matrix& b, Index m, Index n, Index k, real* c) {
  Gemm g;
  g.m = m, g.n = n, g.k = k;
  g.a = a.p, g.a_row = a.row, g.a_col = a.col;
  g.b = b.p, g.b_row = b.row, g.b_col = b.col;
  g.c = c, g.ldc = n;
  return g;
}

// Columns of an operand as it lies in memory.
PYSEQ_INLINE Index columns_of(const Matmul& c, int operand) {
  return operand == 0 ? (c.transpose[0] ? c.m : c.k) : (c.transpose[1] ? c.k : c.p);
}

void forward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  const Matmul& d = c.of;
  const real *a = r.x(0), *b = r.x(1);
  real* y = r.y();
  for_products(r, c, r.n * d.count, [&](Index i, auto multiply) {
    const real* left = a + matrix_of(d.stack, d.stack.of[0], i) * d.m * d.k;
    const real* right = b + matrix_of(d.stack, d.stack.of[1], i) * d.k * d.p;
    multiply(product(matrix(left, columns_of(d, 0), d.transpose[0]),
                     matrix(right, columns_of(d, 1), d.transpose[1]), d.m, d.p, d.k,
                     y + i * d.m * d.p));
  });
}

// da = dy b^T and db = a^T dy, laid out as a and b; of a broadcast matrix, the sum over products.
void gradient(const Run& r, const Config& c, int which, real* dx) {
  const Matmul& d = c.of;
  const Operand& own = d.stack.of[which];
  const Operand& other = d.stack.of[1 - which];
  const Index own_size = which == 0 ? d.m * d.k : d.k * d.p;
  const Index other_size = which == 0 ? d.k * d.p : d.m * d.k;
  const real *from = r.x(1 - which), *dy = r.dy();
  const Index times = own.whole ? 1 : d.count / own.size;
  const bool turned = d.transpose[which];
  for_products(r, c, r.n * own.size, [&](Index i, auto multiply) {
    for (Index j = 0; j < times; ++j) {
      const Index at = product_of(d.stack, own, i, j);
      const Matrix g{dy + at * d.m * d.p, d.p, 1}, g_turned{g.p, 1, d.p};
      const real* p = from + matrix_of(d.stack, other, at) * other_size;
      const bool swapped = d.transpose[1 - which];
      const Matrix o = matrix(p, columns_of(d, 1 - which), swapped);
      const Matrix o_turned{o.p, o.col, o.row};
      real* to = dx + i * own_size;
      Gemm m = which == 0
                   ? (turned ? product(o, g_turned, d.k, d.m, d.p, to)
                             : product(g, o_turned, d.m, d.k, d.p, to))
                   : (turned ? product(g_turned, o, d.p, d.k, d.m, to)
                             : product(o_turned, g, d.k, d.p, d.m, to));
      m.accumulate = j > 0;
      multiply(m);
    }
  });
}

void backward(const Run& r) noexcept {
  const Config& c = r.config<Config>();
  for (int k = 0; k < 2; ++k)
    if (r.dx(k)) gradient(r, c, k, r.dx(k));
}

}  // namespace

extern const OpDef op_matmul;
const OpDef op_matmul{"matmul", plan, forward, backward};

}  // namespace pyseq::PYSEQ_NS
