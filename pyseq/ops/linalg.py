"""The functions of `keras.ops.linalg`: matrices in the last two axes, in float32 or float64.

Cholesky factors, triangular systems and most norms also work on the tensors of a trace.

>>> from pyseq import ops
>>> ops.linalg.inv([[2.0, 0.0], [0.0, 4.0]]).tolist()
[[0.5, 0.0], [0.0, 0.25]]
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import symbolic
from pyseq.ops.derivatives import jvp
from pyseq.ops.promotion import fractional, operation

if TYPE_CHECKING:
    from pyseq.types import Axis, Tensor

_real = operation(fractional)


def _matrices(where, x, square=False):
    shape = tuple(x.shape)
    if len(shape) < 2 or (square and shape[-1] != shape[-2]):
        kind = "square matrices (..., n, n)" if square else "matrices (..., m, n)"
        raise ValueError(f"{where}: expected {kind}, got shape {shape}")


def _system(where, a, b):
    _matrices(where, a, square=True)
    rows = b.shape[-1] if _is_vector(a, b) else b.shape[-2] if b.ndim > 1 else None
    if rows != a.shape[-1]:
        raise ValueError(
            f"{where}: expected b (..., n) or (..., n, k) for a (..., n, n), got shapes "
            f"{tuple(a.shape)} and {tuple(b.shape)}"
        )


def _is_vector(a, b):
    return b.ndim == 1 or (b.ndim == a.ndim - 1 and tuple(b.shape) == tuple(a.shape[:-1]))


def _solvable(function):
    """What LAPACK refuses, in words that name the function."""

    @functools.wraps(function)
    def call(*args, **options):
        try:
            return function(*args, **options)
        except np.linalg.LinAlgError as error:
            raise ValueError(
                f"{function.__name__}: expected matrices that have a result, got some that do "
                f"not ({error}); add a multiple of the identity or use pinv"
            ) from error

    return call


@_solvable
@_real
def cholesky(x: Tensor, upper: bool = False) -> Tensor:
    """Return the lower triangles L with L L^T = x of positive definite matrices x (..., n, n).

    Args:
        upper: return L^T.

    Raises:
        ValueError: no square matrices, or some that are not positive definite.

    >>> cholesky([[4.0, 2.0], [2.0, 5.0]]).tolist()
    [[2.0, 0.0], [1.0, 2.0]]
    """
    _matrices("cholesky", x, square=True)
    if not upper:
        return _cholesky(x)
    # The other triangle of x is read then, as LAPACK does.
    return np.swapaxes(_cholesky(np.swapaxes(x, -1, -2)), -1, -2)


def _cholesky(x):
    if not symbolic.is_traced(x):
        return np.linalg.cholesky(x)
    n = x.shape[-1]
    if n == 1:
        return np.sqrt(x)
    k = n // 2
    first = _cholesky(x[..., :k, :k])
    below = np.swapaxes(_substitute(first, np.swapaxes(x[..., k:, :k], -1, -2), True), -1, -2)
    second = _cholesky(x[..., k:, k:] - np.matmul(below, np.swapaxes(below, -1, -2)))
    top = np.concatenate([first, np.zeros_like(np.swapaxes(below, -1, -2))], axis=-1)
    return np.concatenate([top, np.concatenate([below, second], axis=-1)], axis=-2)


@_real
def cholesky_inverse(x: Tensor, upper: bool = False) -> Tensor:
    """Return the inverse of the matrices whose Cholesky factors are `x` (..., n, n).

    Args:
        upper: whether `x` are the upper factors.

    Raises:
        ValueError: no square matrices.
    """
    _matrices("cholesky_inverse", x, square=True)
    inverse = _substitute(x, np.eye(x.shape[-1], dtype=x.dtype), not upper)
    turned = np.swapaxes(inverse, -1, -2)
    return np.matmul(inverse, turned) if upper else np.matmul(turned, inverse)


@_real
def det(x: Tensor) -> Tensor:
    """Return the determinants of matrices (..., n, n).

    Raises:
        ValueError: no square matrices.
    """
    _matrices("det", x, square=True)
    return np.linalg.det(x)


@_solvable
@operation(fractional, result="own")
def eig(x: Tensor) -> Tensor:
    """Return the eigenvalues (..., n) and eigenvectors, as columns (..., n, n), as complex numbers.

    Raises:
        ValueError: no square matrices, or numbers that are not finite.
    """
    _matrices("eig", x, square=True)
    kind = np.result_type(x.dtype, np.complex64)
    return tuple(part.astype(kind) for part in np.linalg.eig(x))


@_solvable
@_real
def eigh(x: Tensor) -> Tensor:
    """Return the rising eigenvalues and the eigenvectors (columns) of symmetric matrices.

    The lower triangle is what is read.

    Raises:
        ValueError: no square matrices, or numbers that are not finite.
    """
    _matrices("eigh", x, square=True)
    return tuple(np.linalg.eigh(x))


@_solvable
@_real
def inv(x: Tensor) -> Tensor:
    """Return the inverses of matrices (..., n, n).

    Raises:
        ValueError: no square matrices, or singular ones.
    """
    _matrices("inv", x, square=True)
    return np.linalg.inv(x)


@operation(fractional, result="own")
def lu_factor(x: Tensor) -> Tensor:
    """Return L and U of matrices (..., m, n) in one array, and the int32 pivots (..., min(m, n)).

    L has ones on its diagonal, which are not stored; row i was exchanged with row `pivots[i]`.

    Raises:
        ValueError: no matrices.

    >>> [part.tolist() for part in lu_factor([[1.0, 2.0], [4.0, 6.0]])]
    [[[4.0, 6.0], [0.25, 0.5]], [1, 1]]
    """
    _matrices("lu_factor", x)
    m, n = x.shape[-2:]
    lu = np.array(x).reshape(-1, m, n)
    each = np.arange(len(lu))
    pivots = np.zeros((len(lu), min(m, n)), np.int32)
    for k in range(min(m, n)):
        p = k + np.argmax(np.abs(lu[:, k:, k]), axis=1)
        pivots[:, k] = p
        lu[each, k], lu[each, p] = lu[each, p], lu[each, k]
        pivot = lu[:, k, k, None]
        lu[:, k + 1 :, k] /= np.where(pivot == 0, 1, pivot)
        lu[:, k + 1 :, k + 1 :] -= lu[:, k + 1 :, k, None] * lu[:, k, None, k + 1 :]
    return lu.reshape(x.shape), pivots.reshape(*x.shape[:-2], -1)


def _axes(x, axis):
    if axis is None:
        return tuple(range(x.ndim))
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    if any(not -x.ndim <= a < x.ndim for a in axes) or len({a % x.ndim for a in axes}) < len(axes):
        raise ValueError(f"norm: expected different axes of shape {tuple(x.shape)}, got {axis!r}")
    return tuple(a % x.ndim for a in axes)


@_real
def norm(x: Tensor, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return vector norms along one axis or matrix norms over two.

    Args:
        ord: None for the root of the sum of squares (over any axes); for vectors any number; for
            matrices "fro", "nuc", inf, -inf, 1, -1, 2 or -2.
        axis: one axis, two, or None for all.

    Raises:
        ValueError: an axis that is not there, or no such norm of a vector or matrix.

    >>> norm([3.0, 4.0]), norm(np.eye(2), "nuc")
    (np.float32(5.0), np.float64(2.0))
    """
    axes = _axes(x, axis)
    if ord is None or (len(axes) == 2 and ord == "fro"):
        return np.sqrt(np.sum(np.square(np.abs(x)), axis=axes, keepdims=keepdims))
    if len(axes) == 1 and not isinstance(ord, str):
        return _vector_norm(np.abs(x), ord, axes[0], keepdims)
    if len(axes) == 2 and ord in ("nuc", np.inf, -np.inf, 1, -1, 2, -2):
        return _matrix_norm(x, ord, axes, keepdims)
    raise ValueError(
        "norm: expected a number for vectors, or 'fro', 'nuc', inf, -inf, 1, -1, 2 or -2 for "
        f"matrices, got ord={ord!r} along {len(axes)} axes of shape {tuple(x.shape)}"
    )


