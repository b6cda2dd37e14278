"""Normalizations by statistics and norms, in float32 or wider."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, settings, symbolic
from pyseq.ops.patches import tensors
from pyseq.ops.promotion import (
    checked_axes,
    convert_to_tensor,
    dtype_of,
    fractional,
    operation,
    rounded,
    to_array,
)

if TYPE_CHECKING:
    from pyseq.types import Axis, Tensor

__all__ = [
    "batch_normalization",
    "layer_normalization",
    "moments",
    "normalize",
    "rms_normalization",
]


def moments(x: Tensor, axes: Axis, keepdims: bool = False, synchronized: bool = False) -> Tensor:
    """Mean and variance over `axes`; those of float16 are clipped to what it holds.

    Args:
        axes: an axis, several, or None for all.
        keepdims: keep the reduced axes with size 1.
        synchronized: accepted as in Keras; the moments are those of this process's rows.

    >>> [float(m) for m in moments([1.0, 3.0], axes=[0])]
    [2.0, 1.0]
    """
    mean, variance = _moments(x, axes, keepdims)
    if not symbolic.is_traced(mean) and dtype_of(x) == "float16":
        most = np.finfo(np.float16).max
        mean, variance = (np.clip(m, -most, most).astype(np.float16) for m in (mean, variance))
        return mean, variance
    traced = symbolic.is_traced(mean)
    return (mean, variance) if traced else rounded((mean, variance), fractional(dtype_of(x)))


@operation(fractional, "own")
def _moments(x, axes, keepdims):
    x = symbolic.as_array(x)
    axes = checked_axes("moments", axes, x.shape)
    return np.mean(x, axis=axes, keepdims=keepdims), np.var(x, axis=axes, keepdims=keepdims)


def batch_normalization(
    x: Tensor,
    mean: Any,
    variance: Any,
    axis: Axis,
    offset: Any = None,
    scale: Any = None,
    epsilon: float = 1e-3,
) -> Tensor:
    """scale (x - mean) / sqrt(variance + epsilon) + offset, each a vector along `axis`.

    Raises:
        ValueError: a vector has not as many entries as the axis.

    >>> batch_normalization([[1.0, 3.0]], [1.0, 1.0], [4.0, 4.0], -1, epsilon=0.0).tolist()
    [[0.0, 1.0]]
    """
    given = [x, mean, variance, *(v for v in (offset, scale) if v is not None)]
    (x, mean, variance, offset, scale), name = _floats(given, (x, mean, variance, offset, scale))
    (axis,) = checked_axes("batch_normalization", axis, x.shape)
    vectors = {"mean": mean, "variance": variance, "offset": offset, "scale": scale}
    for argument, v in vectors.items():
        if v is None:
            continue
        if tuple(v.shape) != (x.shape[axis],):
            raise ValueError(
                f"batch_normalization: expected {argument} of shape ({x.shape[axis]},), as long as "
                f"axis {axis} of shape {tuple(x.shape)}, got {tuple(v.shape)}"
            )
        vectors[argument] = _along(v, [axis], x)
    with np.errstate(all="ignore"):
        inverse = 1 / np.sqrt(vectors["variance"] + epsilon)
        inverse = inverse if scale is None else inverse * vectors["scale"]
        y = (x - vectors["mean"]) * inverse
        y = y if offset is None else y + vectors["offset"]
    return y if name is None else rounded(y, name)


def layer_normalization(
    x: Tensor,
    gamma: Any = None,
    beta: Any = None,
    axis: Axis = -1,
    epsilon: float | None = None,
    **kwargs: Any,
) -> Tensor:
    """gamma (x - mean) / sqrt(variance + epsilon) + beta with the statistics over `axis`.

    Args:
        gamma, beta: of the sizes of the axes, or None.
        axis: an axis or several.
        epsilon: `config.epsilon()` when None.

    `rms_scaling=True` is Keras's deprecated x / sqrt(variance + epsilon), for old code.

    >>> layer_normalization([[1.0, 3.0]], epsilon=0.0).tolist()
    [[-1.0, 1.0]]
    """
    where = "layer_normalization"
    rms_scaling = kwargs.pop("rms_scaling", False)
    if kwargs:
        raise TypeError(f"{where}: expected no argument {sorted(kwargs)[0]!r}")
    if rms_scaling:
        warnings.warn(
            f"{where}: expected rms_scaling=False, got True, which is deprecated and divides by "
            "the deviation, not the root mean square; use rms_normalization",
            stacklevel=2,
        )
    (x, gamma, beta), name = _statistics_of(x, gamma, beta)
    axes = sorted(checked_axes(where, axis, x.shape))
    gamma, beta = (_parameter(where, v, axes, x) for v in (gamma, beta))
    epsilon = settings.epsilon if epsilon is None else epsilon
    with np.errstate(all="ignore"):
        variance = np.var(x, axis=tuple(axes), keepdims=True)
        centered = x if rms_scaling else x - np.mean(x, axis=tuple(axes), keepdims=True)
        y = centered / np.sqrt(variance + epsilon)
        y = y if gamma is None else y * gamma
        y = y if beta is None or rms_scaling else y + beta
    return y if name is None else rounded(y, name)


def rms_normalization(
    x: Tensor, scale: Any = None, axis: Axis = -1, epsilon: float | None = None
) -> Tensor:
    """scale x / sqrt(mean(x^2) + epsilon) over `axis` (B. Zhang and R. Sennrich, 2019).

    Args:
        scale: of the sizes of the axes, or None.
        axis: an axis or several.
        epsilon: `config.epsilon()` when None.

    >>> rms_normalization([[3.0, 3.0]], epsilon=0.0).tolist()
    [[1.0, 1.0]]
    """
    (x, scale), name = _statistics_of(x, scale)
    x = x if x.ndim else np.reshape(x, (1,))
    axes = sorted(checked_axes("rms_normalization", axis, x.shape))
    scale = _parameter("rms_normalization", scale, axes, x)
    epsilon = settings.epsilon if epsilon is None else epsilon
    with np.errstate(all="ignore"):
        y = x / np.sqrt(np.mean(np.square(x), axis=tuple(axes), keepdims=True) + epsilon)
        y = y if scale is None else y * scale
    return y if name is None else rounded(y, name)


def normalize(x: Tensor, axis: Axis = -1, order: Any = 2, epsilon: float | None = None) -> Tensor:
    """x divided by its norm of an order >= 1 along `axis` (one, several, or None for all).

    Norms below `epsilon` (`config.epsilon()` when None) count as that.

    >>> print(normalize([3.0, 4.0]).round(4))
    [0.6 0.8]
    """
    if not isinstance(order, int) or isinstance(order, bool) or order < 1:
        raise ValueError(f"normalize: expected `order` to be an integer >= 1, got {order!r}")
    x = x if hasattr(x, "shape") else convert_to_tensor(x)
    axes = checked_axes("normalize", axis, x.shape or (1,))
    return _normalize(x, axes, order, settings.epsilon if epsilon is None else epsilon)


@operation(fractional)
def _normalize(x, axes, order, epsilon):
    x = symbolic.as_array(x)
    x = x if x.ndim else np.reshape(x, (1,))
    if order == 2:
        size = np.sqrt(np.sum(np.square(x), axis=axes, keepdims=True))
    else:
        size = np.sum(np.abs(x) ** order, axis=axes, keepdims=True) ** (1 / order)
    return x / np.maximum(size, epsilon)


def _floats(counted, given):
    """`given` as arrays of the fractional dtype of `counted`, and its name; None in a trace."""
    if any(map(symbolic.is_traced, counted)):
        return tensors(*given), None
    name = fractional(*map(dtype_of, counted))
    compute = dtypes.compute_dtype(name)
    return [v if v is None else to_array(v, compute) for v in given], name


def _statistics_of(x, *parameters):
    """x and its parameters in float32 or wider; the result has the dtype of x."""
    if any(map(symbolic.is_traced, (x, *parameters))):
        return tensors(x, *parameters), None
    x = convert_to_tensor(x)
    compute = dtypes.result_type(x.dtype.name, "float32")
    arrays = [v if v is None else to_array(v, compute) for v in (x, *parameters)]
    return arrays, x.dtype.name


def _parameter(where, v, axes, x):
    """A parameter of the sizes of `axes` in the shape that meets `x`."""
    if v is None:
        return None
    sizes = tuple(x.shape[a] for a in axes)
    if tuple(v.shape) == sizes:
        return _along(v, axes, x)
    if v.ndim == x.ndim and all(d in (1, n) for d, n in zip(v.shape, x.shape)):
        return v
    raise ValueError(
        f"{where}: expected parameters of shape {sizes}, the sizes of axes {tuple(axes)} of "
        f"shape {tuple(x.shape)}, got {tuple(v.shape)}"
    )


def _along(v, axes, x):
    """A parameter of sorted axes of `x` so that it broadcasts; no axis stands before the first."""
    if axes == list(range(axes[0], x.ndim)):
        return v
    return np.reshape(v, [x.shape[a] if a in axes else 1 for a in range(axes[0], x.ndim)])
