"""Arrays in and out of `keras.ops`, their parts, and values written into them.

>>> from pyseq import ops
>>> ops.scatter([[0], [2]], [1, 2], (4,)).tolist()
[1, 0, 2, 0]
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, hooks, symbolic
from pyseq.ops.placeholders import infers_shapes
from pyseq.ops.promotion import convert_to_tensor, rounded

if TYPE_CHECKING:
    from pyseq.types import DTypeLike, Reduction, Tensor


def convert_to_numpy(x: Tensor) -> Tensor:
    """Return `x` as an array of its own, which may be written to."""
    return np.array(x)


def is_tensor(x: Tensor) -> Tensor:
    """True for arrays and for the tensors of a trace."""
    return isinstance(x, np.ndarray) or symbolic.is_traced(x)


def shape(x: Tensor) -> Tensor:
    """Return the shape of `x`; the batch of a tensor in a trace is a tensor itself."""
    return np.shape(symbolic.traced(x))


def dtype(x: Tensor) -> Tensor:
    """Return the name of the dtype of `x`.

    >>> dtype(np.zeros(2)), dtype([1, 2])
    ('float64', 'int32')
    """
    x = x if hasattr(x, "dtype") else convert_to_tensor(x)
    return dtypes.standardize_dtype(x.dtype)


@infers_shapes
def cast(x: Tensor, dtype: DTypeLike) -> Tensor:
    """Return `x` in another dtype."""
    name = dtypes.standardize_dtype(dtype)
    with np.errstate(all="ignore"):
        return symbolic.as_array(x).astype(dtypes.numpy_dtype(name))


# Finite ends of what NumPy has no `finfo` of.
_LARGEST = {"bfloat16": 3.3895313892515355e38}


def _range(name):
    if name == "bool":
        return 0, 1
    if name in dtypes.INT_DTYPES:
        return int(np.iinfo(name).min), int(np.iinfo(name).max)
    largest = _LARGEST.get(name) or float(np.finfo(name).max)
    return -largest, largest


@infers_shapes
def saturate_cast(x: Tensor, dtype: DTypeLike) -> Tensor:
    """Return `x` in another dtype, its numbers brought into the range of that dtype first.

    >>> saturate_cast([-1.0, 300.0], "uint8").tolist()
    [0, 255]
    """
    x = convert_to_tensor(x)
    own = dtypes.standardize_dtype(x.dtype)
    limits = [max(_range(own)[0], _range(dtypes.standardize_dtype(dtype))[0])]
    limits.append(min(_range(own)[1], _range(dtypes.standardize_dtype(dtype))[1]))
    for i, limit in enumerate(limits):
        # A float may lie beside an integer's end: the next one towards 0 is within.
        if own in dtypes.FLOAT_DTYPES:
            kind = dtypes.numpy_dtype(own)
            near = np.asarray(limit).astype(kind)
            if abs(float(near)) > abs(limit):
                near = np.nextafter(near, np.zeros((), kind))
            limits[i] = float(near)
    return cast(np.clip(x, *limits) if own != "bool" else x, dtype)


@infers_shapes
def stop_gradient(variable: Tensor) -> Tensor:
    """Return `variable`; while training nothing before it gets a gradient through it."""
    if symbolic.is_traced(variable):
        return hooks.ask("unary", symbolic.trace.get(), variable, "stop_gradient")
    return variable


def _spans(where, inputs, starts, sizes):
    """Slices of all axes; a batch is taken as a whole."""
    starts, sizes = list(starts), list(sizes)
    if not len(starts) == len(sizes) == inputs.ndim:
        raise ValueError(
            f"{where}: expected a start and a size for each axis of shape {tuple(inputs.shape)}, "
            f"got {len(starts)} and {len(sizes)}"
        )
    spans = []
    for start, size, whole in zip(starts, sizes, inputs.shape):
        if whole is None:
            if symbolic.is_traced(start) or int(start) != 0:
                raise symbolic.trace.get().error(
                    f"expected all rows of the batch in {where}, got start {start}", "start at 0"
                )
            spans.append(builtins.slice(None))
            continue
        first = int(start)
        last = whole if not symbolic.is_traced(size) and int(size) == -1 else first + int(size)
        spans.append(builtins.slice(first, last))
    return tuple(spans)


@infers_shapes
def slice(inputs: Tensor, start_indices: Any, shape: Any) -> Tensor:
    """Return the part of `inputs` of `shape` that begins at `start_indices`.

    Args:
        shape: a size for each axis; -1 for the rest of it.

    Raises:
        ValueError: starts or sizes that are not one for each axis.

    >>> slice(np.arange(10), [2], [3]).tolist()
    [2, 3, 4]
    """
    inputs = convert_to_tensor(inputs)
    return inputs[_spans("slice", inputs, start_indices, shape)]


@infers_shapes
def slice_update(inputs: Tensor, start_indices: Any, updates: Any) -> Tensor:
    """Return a copy of `inputs` with `updates` written from `start_indices` on.

    Raises:
        ValueError: starts that are not one for each axis, or updates that reach out of it.
    """
    inputs, updates = convert_to_tensor(inputs), convert_to_tensor(updates)
    spans = _spans("slice_update", inputs, start_indices, updates.shape)
    for span, whole in zip(spans, inputs.shape):
        if (
            whole is not None
            and span != builtins.slice(None)
            and not 0 <= span.start <= span.stop <= whole
        ):
            raise ValueError(
                f"slice_update: expected updates within shape {tuple(inputs.shape)}, got shape "
                f"{tuple(updates.shape)} from {list(start_indices)} on"
            )
    if not (symbolic.is_traced(inputs) or symbolic.is_traced(updates)):
        result = np.array(inputs)
        result[spans] = updates
        return result
    width = [
        (0, 0) if whole is None else (span.start, whole - span.stop)
        for span, whole in zip(spans, inputs.shape)
    ]
    sizes = [1 if d is None else d for d in updates.shape]
    written = np.pad(np.ones(sizes, bool), width)
    return np.where(written, np.pad(updates, width), inputs)


def _index_rows(where, indices, shape):
    """Indices (n, k) as a tuple of k vectors, each checked against the shape."""
    indices = np.asarray(indices)
    rank = indices.shape[-1] if indices.ndim else 0
    if indices.size == 0:
        indices = indices.astype("int64")
    if not rank or rank > len(shape) or indices.dtype.kind not in "iu":
        raise ValueError(
            f"{where}: expected integer indices (..., k) with k up to the {len(shape)} axes, got "
            f"shape {indices.shape} of {indices.dtype}"
        )
    rows = indices.reshape(-1, rank)
    sizes = np.asarray(shape[:rank])
    if np.any(rows < -sizes) or np.any(rows >= sizes):
        raise IndexError(f"{where}: expected indices within shape {tuple(shape)}, got others")
    return tuple((rows % sizes).T) if rows.size else tuple(rows.T)


def scatter(indices: Tensor, values: Tensor, shape: Any) -> Tensor:
    """Return zeros of `shape` with `values` added at `indices`.

    Args:
        indices: (..., k) integers, which address the first k axes.
        values: (..., *shape[k:]), one for each index.

    Raises:
        ValueError: indices or values of other shapes.
        IndexError: an index outside of `shape`.
    """
    values = convert_to_tensor(values)
    rank = np.shape(indices)[-1] if np.ndim(indices) else 0
    rows = np.reshape(indices, (-1, rank)) if rank else indices
    values = np.reshape(values, (len(rows), *shape[rank:])) if rank else values
    return scatter_update(np.zeros(tuple(shape), values.dtype), rows, values, "add")


_REDUCTIONS = {"add": np.add, "max": np.maximum, "min": np.minimum, "mul": np.multiply}


@infers_shapes
def scatter_update(
    inputs: Tensor, indices: Tensor, updates: Any, reduction: Reduction = None
) -> Tensor:
    """Return a copy of `inputs` with `updates` written at `indices`.

    Args:
        indices: (n, k) integers, which address the first k axes.
        updates: (n, *inputs.shape[k:]); brought to the dtype of `inputs`.
        reduction: "add", "max", "min" or "mul" joins them with what is there; None replaces it,
            and of several for one place the last stays.

    In a trace the indices are known, `inputs` have no batch, and the reduction is None or "add".

    Raises:
        ValueError: another reduction, or shapes that do not fit.
        IndexError: an index outside of `inputs`.

    >>> scatter_update(np.zeros(3), [[0], [0]], [1.0, 2.0], reduction="add").tolist()
    [3.0, 0.0, 0.0]
    """
    name = reduction.lower() if isinstance(reduction, str) else reduction
    if name is not None and name not in _REDUCTIONS:
        raise ValueError(
            f"scatter_update: expected the reduction 'add', 'max', 'min', 'mul' or None, got "
            f"{reduction!r}"
        )
    inputs, updates = convert_to_tensor(inputs), convert_to_tensor(updates)
    in_trace = symbolic.is_traced(inputs) or symbolic.is_traced(updates)
    if in_trace and (None in inputs.shape or None in updates.shape or name not in (None, "add")):
        raise symbolic.trace.get().error(
            "expected scatter_update of arrays without a batch and of reduction None or 'add', got "
            f"shapes {tuple(inputs.shape)} and {tuple(updates.shape)} and {name!r}",
            "use where(mask, a, b) or slice_update",
        )
    places = _index_rows("scatter_update", indices, inputs.shape)
    cells = tuple(inputs.shape[len(places) :])
    try:
        fits = np.broadcast_shapes(tuple(updates.shape), (len(places[0]), *cells))
    except (TypeError, ValueError):
        fits = None
    if fits != (len(places[0]), *cells):
        raise ValueError(
            f"scatter_update: expected updates of shape {(len(places[0]), *cells)} for "
            f"{len(places[0])} indices into shape {tuple(inputs.shape)}, got {tuple(updates.shape)}"
        )
    if in_trace:
        return _scattered(inputs, places, updates, name)
    kind = inputs.dtype
    result = np.array(inputs).astype(dtypes.numpy_dtype(dtypes.compute_dtype(kind)))
    with np.errstate(all="ignore"):
        updates = updates.astype(result.dtype)
        if name is None:
            result[places] = updates
        else:
            _REDUCTIONS[name].at(result, places, updates)
        return rounded(result, kind.name)


def _scattered(inputs, places, updates, name):
    """Within a trace: rows of updates taken, or added by a product, for each place."""
    shape = tuple(inputs.shape)
    grid = shape[: len(places)]
    flat = np.ravel_multi_index(places, grid)
    count = int(np.prod(grid))
    if name == "add":
        hot = (np.arange(count)[:, None] == flat).astype("float32")
        rows = np.matmul(hot, np.reshape(updates, (len(flat), -1)))
        return inputs + np.reshape(rows, shape)
    last = np.full(count, -1)
    last[flat] = np.arange(len(flat))
    rows = np.take(updates, np.maximum(last, 0), axis=0)
    cells = [1] * (len(shape) - len(grid))
    return np.where((last >= 0).reshape(*grid, *cells), np.reshape(rows, shape), inputs)


__all__ = [
    "cast", "convert_to_numpy", "dtype", "is_tensor", "saturate_cast", "scatter", "scatter_update",
    "shape", "slice", "slice_update", "stop_gradient",
]  # fmt: skip