def _vector_norm(size, ord, axis, keepdims):
    options = {"axis": axis, "keepdims": keepdims}
    if ord == np.inf:
        return np.max(size, **options)
    if ord == -np.inf:
        return np.min(size, **options)
    if ord == 0:
        return np.sum(np.not_equal(size, 0).astype(size.dtype), **options)
    if ord == 1:
        return np.sum(size, **options)
    if ord == 2:
        return np.sqrt(np.sum(np.square(size), **options))
    return np.power(np.sum(np.power(size, ord), **options), 1.0 / ord)


def _matrix_norm(x, ord, axes, keepdims):
    if ord in (2, -2, "nuc"):
        values = np.linalg.svd(np.moveaxis(x, axes, (-2, -1)), compute_uv=False)
        reduce = np.sum if ord == "nuc" else np.max if ord > 0 else np.min
        y = reduce(values, axis=-1)
        return np.expand_dims(y, axes) if keepdims else y
    first, second = axes if abs(ord) == 1 else axes[::-1]
    sums = np.sum(np.abs(x), axis=first, keepdims=True)
    y = (np.max if ord > 0 else np.min)(sums, axis=second, keepdims=True)
    return y if keepdims else np.squeeze(y, axis=axes)


@operation(fractional, tensors=2)
def lstsq(a: Tensor, b: Tensor, rcond: Any = None) -> Tensor:
    """Return the x (n,) or (n, k) for which a x is closest to b, the shortest of them.

    Args:
        a: (m, n).
        b: (m,) or (m, k).
        rcond: singular values below this share of the largest count as 0.

    Raises:
        ValueError: other shapes.
    """
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[0] != b.shape[0]:
        raise ValueError(
            f"lstsq: expected a (m, n) and b (m,) or (m, k), got shapes {tuple(a.shape)} and "
            f"{tuple(b.shape)}"
        )
    return np.linalg.lstsq(a, b, rcond=rcond)[0]


