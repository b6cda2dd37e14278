"""Functions that arrange the elements of arrays: shapes, axes, joins and splits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, symbolic
from pyseq.ops.placeholders import infers_shapes
from pyseq.ops.promotion import convert_to_tensor, dtype_of, operation, rounded, to_array

if TYPE_CHECKING:
    from pyseq.types import Axis, DTypeLike, Shape, Tensor

_same = operation()


def joined(xs):
    """A list of arrays in the dtype that they have together; tensors of a trace as they are."""
    if any(map(symbolic.is_traced, xs)):
        return [symbolic.traced(x) if symbolic.is_traced(x) else convert_to_tensor(x) for x in xs]
    name = dtypes.result_type(*map(dtype_of, map(convert_to_tensor, xs)))
    return [to_array(x, name) for x in xs]


@_same
def reshape(x: Tensor, newshape: Shape) -> Tensor:
    """Return `x` in another shape of the same size; one size may be -1.

    Raises:
        ValueError: a size below -1, or sizes that do not hold what is there.
    """
    sizes = newshape if isinstance(newshape, (list, tuple)) else (newshape,)
    wrong = [d for d in sizes if isinstance(d, (int, np.integer)) and d < -1]
    if wrong:
        raise ValueError(
            f"reshape: expected sizes of at least -1, got {tuple(sizes)}; write -1 for one that "
            "follows from the others"
        )
    return np.reshape(x, newshape)


@_same
def transpose(x: Tensor, axes: Axis = None) -> Tensor:
    """Return `x` with its axes in another order, reversed by default.

    Raises:
        ValueError: `axes` does not name each axis once.
    """
    return np.transpose(x, axes)


@_same
def swapaxes(x: Tensor, axis1: Any, axis2: Any) -> Tensor:
    """Return `x` with two axes exchanged."""
    return np.swapaxes(x, axis1, axis2)


@_same
def moveaxis(x: Tensor, source: Any, destination: Any) -> Tensor:
    """Return `x` with axes moved to other places."""
    return np.moveaxis(x, source, destination)


@_same
def expand_dims(x: Tensor, axis: Axis) -> Tensor:
    """Return `x` with new axes of size 1."""
    return np.expand_dims(x, axis)


@_same
def squeeze(x: Tensor, axis: Axis = None) -> Tensor:
    """Return `x` without axes of size 1."""
    return np.squeeze(x, axis)


@_same
def ravel(x: Tensor) -> Tensor:
    """Return `x` as a vector."""
    return np.ravel(x)


@_same
def flip(x: Tensor, axis: Axis = None) -> Tensor:
    """Return `x` in reverse order along axes, all by default."""
    return np.flip(x, axis)


@_same
def fliplr(x: Tensor) -> Tensor:
    """Return `x` in reverse order along axis 1."""
    return np.flip(x, 1)


@_same
def flipud(x: Tensor) -> Tensor:
    """Return `x` in reverse order along axis 0."""
    return np.flip(x, 0)


@_same
def rot90(array: Tensor, k: int = 1, axes: Axis = (0, 1)) -> Tensor:
    """Return `array` turned by 90 degrees, `k` times, in the plane of two axes.

    Raises:
        ValueError: the array has less than two axes, or `axes` are not two different ones.
    """
    if array.ndim < 2:
        raise ValueError(f"rot90: expected an array of at least two axes, got {array.ndim}")
    first, second = axes if len(axes) == 2 else (0, 0)
    if first % array.ndim == second % array.ndim:
        raise ValueError(f"rot90: expected two different axes, got {axes}")
    turns = k % 4
    if turns == 2:
        return np.flip(np.flip(array, first), second)
    if turns:
        array = np.flip(array, second) if turns == 1 else np.flip(array, first)
        return np.swapaxes(array, first, second)
    return array


@_same
def roll(x: Tensor, shift: Tensor, axis: Axis = None) -> Tensor:
    """Return `x` with elements moved along axes; what leaves at the end comes back in front."""
    return np.roll(x, shift, axis)


@_same
def repeat(x: Tensor, repeats: Any, axis: Axis = None) -> Tensor:
    """Return `x` with each element repeated."""
    return np.repeat(x, repeats, axis)


@_same
def tile(x: Tensor, repeats: Any) -> Tensor:
    """Return `x` repeated along each axis."""
    return np.tile(x, repeats)


@_same
def broadcast_to(x: Tensor, shape: Any) -> Tensor:
    """Return `x` repeated to a shape."""
    return np.broadcast_to(x, shape)


@_same
def pad(x: Tensor, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Tensor:
    """Return `x` with values before and behind it along each axis.

    Raises:
        ValueError: `constant_values` with another mode than "constant".
    """
    if constant_values is not None and mode != "constant":
        raise ValueError(
            f"pad: expected constant_values with mode 'constant' only, got mode {mode!r}"
        )
    given = {} if constant_values is None else {"constant_values": constant_values}
    return np.pad(x, pad_width, mode, **given)


@_same
def copy(x: Tensor) -> Tensor:
    """Return a copy of `x`."""
    return np.copy(x)


@_same
def diag(x: Tensor, k: int = 0) -> Tensor:
    """Return the diagonal of a matrix, or a matrix with a vector on its diagonal."""
    return np.diag(x, k)


@_same
def diagflat(x: Tensor, k: int = 0) -> Tensor:
    """Return a matrix with the elements of `x` on its diagonal."""
    return np.diagflat(x, k)


@_same
def diagonal(x: Tensor, offset: Any = 0, axis1: Any = 0, axis2: Any = 1) -> Tensor:
    """Return the diagonals of matrices along a new last axis."""
    return np.diagonal(x, offset, axis1, axis2)


@_same
def tril(x: Tensor, k: int = 0) -> Tensor:
    """Return `x` with zeros above the diagonal of its last two axes."""
    return np.tril(x, k)


@_same
def triu(x: Tensor, k: int = 0) -> Tensor:
    """Return `x` with zeros below the diagonal of its last two axes."""
    return np.triu(x, k)


@infers_shapes
def concatenate(xs: Any, axis: Axis = 0) -> Tensor:
    """Return arrays joined along an axis."""
    return np.concatenate(joined(xs), axis=axis)


@infers_shapes
def append(x1: Tensor, x2: Tensor, axis: Axis = None) -> Tensor:
    """Return x1 with x2 behind it, both as vectors without an axis."""
    if axis is None:
        x1, x2, axis = ravel(x1), ravel(x2), 0
    return concatenate([x1, x2], axis)


@infers_shapes
def stack(x: Tensor, axis: Axis = 0) -> Tensor:
    """Return arrays of one shape along a new axis."""
    return np.stack(joined(x), axis=axis)


@infers_shapes
def vstack(xs: Any) -> Tensor:
    """Return arrays joined along axis 0; vectors are rows."""
    xs = [x[None] if x.ndim == 1 else x for x in joined(xs)]
    return np.concatenate([x.reshape(1, 1) if x.ndim == 0 else x for x in xs], axis=0)


@infers_shapes
def hstack(xs: Any) -> Tensor:
    """Return arrays joined along axis 1, vectors along axis 0."""
    return np.hstack(joined(xs))


@infers_shapes
def dstack(xs: Any) -> Tensor:
    """Return arrays joined along axis 2."""
    return np.dstack(joined(xs))


@_same
def split(x: Tensor, indices_or_sections: Any, axis: Axis = 0) -> Tensor:
    """Return equal parts of `x`, or its parts between indices, as a list."""
    return np.split(x, indices_or_sections, axis)


@_same
def array_split(x: Tensor, indices_or_sections: Any, axis: Axis = 0) -> Tensor:
    """Return parts of `x`, the first of which may be larger by one, as a list."""
    return np.array_split(x, indices_or_sections, axis)


@_same
def vsplit(x: Tensor, indices_or_sections: Any) -> Tensor:
    """Return `split` along axis 0."""
    return np.split(x, indices_or_sections, 0)


@_same
def hsplit(x: Tensor, indices_or_sections: Any) -> Tensor:
    """Return `split` along axis 1; of vectors along axis 0."""
    return np.split(x, indices_or_sections, 1 if x.ndim > 1 else 0)


@_same
def dsplit(x: Tensor, indices_or_sections: Any) -> Tensor:
    """Return `split` along axis 2."""
    return np.split(x, indices_or_sections, 2)


@infers_shapes
def unstack(x: Tensor, num: Any = None, axis: Axis = 0) -> Tensor:
    """Return the parts of `x` along `axis` as a list.

    Raises:
        ValueError: there is no such axis, or its size is not known.
    """
    x = symbolic.as_array(x) if symbolic.is_traced(x) else convert_to_tensor(x)
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(
            f"unstack: expected an axis between {-x.ndim} and {x.ndim - 1}, got {axis}"
        )
    axis %= x.ndim
    if symbolic.is_traced(x):
        before = (slice(None),) * axis
        return [x[(*before, i)] for i in range(x.known(x.shape[axis], "a batch to unstack"))]
    return list(np.moveaxis(x, axis, 0))


def size(x: Tensor) -> Tensor:
    """Return the number of elements."""
    return np.size(symbolic.traced(x) if symbolic.is_traced(x) else convert_to_tensor(x))


def ndim(x: Tensor) -> Tensor:
    """Return the number of axes."""
    return np.ndim(symbolic.traced(x) if symbolic.is_traced(x) else convert_to_tensor(x))


@infers_shapes
def view(x: Tensor, dtype: DTypeLike = None) -> Tensor:
    """Return the bytes of `x` read as another dtype; the last axis changes with its size."""
    x = convert_to_tensor(x)
    name = dtypes.numpy_dtype(dtypes.standardize_dtype(dtype or x.dtype))
    return np.asarray(x, order="C").view(name)


@infers_shapes
def unravel_index(indices: Tensor, shape: Any) -> Tensor:
    """Return the positions in `shape` of indices into it as a vector, one array for each axis."""
    indices = convert_to_tensor(indices)
    flat = np.where(indices < 0, indices + int(np.prod(shape)), indices)
    return tuple(rounded(a, indices.dtype) for a in np.unravel_index(flat, shape))


def vectorize(pyfunc: Any, *, excluded: Any = None, signature: Any = None) -> Tensor:
    """Return a function that calls `pyfunc` for each element.

    Raises:
        ValueError: `pyfunc` cannot be called.
    """
    if not callable(pyfunc):
        raise ValueError(f"vectorize: expected a function, got {pyfunc!r}")
    return np.vectorize(pyfunc, excluded=excluded, signature=signature)


__all__ = [
    "append", "array_split", "broadcast_to", "concatenate", "copy", "diag", "diagflat", "diagonal",
    "dsplit", "dstack", "expand_dims", "flip", "fliplr", "flipud", "hsplit", "hstack", "moveaxis",
    "ndim", "pad", "ravel", "repeat", "reshape", "roll", "rot90", "size", "split", "squeeze",
    "stack", "swapaxes", "tile", "transpose", "tril", "triu", "unravel_index", "unstack",
    "vectorize", "view", "vsplit", "vstack",
]  # fmt: skip
