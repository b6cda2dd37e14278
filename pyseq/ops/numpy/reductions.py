"""Functions that make one number of many: along axes, running, and of pairs of arrays."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, settings, symbolic
from pyseq.ops.placeholders import infers_shapes
from pyseq.ops.promotion import (
    convert_to_tensor,
    counted,
    dtype_of,
    fractional,
    operation,
    rounded,
    summed,
    to_array,
    wide_fractional,
)

if TYPE_CHECKING:
    from pyseq.types import Axis, DTypeLike, Tensor


def _total(*given):
    return summed(dtypes.result_type(*given))


_totals = operation(_total)
_means = operation(fractional)
_keeps = operation()
_tests = operation(result="bool")
_places = operation(result="int32")


def _axes(axis):
    return tuple(axis) if isinstance(axis, list) else axis


@_totals
def sum(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the sum; of small integers as int32 or uint32."""
    return np.sum(x, axis=_axes(axis), keepdims=keepdims)


def prod(x: Tensor, axis: Axis = None, keepdims: bool = False, dtype: DTypeLike = None) -> Tensor:
    """Return the product; of small integers as int32 or uint32."""
    value = _product(x, axis=axis, keepdims=keepdims)
    return value if dtype is None else rounded(value, dtype)


@_totals
def _product(x, axis, keepdims):
    return np.prod(x, axis=_axes(axis), keepdims=keepdims)