@operation(fractional, result="int32")
def matrix_rank(x: Tensor, tol: Any = None) -> Tensor:
    """Return the number of singular values of matrices (..., m, n) that are above `tol`.

    Args:
        tol: by default the largest one times max(m, n) times the precision of the dtype.

    Raises:
        ValueError: no matrices.
    """
    _matrices("matrix_rank", x)
    return np.asarray(np.linalg.matrix_rank(x, tol=tol))


@_real
def pinv(x: Tensor, rcond: Any = None) -> Tensor:
    """Return the pseudoinverses (..., n, m) of matrices (..., m, n).

    Args:
        rcond: singular values up to this share of the largest count as 0; by default max(m, n)
            times the precision of the dtype.

    Raises:
        ValueError: no matrices.
    """
    _matrices("pinv", x)
    if rcond is None:
        rcond = max(x.shape[-2:]) * float(np.finfo(x.dtype).eps)
    return np.linalg.pinv(x, rcond)


@_real
def qr(x: Tensor, mode: str = "reduced") -> Tensor:
    """Return an orthogonal Q and an upper triangular R with Q R = x (..., m, n).

    Args:
        mode: "reduced" for Q (..., m, min(m, n)), "complete" for Q (..., m, m).

    Raises:
        ValueError: no matrices, or another mode.
    """
    if mode not in ("reduced", "complete"):
        raise ValueError(f"qr: expected mode 'reduced' or 'complete', got {mode!r}")
    _matrices("qr", x)
    return tuple(np.linalg.qr(x, mode=mode))


@_solvable
@operation(fractional, tensors=2)
def solve(a: Tensor, b: Tensor) -> Tensor:
    """Return the x, of the shape of b (..., n) or (..., n, k), with a x = b for a (..., n, n).

    Raises:
        ValueError: shapes that do not fit, or singular matrices.

    >>> solve([[1.0, 2.0], [4.0, 5.0]], [2.0, 8.0]).tolist()
    [2.0, 0.0]
    """
    _system("solve", a, b)
    if _is_vector(a, b):
        return np.linalg.solve(a, b[..., None])[..., 0]
    return np.linalg.solve(a, b)


@operation(fractional, tensors=2)
def solve_triangular(a: Tensor, b: Tensor, lower: bool = False) -> Tensor:
    """Return the x with a x = b of which only the upper, or lower, triangle of `a` is read.

    A 0 on the diagonal gives inf or NaN.

    Raises:
        ValueError: shapes that do not fit.

    >>> solve_triangular([[1.0, 2.0], [0.0, 5.0]], [2.0, 10.0]).tolist()
    [-2.0, 2.0]
    """
    _system("solve_triangular", a, b)
    if _is_vector(a, b):
        return np.squeeze(_substitute(a, np.expand_dims(b, -1), lower), axis=-1)
    return _substitute(a, b, lower)


def _substitute(a, b, lower):
    """Halves of the system one after the other, so that products do most of the work."""
    n = a.shape[-1]
    if n <= 1:
        return b / a
    k = n // 2
    if lower:
        x = _substitute(a[..., :k, :k], b[..., :k, :], lower)
        rest = b[..., k:, :] - np.matmul(a[..., k:, :k], x)
        return _joined(x, _substitute(a[..., k:, k:], rest, lower))
    x = _substitute(a[..., k:, k:], b[..., k:, :], lower)
    rest = b[..., :k, :] - np.matmul(a[..., :k, k:], x)
    return _joined(_substitute(a[..., :k, :k], rest, lower), x)


def _joined(top, bottom):
    """Rows of both; a batch that only one of them has is repeated."""
    if symbolic.is_traced(top) or symbolic.is_traced(bottom):
        return np.concatenate([top, bottom], axis=-2)
    batch = np.broadcast_shapes(top.shape[:-2], bottom.shape[:-2])
    parts = [np.broadcast_to(p, (*batch, *p.shape[-2:])) for p in (top, bottom)]
    return np.concatenate(parts, axis=-2)


@_solvable
@_real
def svd(x: Tensor, full_matrices: bool = True, compute_uv: bool = True) -> Tensor:
    """Return U, the falling singular values and V^T of matrices (..., m, n).

    Args:
        full_matrices: square U and V; else min(m, n) columns of each.
        compute_uv: False returns the singular values alone.

    Raises:
        ValueError: no matrices, or numbers that are not finite.
    """
    _matrices("svd", x)
    found = np.linalg.svd(x, full_matrices=full_matrices, compute_uv=compute_uv)
    return tuple(found) if compute_uv else found


__all__ = [
    "cholesky", "cholesky_inverse", "det", "eig", "eigh", "inv", "jvp", "lstsq",
    "lu_factor", "matrix_rank", "norm", "pinv", "qr", "solve", "solve_triangular", "svd",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
