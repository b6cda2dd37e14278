"""Products of arrays: sums over pairs of elements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, symbolic
from pyseq.ops.placeholders import infers_shapes
from pyseq.ops.promotion import dtype_of, fractional, operation, rounded, to_array

if TYPE_CHECKING:
    from pyseq.types import Axis, Tensor

_pair = operation(tensors=2)


def _integers(*given):
    """int8 with int8 is int32 in a matrix product, as in Keras."""
    return "int32" if set(given) == {"int8"} else dtypes.result_type(*given)


@operation(_integers, tensors=2)
def matmul(x1: Tensor, x2: Tensor) -> Tensor:
    """Return the product of matrices, for each element of the axes before them."""
    return np.matmul(x1, x2)


@_pair
def dot(x1: Tensor, x2: Tensor) -> Tensor:
    """Return sums over the last axis of x1 and the one before the last of x2."""
    return np.dot(x1, x2)


@_pair
def inner(x1: Tensor, x2: Tensor) -> Tensor:
    """Return sums over the last axes of both."""
    return np.inner(x1, x2)


@_pair
def outer(x1: Tensor, x2: Tensor) -> Tensor:
    """Return all products of an element of x1 and one of x2."""
    return np.outer(x1, x2)


@_pair
def vdot(x1: Tensor, x2: Tensor) -> Tensor:
    """Return the sum of the products of both as vectors, the first one conjugated."""
    return np.vdot(x1, x2)


@_pair
def tensordot(x1: Tensor, x2: Tensor, axes: Axis = 2) -> Tensor:
    """Return sums over `axes` of both."""
    return np.tensordot(x1, x2, axes)


@_pair
def kron(x1: Tensor, x2: Tensor) -> Tensor:
    """Return the Kronecker product."""
    return np.kron(x1, x2)


@_pair
def cross(
    x1: Tensor, x2: Tensor, axisa: Any = -1, axisb: Any = -1, axisc: Any = -1, axis: Axis = None
) -> Tensor:
    """Return the cross product of vectors of 3 (or 2) along an axis.

    Raises:
        ValueError: the vectors have another size.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(x1, axisa, -1), np.moveaxis(x2, axisb, -1)
    sizes = a.shape[-1], b.shape[-1]
    if not set(sizes) <= {2, 3}:
        raise ValueError(f"cross: expected vectors of 2 or 3, got {sizes}")
    if sizes == (2, 2):
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    (a0, a1, a2), (b0, b1, b2) = _three(a), _three(b)
    value = np.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], axis=-1)
    return np.moveaxis(value, -1, axisc)


def _three(x):
    parts = [x[..., i] for i in range(x.shape[-1])]
    return parts if len(parts) == 3 else [*parts, np.zeros_like(parts[0])]


@infers_shapes
def einsum(subscripts: str, *operands: Any, **kwargs: Any) -> Tensor:
    """Return sums of products by Einstein's convention, such as "bij,bjk->bik"."""
    kwargs.pop("dtype", None)
    if any(map(symbolic.is_traced, operands)):
        return np.einsum(subscripts, *operands)
    names = [dtype_of(x) for x in operands]
    name = "int32" if set(names) == {"int8"} else dtypes.result_type(*names)
    arrays = [to_array(x, dtypes.compute_dtype(name)) for x in operands]
    return rounded(np.einsum(subscripts, *arrays, optimize=True), name)


@operation(fractional)
def slogdet(x: Tensor) -> Tensor:
    """Return the sign and the logarithm of the size of the determinants of matrices (..., n, n)."""
    return tuple(np.linalg.slogdet(x))


__all__ = [
    "cross", "dot", "einsum", "inner", "kron", "matmul", "outer", "slogdet", "tensordot", "vdot",
]  # fmt: skip
