"""Functions that make arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, hooks, settings, symbolic
from pyseq.ops.placeholders import infers_shapes
from pyseq.ops.promotion import convert_to_tensor, dtype_of, fractional, rounded

if TYPE_CHECKING:
    from pyseq.types import Axis, DTypeLike, Tensor

array = convert_to_tensor


def _named(dtype):
    return dtypes.numpy_dtype(dtypes.standardize_dtype(dtype))


def zeros(shape: Any, dtype: DTypeLike = None) -> Tensor:
    """Return an array of zeros, of `floatx()` by default."""
    return full(shape, 0, dtype or settings.floatx)


def ones(shape: Any, dtype: DTypeLike = None) -> Tensor:
    """Return an array of ones, of `floatx()` by default."""
    return full(shape, 1, dtype or settings.floatx)


def empty(shape: Any, dtype: DTypeLike = None) -> Tensor:
    """Return an array whose content is not defined, of `floatx()` by default."""
    return np.empty(shape, _named(dtype))


def full(shape: Any, fill_value: Any, dtype: DTypeLike = None) -> Tensor:
    """Return an array filled with one value, of `floatx()` by default."""
    dtype = dtypes.standardize_dtype(dtype)
    trace = symbolic.trace.get()
    if trace is not None:
        filled = hooks.ask("filled", trace, shape, fill_value, dtype)
        if filled is not None:
            return filled
    return np.full(shape, fill_value, dtypes.numpy_dtype(dtype))


def _like(name, value):
    def like(x: Tensor, dtype: DTypeLike = None) -> Tensor:
        if symbolic.is_traced(x):
            return getattr(np, name)(symbolic.traced(x), dtype=dtype)
        x = convert_to_tensor(x)
        return np.full(x.shape, value, _named(dtype or x.dtype))

    like.__name__ = like.__qualname__ = name
    return like


zeros_like = _like("zeros_like", 0)
zeros_like.__doc__ = "Return zeros of the shape and dtype of `x`."
ones_like = _like("ones_like", 1)
ones_like.__doc__ = "Return ones of the shape and dtype of `x`."


def empty_like(x: Tensor, dtype: DTypeLike = None) -> Tensor:
    """Return an array of the shape and dtype of `x` whose content is not defined."""
    return zeros_like(x, dtype)


def full_like(x: Tensor, fill_value: Any, dtype: DTypeLike = None) -> Tensor:
    """Return `fill_value` in the shape and dtype of `x`."""
    if symbolic.is_traced(x):
        return np.full_like(symbolic.traced(x), fill_value, dtype=dtype)
    x = convert_to_tensor(x)
    return np.full(x.shape, fill_value, _named(dtype or x.dtype))


def eye(N: Any, M: Any = None, k: int = 0, dtype: DTypeLike = None) -> Tensor:
    """Return an identity matrix, of `floatx()` by default.

    Raises:
        TypeError: `N` or `M` is not an integer.
    """
    if symbolic.counts_rows(N) and (M is None or symbolic.counts_rows(M)) and k == 0:
        return hooks.ask("eye", symbolic.trace.get(), dtypes.standardize_dtype(dtype))
    for name, size in (("N", N), ("M", M)):
        if size is not None and np.asarray(size).dtype.kind not in "iu":
            raise TypeError(f"eye: expected an integer for {name}, got {size!r}")
    return np.eye(int(N), None if M is None else int(M), k, _named(dtype))


def identity(n: int, dtype: DTypeLike = None) -> Tensor:
    """Return a square identity matrix, of `floatx()` by default."""
    return eye(n, dtype=dtype)


def tri(N: Any, M: Any = None, k: int = 0, dtype: DTypeLike = None) -> Tensor:
    """Return a lower triangle of ones, of `floatx()` by default."""
    return np.tri(N, M, k, _named(dtype))


def arange(start: Any, stop: Any = None, step: Any = None, dtype: DTypeLike = None) -> Tensor:
    """Return evenly spaced numbers: int32 of integers, else `floatx()`."""
    if symbolic.counts_rows(start) and stop is None and step is None:
        numbers = hooks.ask("row_numbers", symbolic.trace.get())
        return numbers.astype(_named(dtype or "int32"))
    given = [dtype_of(v) for v in (start, stop, step) if v is not None]
    dtype = dtype or dtypes.result_type(*("int32" if d is int else d for d in given))
    start, stop = (0, start) if stop is None else (start, stop)
    return rounded(np.arange(start, stop, 1 if step is None else step), _named(dtype))


def _spaced(function, start, stop, num, endpoint, dtype, axis, **more):
    start, stop = convert_to_tensor(start), convert_to_tensor(stop)
    name = dtype or fractional(start.dtype.name, stop.dtype.name)
    wide = [v.astype("float64") for v in (start, stop)]
    return rounded(function(*wide, num, endpoint=endpoint, axis=axis, **more), _named(name))


def linspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: DTypeLike = None,
    axis: Axis = 0,
) -> Tensor:
    """Return `num` evenly spaced numbers, and their distance if `retstep`."""
    values = _spaced(np.linspace, start, stop, num, endpoint, dtype, axis)
    if not retstep:
        return values
    parts = num - 1 if endpoint else num
    distance = np.subtract(stop, start, dtype="float64") / parts if parts else np.nan
    return values, rounded(np.asarray(distance), values.dtype)


def logspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    base: Any = 10,
    dtype: DTypeLike = None,
    axis: Axis = 0,
) -> Tensor:
    """Return `num` numbers whose logarithms are evenly spaced from `start` to `stop`."""
    return _spaced(np.logspace, start, stop, num, endpoint, dtype, axis, base=base)


def geomspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    dtype: DTypeLike = None,
    axis: Axis = 0,
) -> Tensor:
    """Return `num` numbers from `start` to `stop`, each the same multiple of the one before."""
    return _spaced(np.geomspace, start, stop, num, endpoint, dtype, axis)


@infers_shapes
def meshgrid(*x: Any, indexing: str = "xy") -> Tensor:
    """Return the coordinates of a grid over vectors."""
    return np.meshgrid(*map(convert_to_tensor, x), indexing=indexing)


def _window(function, doc):
    def window(x: int) -> Tensor:
        return rounded(function(int(x)), settings.floatx)

    window.__name__ = window.__qualname__ = function.__name__
    window.__doc__ = doc
    return window


bartlett = _window(np.bartlett, "Return Bartlett's triangular window of `x` points.")
blackman = _window(np.blackman, "Return Blackman's window of `x` points.")
hamming = _window(np.hamming, "Return Hamming's window of `x` points.")
hanning = _window(np.hanning, "Return the Hann window of `x` points.")


def kaiser(x: Tensor, beta: Any) -> Tensor:
    """Return Kaiser's window of `x` points, narrower for a larger `beta`."""
    return rounded(np.kaiser(int(x), float(beta)), settings.floatx)


def vander(x: Tensor, N: Any = None, increasing: bool = False) -> Tensor:
    """Return the powers of a vector as columns, the highest first unless `increasing`."""
    x = symbolic.as_array(x) if symbolic.is_traced(x) else convert_to_tensor(x)
    count = x.shape[0] if N is None else N
    powers = np.arange(count) if increasing else np.arange(count)[::-1]
    return np.power(x[:, None], powers.astype(x.dtype))


__all__ = [
    "arange", "array", "bartlett", "blackman", "empty", "empty_like", "eye", "full", "full_like",
    "geomspace", "hamming", "hanning", "identity", "kaiser", "linspace", "logspace", "meshgrid",
    "ones", "ones_like", "tri", "vander", "zeros", "zeros_like",
]  # fmt: skip