@_means
def mean(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the mean."""
    return np.mean(x, axis=_axes(axis), keepdims=keepdims)


@_means
def var(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the variance: the mean squared distance from the mean."""
    return np.var(x, axis=_axes(axis), keepdims=keepdims)


@_means
def std(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the standard deviation."""
    return np.std(x, axis=_axes(axis), keepdims=keepdims)


@_means
def median(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the median."""
    return np.median(x, axis=_axes(axis), keepdims=keepdims)


@_keeps
def max(x: Tensor, axis: Axis = None, keepdims: bool = False, initial: Any = None) -> Tensor:
    """Return the maximum, at least `initial` where it is given."""
    bound = {} if initial is None else {"initial": initial}
    return np.max(x, axis=_axes(axis), keepdims=keepdims, **bound)


@_keeps
def min(x: Tensor, axis: Axis = None, keepdims: bool = False, initial: Any = None) -> Tensor:
    """Return the minimum, at most `initial` where it is given."""
    bound = {} if initial is None else {"initial": initial}
    return np.min(x, axis=_axes(axis), keepdims=keepdims, **bound)


def amax(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the maximum."""
    return max(x, axis, keepdims)


def amin(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the minimum."""
    return min(x, axis, keepdims)


@_keeps
def ptp(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the maximum less the minimum."""
    axis = _axes(axis)
    return np.max(x, axis=axis, keepdims=keepdims) - np.min(x, axis=axis, keepdims=keepdims)


@_tests
def any(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """True where one element is not 0."""
    return np.any(x, axis=_axes(axis), keepdims=keepdims)


@_tests
def all(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """True where no element is 0."""
    return np.all(x, axis=_axes(axis), keepdims=keepdims)


@_places
def argmax(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the index of the first maximum, int32."""
    return np.argmax(x, axis=axis, keepdims=keepdims)


@_places
def argmin(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the index of the first minimum, int32."""
    return np.argmin(x, axis=axis, keepdims=keepdims)


def _present(x, other):
    """`x` with a number in place of NaN; integers have none."""
    return np.where(np.isnan(x), np.asarray(other, x.dtype), x) if x.dtype.kind in "fc" else x


@_places
def nanargmax(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the index of the maximum that is a number, int32; -1 where all are NaN."""
    place = np.argmax(_present(x, -np.inf), axis=axis, keepdims=keepdims)
    return np.where(np.all(np.isnan(x), axis=axis, keepdims=keepdims), -1, place)


@_places
def nanargmin(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the index of the minimum that is a number, int32; -1 where all are NaN."""
    place = np.argmin(_present(x, np.inf), axis=axis, keepdims=keepdims)
    return np.where(np.all(np.isnan(x), axis=axis, keepdims=keepdims), -1, place)


def _missing(x, axis, keepdims, value):
    """`value` where all of `x` is NaN, else None's answer: used by extremes."""
    empty = np.all(np.isnan(x), axis=axis, keepdims=keepdims)
    return np.where(empty, np.nan, value).astype(x.dtype) if x.dtype.kind == "f" else value


@_keeps
def nanmax(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the maximum of what is a number."""
    axis = _axes(axis)
    value = np.max(_present(x, -np.inf), axis=axis, keepdims=keepdims)
    return _missing(x, axis, keepdims, value)


@_keeps
def nanmin(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the minimum of what is a number."""
    axis = _axes(axis)
    value = np.min(_present(x, np.inf), axis=axis, keepdims=keepdims)
    return _missing(x, axis, keepdims, value)


@_totals
def nansum(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the sum of what is a number."""
    return np.nansum(x, axis=_axes(axis), keepdims=keepdims)


@_totals
def nanprod(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the product of what is a number."""
    return np.nanprod(x, axis=_axes(axis), keepdims=keepdims)


def _quiet(function):
    """Without NumPy's warning about slices of NaN alone, whose answer is NaN."""

    def call(x, axis, keepdims):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return function(x, axis=_axes(axis), keepdims=keepdims)

    return call


@_means
def nanmean(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the mean of what is a number."""
    return _quiet(np.nanmean)(x, axis, keepdims)


@_means
def nanvar(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the variance of what is a number."""
    return _quiet(np.nanvar)(x, axis, keepdims)


@_means
def nanstd(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the standard deviation of what is a number."""
    return _quiet(np.nanstd)(x, axis, keepdims)


@_means
def nanmedian(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the median of what is a number."""
    return _quiet(np.nanmedian)(x, axis, keepdims)


@operation(fractional, tensors=2)
def quantile(
    x: Tensor, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Tensor:
    """Return the quantiles `q` (0 to 1); several of them come along a new first axis."""
    return np.quantile(x, q, axis=_axes(axis), method=method, keepdims=keepdims)


@operation(fractional, tensors=2)
def percentile(
    x: Tensor, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Tensor:
    """Return the percentiles `q` (0 to 100); several of them come along a new first axis."""
    return np.percentile(x, q, axis=_axes(axis), method=method, keepdims=keepdims)


@operation(fractional, tensors=2)
def nanquantile(
    x: Tensor, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Tensor:
    """Return the quantiles `q` (0 to 1) of what is a number."""
    return np.nanquantile(x, q, axis=_axes(axis), method=method, keepdims=keepdims)


@operation(fractional, tensors=2)
def nanpercentile(
    x: Tensor, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Tensor:
    """Return the percentiles `q` (0 to 100) of what is a number."""
    return np.nanpercentile(x, q, axis=_axes(axis), method=method, keepdims=keepdims)


@_places
def count_nonzero(x: Tensor, axis: Axis = None) -> Tensor:
    """Return how many elements are not 0, int32."""
    return np.count_nonzero(x, axis=_axes(axis))


def average(x: Tensor, axis: Axis = None, weights: Tensor = None) -> Tensor:
    """Return the mean, weighted by `weights` where they are given."""
    return _means_of(x, axis) if weights is None else _weighted(x, weights, axis)


@_means
def _means_of(x, axis):
    return np.average(x, axis=axis)


@operation(fractional, tensors=2)
def _weighted(x, weights, axis):
    return np.average(x, axis=axis, weights=weights)


def _running(function, doc):
    def running(x: Tensor, axis: int | None = None, dtype: DTypeLike = None) -> Tensor:
        if symbolic.is_traced(x):
            return function(symbolic.traced(x), axis=axis, dtype=dtype)
        name = dtypes.standardize_dtype(dtype) if dtype else counted(dtype_of(x))
        return rounded(function(to_array(x, dtypes.compute_dtype(name)), axis=axis), name)

    running.__name__ = running.__qualname__ = function.__name__
    running.__doc__ = doc
    return infers_shapes(running)


cumsum = _running(np.cumsum, "Return the sums of all elements up to each, along `axis`.")
cumprod = _running(np.cumprod, "Return the products of all elements up to each, along `axis`.")
nancumsum = _running(np.nancumsum, "Return `cumsum` of what is a number.")
nancumprod = _running(np.nancumprod, "Return `cumprod` of what is a number.")


@_keeps
def diff(a: Tensor, n: int = 1, axis: Axis = -1) -> Tensor:
    """Return the differences of neighbours along `axis`, `n` times."""
    return np.diff(a, n, axis)


@_totals
def trace(x: Tensor, offset: Any = 0, axis1: Any = 0, axis2: Any = 1) -> Tensor:
    """Return the sums of the diagonals of matrices; of small integers as int32 or uint32."""
    return np.trace(x, offset, axis1, axis2)


@operation(wide_fractional)
def corrcoef(x: Tensor) -> Tensor:
    """Return the matrix of correlations between the rows of `x`."""
    return np.corrcoef(x)


@operation(fractional, tensors=2)
def correlate(x1: Tensor, x2: Tensor, mode: str = "valid") -> Tensor:
    """Return the cross-correlation of two vectors."""
    return np.correlate(x1, x2, mode)


def trapezoid(y: Tensor, x: Tensor = None, dx: float = 1.0, axis: Axis = -1) -> Tensor:
    """Return the integral of samples `y` at `x`, or `dx` apart, by the trapezoidal rule."""
    rule = np.trapezoid if hasattr(np, "trapezoid") else np.trapz
    if x is None:
        return operation(fractional)(lambda y: rule(y, dx=dx, axis=axis))(y)
    return operation(fractional, tensors=2)(lambda y, x: rule(y, x, axis=axis))(y, x)


def histogram(x: Tensor, bins: Any = 10, range: Any = None) -> Tensor:
    """Return how many elements fall between edges, as floats, and the edges.

    Raises:
        ValueError: `bins` is not positive, `range` not two numbers that rise, or `x` not a vector.
    """
    if not isinstance(bins, int) or bins <= 0:
        raise ValueError(f"histogram: expected a positive number of bins, got {bins!r}")
    if range and (len(range) != 2 or not range[0] <= range[1]):
        raise ValueError(f"histogram: expected range (least, greatest), got {range!r}")
    values = convert_to_tensor(x)
    if values.ndim != 1:
        raise ValueError(
            f"histogram: expected a vector, got shape {values.shape}; call it with ravel(x)"
        )
    name = fractional(values.dtype.name)
    counts, edges = np.histogram(values.astype("float64"), bins, range)
    return rounded(counts, name), rounded(edges, name)


def bincount(x: Tensor, weights: Tensor = None, minlength: Any = 0, sparse: bool = False) -> Tensor:
    """Return how often each number from 0 on occurs in the last axis of `x`, or sums of weights."""
    ids = convert_to_tensor(x)
    given = None if weights is None else convert_to_tensor(weights)
    name = "int32" if given is None else _bin_dtype(given.dtype.name)
    size = int(minlength)
    if ids.size:
        size = int(np.maximum(ids.max() + 1, minlength))
    rows = ids.reshape(-1, ids.shape[-1]) if ids.ndim > 1 else ids[None]
    masses = [None] * len(rows)
    if given is not None:
        masses = np.broadcast_to(given, ids.shape).reshape(rows.shape)
    counts = np.stack([np.bincount(r, m, size) for r, m in zip(rows, masses)])
    return rounded(counts.reshape(*ids.shape[:-1], size), name)


def _bin_dtype(name):
    return name if name in dtypes.FLOAT_DTYPES else settings.floatx if name == "float" else "int32"


__all__ = [
    "all", "amax", "amin", "any", "argmax", "argmin", "average", "bincount", "corrcoef",
    "correlate", "count_nonzero", "cumprod", "cumsum", "diff", "histogram", "max", "mean",
    "median", "min", "nanargmax", "nanargmin", "nancumprod", "nancumsum", "nanmax", "nanmean",
    "nanmedian", "nanmin", "nanpercentile", "nanprod", "nanquantile", "nanstd", "nansum", "nanvar",
    "percentile", "prod", "ptp", "quantile", "std", "sum", "trace", "trapezoid", "var",
]  # fmt: skip
