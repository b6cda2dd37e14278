"""Functions that choose, order and find elements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, symbolic
from pyseq.ops.placeholders import infers_shapes
from pyseq.ops.promotion import convert_to_tensor, dtype_of, operation, to_array

if TYPE_CHECKING:
    from pyseq.types import Axis, Tensor

_same = operation()
_places = operation(result="int32")


@infers_shapes
def where(condition: Tensor, x1: Tensor = None, x2: Tensor = None) -> Tensor:
    """Return elements of `x1` where the condition holds, else of `x2`; places without both.

    Raises:
        ValueError: only one of `x1` and `x2` is given.
    """
    if (x1 is None) != (x2 is None):
        raise ValueError("where: expected both x1 and x2 or neither, got one of them")
    if x1 is None:
        return nonzero(condition)
    if any(map(symbolic.is_traced, (condition, x1, x2))):
        return np.where(condition, x1, x2)
    name = dtypes.result_type(dtype_of(x1), dtype_of(x2))
    condition = convert_to_tensor(condition).astype(bool)
    return np.where(condition, to_array(x1, name), to_array(x2, name))


@infers_shapes
def nonzero(x: Tensor) -> Tensor:
    """Return the places of what is not 0, an int32 array for each axis."""
    if symbolic.is_traced(x):
        return np.nonzero(symbolic.traced(x))
    return tuple(a.astype("int32") for a in np.nonzero(np.atleast_1d(convert_to_tensor(x))))


@infers_shapes
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Tensor:
    """Return for each element that of the first choice whose condition holds, else `default`."""
    value = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist)):
        value = where(condition, choice, value)
    return value


@operation(tensors=1)
def take(x: Tensor, indices: Tensor, axis: Axis = None) -> Tensor:
    """Return elements at indices, negative ones counted from the end."""
    if symbolic.is_traced(x) or symbolic.is_traced(indices):
        return np.take(x, indices, axis=axis)
    return np.take(x, np.asarray(indices).astype("int64"), axis=axis)


@operation(tensors=1)
def take_along_axis(x: Tensor, indices: Tensor, axis: Axis = None) -> Tensor:
    """Return elements of `x` at indices along `axis`, of `x` as a vector without one."""
    if symbolic.is_traced(x) or symbolic.is_traced(indices):
        return np.take_along_axis(x, indices, axis)
    indices = np.asarray(indices).astype("int64")
    if axis is None:
        return np.take_along_axis(x, indices.ravel(), None)
    axis %= x.ndim
    sizes = [np.broadcast_shapes((a,), (b,))[0] for a, b in zip(x.shape, indices.shape)]
    array_shape = [x.shape[i] if i == axis else d for i, d in enumerate(sizes)]
    index_shape = [indices.shape[i] if i == axis else d for i, d in enumerate(sizes)]
    x, indices = np.broadcast_to(x, array_shape), np.broadcast_to(indices, index_shape)
    return np.take_along_axis(x, indices, axis)


@_same
def get_item(x: Tensor, key: Tensor) -> Tensor:
    """Return `x[key]`."""
    return x[key]


@_same
def sort(x: Tensor, axis: Axis = -1) -> Tensor:
    """Return `x` in rising order along `axis`."""
    return np.sort(x, axis=axis)


@_places
def argsort(x: Tensor, axis: Axis = -1) -> Tensor:
    """Return the int32 indices of `sort`; equal elements keep their order."""
    return np.argsort(x, axis=axis, kind="stable")


@_places
def argpartition(x: Tensor, kth: Any, axis: Axis = -1) -> Tensor:
    """Return int32 indices that put element `kth` in its place, smaller ones before it."""
    return np.argpartition(x, kth, axis=axis)


def searchsorted(sorted_sequence: Any, values: Tensor, side: str = "left") -> Tensor:
    """Return the int32 places where values would keep the order of a sorted vector.

    Raises:
        ValueError: the sequence is not a vector.
    """
    edges = convert_to_tensor(sorted_sequence)
    if edges.ndim != 1:
        raise ValueError(
            f"searchsorted: expected a vector to search in, got shape {edges.shape}; "
            "search each row by itself"
        )
    return np.asarray(np.searchsorted(edges, convert_to_tensor(values), side)).astype("int32")


@_places
def digitize(x: Tensor, bins: Any) -> Tensor:
    """Return the int32 index of the bin of each element, 0 below the first edge."""
    return np.digitize(x, convert_to_tensor(bins))


@operation(result="bool", tensors=2)
def isin(x1: Tensor, x2: Tensor, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """True where an element of x1 is among x2."""
    return np.isin(x1, x2, assume_unique, invert)


def unique(
    x: Tensor,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: Axis = None,
    size: Any = None,
    fill_value: Any = None,
) -> Tensor:
    """Return the different elements of `x` in rising order, or its different parts along `axis`.

    With `size`, exactly that many: cut, or filled with `fill_value` (0 by default). First places,
    places of each element among the different ones, and counts follow as int32 where asked for.
    """
    x = convert_to_tensor(x)
    parts = np.unique(x, return_index=True, return_inverse=True, return_counts=True, axis=axis)
    values, first, inverse, counts = parts
    if axis is None:
        inverse = inverse.reshape(x.shape)
    if size is not None:
        along = 0 if axis is None else axis
        values = _sized(values, size, along, 0 if fill_value is None else fill_value)
        first, counts = _sized(first, size, 0, 0), _sized(counts, size, 0, 0)
    asked = [
        part.astype("int32")
        for part, wanted in zip(
            (first, inverse, counts), (return_index, return_inverse, return_counts)
        )
        if wanted
    ]
    return (values, *asked) if asked else values


def _sized(x, size, axis, fill):
    x = np.moveaxis(x, axis, 0)[:size]
    missing = np.full((size - len(x), *x.shape[1:]), fill, x.dtype)
    return np.moveaxis(np.concatenate([x, missing]), 0, axis)


__all__ = [
    "argpartition", "argsort", "digitize", "get_item", "isin", "nonzero", "searchsorted", "select",
    "sort", "take", "take_along_axis", "unique", "where",
]  # fmt: skip
