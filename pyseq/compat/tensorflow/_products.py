"""Products of matrices and what `tf.linalg` has."""

from __future__ import annotations

import numpy as np

from pyseq.compat.tensorflow._arrays import _axes, _given, reduce_euclidean_norm
from pyseq.compat.tensorflow._tensors import operands


def norm(tensor, ord="euclidean", axis=None, keepdims=None, name=None):
    """Return the norm of a tensor, its vectors or its matrices."""
    x = _given(tensor)
    if ord == "euclidean":
        return reduce_euclidean_norm(x, axis, bool(keepdims))
    return np.linalg.norm(x.ravel() if axis is None else x, ord, _axes(axis), bool(keepdims))


def matmul(a, b, transpose_a=False, transpose_b=False, name=None, **kwargs):
    """Return the product of matrices, or of batches of them."""
    a, b = operands([a, b])
    a = matrix_transpose(a) if transpose_a else a
    return np.matmul(a, matrix_transpose(b) if transpose_b else b)


def matvec(a, b, name=None, **kwargs):
    """Return the product of matrices and vectors."""
    a, b = operands([a, b])
    return np.matmul(a, b[..., None])[..., 0]


def matrix_transpose(a, name=None, conjugate=False):
    """Return matrices with rows and columns exchanged."""
    return np.swapaxes(_given(a), -1, -2)


def tensordot(a, b, axes, name=None):
    """Return the sum of products over axes."""
    return np.tensordot(*operands([a, b]), axes)


def einsum(equation, *inputs, **kwargs):
    """Return the sum of products that an equation describes."""
    return np.einsum(equation, *operands(inputs))


def diag(diagonal, name=None):
    """Return square matrices with the given diagonals."""
    x = _given(diagonal)
    return x[..., None] * np.eye(x.shape[-1], dtype=x.dtype)


def diag_part(input, name=None):
    """Return the diagonals of matrices."""
    return np.diagonal(_given(input), axis1=-2, axis2=-1).copy()


def trace(x, name=None):
    """Return the sums of the diagonals."""
    return np.trace(_given(x), axis1=-2, axis2=-1)


def inv(input, adjoint=False, name=None):
    """Return inverse matrices."""
    return np.linalg.inv(_given(input))


def det(input, name=None):
    """Return determinants."""
    return np.linalg.det(_given(input))


def cholesky(input, name=None):
    """Return the lower triangles whose squares are the matrices."""
    return np.linalg.cholesky(_given(input))


def qr(input, full_matrices=False, name=None):
    """Return an orthogonal and an upper triangular matrix."""
    return tuple(np.linalg.qr(_given(input), "complete" if full_matrices else "reduced"))


def svd(tensor, full_matrices=False, compute_uv=True, name=None):
    """Return singular values, and the matrices U and V (not transposed)."""
    x = _given(tensor)
    if not compute_uv:
        return np.linalg.svd(x, compute_uv=False)
    u, s, vh = np.linalg.svd(x, full_matrices)
    return s, u, np.swapaxes(vh, -1, -2)


def eigh(tensor, name=None):
    """Return eigenvalues and eigenvectors of symmetric matrices."""
    return tuple(np.linalg.eigh(_given(tensor)))


def solve(matrix, rhs, adjoint=False, name=None):
    """Return x of matrix x = rhs."""
    return np.linalg.solve(*operands([matrix, rhs]))
