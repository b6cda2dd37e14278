"""Pooling: maximum and mean over windows, and over as many cells as asked for."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import hooks, symbolic
from pyseq.ops.patches import is_first, pad, spatial_rank, taps
from pyseq.ops.promotion import fractional, operation, own
from pyseq.spatial import padding_of, tuple_of, window_output, window_pads

if TYPE_CHECKING:
    from pyseq.types import DataFormat, Size, Tensor

__all__ = ["adaptive_average_pool", "adaptive_max_pool", "average_pool", "max_pool"]


@operation(own)
def max_pool(
    inputs: Tensor,
    pool_size: Any,
    strides: Any = None,
    padding: str = "valid",
    data_format: DataFormat = None,
) -> Tensor:
    """Maximum over windows; padding never wins.

    Args:
        inputs: `(n, ..., c)` of one to three spatial axes, or `(n, c, ...)`.
        pool_size: an integer, or one for each spatial axis.
        strides: distances between windows, `pool_size` when None.
        padding: `"valid"`, or `"same"` for `ceil(length / stride)` outputs.
        data_format: `"channels_last"` or `"channels_first"`; the configured one when None.

    >>> max_pool(np.arange(4.0).reshape(1, 4, 1), 2).ravel().tolist()
    [1.0, 3.0]
    """
    return _pool("max_pool", inputs, pool_size, strides, padding, data_format)


@operation(own)
def average_pool(
    inputs: Tensor,
    pool_size: Any,
    strides: Any = None,
    padding: str = "valid",
    data_format: DataFormat = None,
) -> Tensor:
    """Mean over the part of each window that lies inside the input.

    Args as for `max_pool`. Means of integers are rounded towards 0 to their dtype, as in Keras.

    >>> average_pool(np.arange(4.0).reshape(1, 4, 1), 2).ravel().tolist()
    [0.5, 2.5]
    """
    return _pool("average_pool", inputs, pool_size, strides, padding, data_format)


@operation(own)
def adaptive_max_pool(inputs: Tensor, output_size: Size, data_format: DataFormat = None) -> Tensor:
    """Maximum over cells: cell i of `o` is `[floor(i L / o), ceil((i + 1) L / o))` of length L.

    Args:
        inputs: `(n, ..., c)` of one to three spatial axes, or `(n, c, ...)`.
        output_size: number of cells, an integer or one for each spatial axis.
        data_format: `"channels_last"` or `"channels_first"`; the configured one when None.

    >>> adaptive_max_pool(np.arange(5.0).reshape(1, 5, 1), 2).ravel().tolist()
    [2.0, 4.0]
    """
    return _adaptive("adaptive_max_pool", "max", np.max, inputs, output_size, data_format)


@operation(fractional)
def adaptive_average_pool(
    inputs: Tensor, output_size: Size, data_format: DataFormat = None
) -> Tensor:
    """Mean over the cells of `adaptive_max_pool`.

    >>> adaptive_average_pool(np.arange(5.0).reshape(1, 5, 1), 2).ravel().tolist()
    [1.0, 3.0]
    """
    return _adaptive("adaptive_average_pool", "average", np.mean, inputs, output_size, data_format)


def _pool(kind, x, pool_size, strides, padding, data_format):
    x = symbolic.as_array(x)
    first, rank = is_first(kind, data_format), spatial_rank(kind, x)
    sizes = tuple_of(kind, "pool_size", pool_size, rank)
    strides = sizes if strides is None else tuple_of(kind, "strides", strides, rank)
    padding = padding_of(kind, padding)
    x = np.moveaxis(x, 1, -1) if first else x
    ones = (1,) * rank
    axes = list(zip(x.shape[1:-1], sizes, strides, ones))
    counts = [window_output(kind, *a, padding, i) for i, a in enumerate(axes)]
    begin, end = zip(*(window_pads(*a, padding) for a in axes))
    if symbolic.is_traced(x):
        attrs = {"pool_size": sizes, "strides": strides, "pads_begin": begin, "pads_end": end}
        y = hooks.ask("window_op", x, kind, (*counts, x.shape[-1]), **attrs)
        return np.moveaxis(y, -1, 1) if first else y

    def over_windows(function, x, value):
        parts = taps(pad(x, 1, begin, end, value), 1, sizes, strides, ones, counts)
        return functools.reduce(function, (part for _, part in parts))

    if kind == "max_pool":
        y = over_windows(np.maximum, x, _least(x.dtype))
    else:
        inside = over_windows(np.add, np.ones((1, *x.shape[1:-1], 1), x.dtype), 0)
        y = over_windows(np.add, x, 0) / inside
    return np.moveaxis(y, -1, 1) if first else y


def _least(dtype):
    if dtype.kind == "b":
        return False
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _adaptive(where, mode, function, x, output_size, data_format):
    x = symbolic.as_array(x)
    first, rank = is_first(where, data_format), spatial_rank(where, x)
    sizes = tuple_of(where, "output_size", output_size, rank)
    x = np.moveaxis(x, 1, -1) if first else x
    if symbolic.is_traced(x):
        shape = (*sizes, x.shape[-1])
        y = hooks.ask("window_op", x, "adaptive_pool", shape, output_size=sizes, mode=mode)
    else:
        y = x
        for axis, cells in enumerate(sizes, 1):
            length = y.shape[axis]
            if not length:
                raise ValueError(
                    f"{where}: expected a length of at least 1 along each spatial axis, got shape "
                    f"{x.shape}"
                )
            index = [slice(None)] * y.ndim
            parts = []
            for i in range(cells):
                index[axis] = slice(i * length // cells, -(-(i + 1) * length // cells))
                parts.append(function(y[tuple(index)], axis=axis))
            y = np.stack(parts, axis)
    return np.moveaxis(y, -1, 1) if first else y
