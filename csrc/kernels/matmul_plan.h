#pragma once
// Stacks of matrices, multiplied pair by pair; leading dimensions are broadcast.
#include "kernels/operands.h"

namespace pyseq::PYSEQ_NS {

// y = op(a) op(b), op the transpose where asked for. Of a sample: `count` products of M x K by
// K x P. The operands of `stack` are a, b and y counted in matrices.
struct Matmul {
  Index m, k, p, count;
  bool transpose[2];
  Operands stack;
};

// Which matrix of operand `o` belongs to product i of the batch.
PYSEQ_DEVICE PYSEQ_INLINE Index matrix_of(const Operands& s, const Operand& o, Index i) {
  if (o.whole) return i;
  Index from = 0;
  for (int d = s.rank; d-- > 0;) {
    from += i % s.dim[d] * o.stride[d];
    i /= s.dim[d];
  }
  return from + i * o.sample;
}
// The j-th product, of those of one sample, that matrix i of operand `o` takes part in.
PYSEQ_DEVICE PYSEQ_INLINE Index product_of(const Operands& s, const Operand& o, Index i, Index j) {
  if (o.whole) return i;
  Index matrix = i % o.size, product = 0, step = 1;
  for (int d = s.rank; d-- > 0;) {
    const Index n = s.dim[d];
    Index& from = o.stride[d] != 0 ? matrix : j;
    product += from % n * step;
    from /= n;
    step *= n;
  }
  return i / o.size * step + product;
}

namespace {

PYSEQ_INLINE Matmul make_matmul(const Plan& p, Shape& y) {
  Matmul c{};
  Shape shape[2] = {p.input(0), p.input(1)};
  c.transpose[0] = p.flag("transpose_a"), c.transpose[1] = p.flag("transpose_b");
  if (shape[0].rank < 2 || shape[1].rank < 2)
    p.fail("expected matrices of rank 2 or more, got ranks %d and %d", shape[0].rank,
           shape[1].rank);
  c.m = shape[0][c.transpose[0] ? -1 : -2];
  c.k = shape[0][c.transpose[0] ? -2 : -1];
  c.p = shape[1][c.transpose[1] ? -2 : -1];
  const Index inner = shape[1][c.transpose[1] ? -1 : -2];
  if (inner != c.k)
    p.fail("expected matrices that multiply, got %lld columns and %lld rows",
           static_cast<long long>(c.k), static_cast<long long>(inner));
  for (Shape& s : shape) s.rank -= 2;
  const bool shared[2] = {false, false};
  c.stack = make_operands(p, 2, shape, shared, y);
  c.count = c.stack.size;
  y.push(c.m);
  y.push(c.p);
  // One matrix on the right for all of a sample: the rows of the left ones stand in one matrix.
  if (!c.transpose[0] && c.stack.of[1].size == 1 && c.stack.of[0].whole) {
    c.m *= c.count;
    c.count = 1;
    const Shape one[2];
    Shape none;
    c.stack = make_operands(p, 2, one, shared, none);
  }
  return c;
}

}  // namespace
}  // namespace pyseq::PYSEQ_NS
