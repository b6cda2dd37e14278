"""The functions of `keras.ops` that NumPy lacks: special functions, segments, top k, complex views.

>>> from pyseq import ops
>>> ops.logsumexp([0.0, 0.0]).round(3)
np.float32(0.693)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, special, symbolic
from pyseq.ops.placeholders import infers_shapes
from pyseq.ops.promotion import convert_to_tensor, fractional, operation

if TYPE_CHECKING:
    from pyseq.types import Axis, Tensor

_real = operation(fractional)


@_real
def rsqrt(x: Tensor) -> Tensor:
    """Return 1 / sqrt(x), inf at 0 and NaN below."""
    return 1.0 / np.sqrt(x)


@_real
def erf(x: Tensor) -> Tensor:
    """Return the error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x.

    >>> erf(np.array([0.0, 1.0])).round(4).tolist()
    [0.0, 0.8427]
    """
    return special.erf(x)


@_real
def erfc(x: Tensor) -> Tensor:
    """Return 1 - erf(x), exact for large x too.

    In a trace it is what it says, 1 - erf(x): 0 from x = 4 on.

    >>> print(f"{erfc(np.float64(5)):.10g}")
    1.537459794e-12
    """
    return 1.0 - special.erf(x) if symbolic.is_traced(x) else _erfc(x).astype(x.dtype)


def _erfc(x):
    return np.asarray(np.frompyfunc(math.erfc, 1, 1)(x), np.float64)


# Of w = -ln(1 - x^2), lowest power last; Giles, "Approximating the erfinv function", 2010.
_NEAR = (
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
)
_TAIL = (
    -0.000200214257,
    0.000100950558,
    0.00134934322,
    -0.00367342844,
    0.00573950773,
    -0.0076224613,
    0.00943887047,
    1.00167406,
    2.83297682,
)


@_real
def erfinv(x: Tensor) -> Tensor:
    """Return the number whose error function is x: inf at 1, NaN beyond.

    In a trace it is M. Giles's approximation, right to about 3e-7 of its value.

    >>> erfinv(np.array([0.0, 0.8427007929497149, 1.0])).round(12).tolist()
    [0.0, 1.0, inf]
    """
    ends = np.equal(np.abs(x), 1)
    inside = np.where(ends, 0.0, x)
    w = -np.log((1 - inside) * (1 + inside))
    near, tail = w - 2.5, np.sqrt(np.maximum(w, 5.0)) - 3.0
    y = inside * np.where(w < 5, _polynomial(_NEAR, near), _polynomial(_TAIL, tail))
    if not symbolic.is_traced(x):
        y = _refined(y, inside)
    return np.where(ends, np.where(np.less(x, 0), -np.inf, np.inf).astype(y.dtype), y)


def _polynomial(coefficients, x):
    y = coefficients[0]
    for c in coefficients[1:]:
        y = y * x + c
    return y


def _refined(y, x):
    """Two steps of Halley's method; near 1 through erfc, which keeps the digits."""
    size, y = np.abs(np.float64(x)), np.abs(np.float64(y))
    for _ in range(2):
        error = np.where(size < 0.5, special.erf(y) - size, (1 - size) - _erfc(y))
        step = error * (math.sqrt(math.pi) / 2) * np.exp(y * y)
        y = y - step / (1 + y * step)
    return np.copysign(y, x).astype(x.dtype)


@operation(fractional, tensors=2)
def cdist(x: Tensor, y: Tensor) -> Tensor:
    """Return the Euclidean distances of vectors x (..., m, d) and y (..., n, d), as (..., m, n).

    Raises:
        ValueError: less than two axes, another d, or leading axes that do not broadcast.
    """
    if x.ndim < 2 or y.ndim < 2 or x.shape[-1] != y.shape[-1]:
        raise ValueError(
            f"cdist: expected arrays (..., m, d) and (..., n, d), got shapes {tuple(x.shape)} and "
            f"{tuple(y.shape)}; give both the same last axis"
        )
    difference = np.expand_dims(x, -2) - np.expand_dims(y, -3)
    return np.sqrt(np.sum(np.square(difference), axis=-1))


@_real
def logsumexp(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return log(sum(exp(x))) along axes, safe for large x."""
    axis = tuple(axis) if isinstance(axis, list) else axis
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    total = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axis=axis)


def _check_k(where, k, shape):
    size = shape[-1] if shape else 0
    if not isinstance(k, (int, np.integer)) or not 0 <= k <= size:
        raise ValueError(
            f"{where}: expected a whole number k up to the last axis of shape {tuple(shape)}, got "
            f"{k!r}; choose a smaller one"
        )


@infers_shapes
def top_k(x: Tensor, k: int, sorted: bool = True) -> Tensor:
    """Return the k largest values of the last axis and their int32 indices, largest first.

    NaN counts as the largest, and of equal values the first comes first.

    Raises:
        ValueError: `k` is more than there are.

    >>> [a.tolist() for a in top_k([2, 9, 5, 9], 3)]
    [[9, 9, 5], [1, 3, 2]]
    """
    x = convert_to_tensor(x)
    _check_k("top_k", k, x.shape)
    if symbolic.is_traced(x):
        return _largest(x, k)
    behind = np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    indices = (x.shape[-1] - 1 - behind)[..., :k]
    return np.take_along_axis(x, indices, axis=-1), indices.astype("int32")


def _largest(x, k):
    """Where no sort is at hand: the largest, then the largest of the rest."""
    rest, places, found = x, np.arange(x.shape[-1]), []
    for _ in range(k):
        found.append(np.argmax(rest, axis=-1, keepdims=True))
        rest = np.where(np.equal(found[-1], places), -np.inf, rest)
    indices = np.concatenate(found, axis=-1)
    return np.take_along_axis(x, indices, axis=-1), indices.astype("int32")


def in_top_k(targets: Tensor, predictions: Tensor, k: int) -> Tensor:
    """True for each row of predictions (n, classes) whose target class is among the k largest.

    Ties count as among them, NaN as the largest prediction, but never as among them.

    Raises:
        ValueError: `k` is more than there are classes, or a row has no target.
        IndexError: a target is no class.
    """
    targets, predictions = map(convert_to_tensor, (targets, predictions))
    _check_k("in_top_k", k, predictions.shape)
    if targets.ndim != 1 or predictions.ndim != 2 or targets.shape[0] != predictions.shape[0]:
        raise ValueError(
            f"in_top_k: expected targets (n,) and predictions (n, classes), got shapes "
            f"{tuple(targets.shape)} and {tuple(predictions.shape)}"
        )
    chosen = np.take_along_axis(predictions, targets[:, None].astype("int64"), axis=-1)
    # NaN compares as false.
    return np.sum(np.logical_not(predictions <= chosen), axis=-1) < k


@operation()
def extract_sequences(x: Tensor, sequence_length: Any, sequence_stride: Any) -> Tensor:
    """Return the windows of the last axis, one every `sequence_stride`: (..., windows, length).

    Raises:
        ValueError: a window is longer than the axis, or length or stride is below 1.

    >>> extract_sequences([1, 2, 3, 4, 5, 6], 3, 2).tolist()
    [[1, 2, 3], [3, 4, 5]]
    """
    return np.take(x, windows("extract_sequences", x, sequence_length, sequence_stride), axis=-1)


def windows(where, x, length, stride):
    """Indices (windows, length) of the last axis of `x`."""
    size = x.shape[-1] if x.ndim else 0
    if length < 1 or stride < 1 or length > size:
        raise ValueError(
            f"{where}: expected windows of 1 to {size} values and a stride of at least 1, got "
            f"length {length} and stride {stride}; pad the input or take shorter windows"
        )
    starts = np.arange(1 + (size - length) // stride) * stride
    return starts[:, None] + np.arange(length)


def _segment(where, data, segment_ids, num_segments, ufunc, empty):
    data, ids = convert_to_tensor(data), convert_to_tensor(segment_ids)
    if ids.ndim != 1 or ids.dtype.kind not in "iu" or not data.ndim or len(ids) != data.shape[0]:
        raise ValueError(
            f"{where}: expected a vector of integer segment_ids, one for each row of data, got "
            f"shape {tuple(ids.shape)} of {ids.dtype} for data of shape {tuple(data.shape)}"
        )
    if num_segments is None:
        num_segments = int(ids.max()) + 1 if ids.size else 0
    kept = (ids >= 0) & (ids < num_segments)
    name = data.dtype.name
    result = np.full(
        (int(num_segments), *data.shape[1:]), empty(data.dtype), dtypes.compute_dtype(name)
    )
    with np.errstate(all="ignore"):
        ufunc.at(result, ids[kept], data[kept].astype(result.dtype))
        return result.astype(data.dtype)


def _least(dtype):
    return -np.inf if dtype.kind not in "iu" else np.iinfo(dtype).min


def _most(dtype):
    return np.inf if dtype.kind not in "iu" else np.iinfo(dtype).max


def segment_sum(
    data: Tensor, segment_ids: Any, num_segments: Any = None, sorted: bool = False
) -> Tensor:
    """Return the sums of the rows of `data` that have the same segment id, in order of the ids.

    Args:
        segment_ids: (n,) integers; rows whose id is negative or too large are left out.
        num_segments: the number of sums; by default the largest id and one.
        sorted: whether the ids rise, which changes nothing here.

    >>> segment_sum(np.array([1, 2, 10]), [0, 0, 1]).tolist()
    [3, 10]
    """
    return _segment("segment_sum", data, segment_ids, num_segments, np.add, lambda _: 0)


def segment_prod(
    data: Tensor, segment_ids: Any, num_segments: Any = None, sorted: bool = False
) -> Tensor:
    """Return products of rows as `segment_sum` does sums; 1 for a segment without rows."""
    return _segment("segment_prod", data, segment_ids, num_segments, np.multiply, lambda _: 1)


def segment_max(
    data: Tensor, segment_ids: Any, num_segments: Any = None, sorted: bool = False
) -> Tensor:
    """Return maxima of rows as `segment_sum` does sums; the least number where there are none."""
    return _segment("segment_max", data, segment_ids, num_segments, np.maximum, _least)


def segment_min(
    data: Tensor, segment_ids: Any, num_segments: Any = None, sorted: bool = False
) -> Tensor:
    """Return minima of rows as `segment_sum` does sums; the largest number where there are none."""
    return _segment("segment_min", data, segment_ids, num_segments, np.minimum, _most)


@_real
def logdet(x: Tensor) -> Tensor:
    """Return the logarithm of the determinants of matrices (..., n, n); NaN of negative ones."""
    sign, size = np.linalg.slogdet(x)
    return np.where(sign < 0, np.nan, size).astype(x.dtype)


@infers_shapes
def view_as_complex(x: Tensor) -> Tensor:
    """Return real pairs (..., 2) as complex64 numbers (...).

    Raises:
        ValueError: the last axis does not hold two numbers.
    """
    x = convert_to_tensor(x)
    if not x.ndim or x.shape[-1] != 2:
        raise ValueError(
            "view_as_complex: expected a last axis of size 2, real and imaginary, got shape "
            f"{tuple(x.shape)}"
        )
    return np.asarray(x[..., 0] + 1j * np.asarray(x[..., 1])).astype("complex64")


@infers_shapes
def view_as_real(x: Tensor) -> Tensor:
    """Return complex numbers (...) as pairs (..., 2), real and imaginary."""
    x = convert_to_tensor(x)
    return np.stack([np.real(x), np.imag(x)], axis=-1)


__all__ = [
    "cdist", "erf", "erfc", "erfinv", "extract_sequences", "in_top_k", "logdet", "logsumexp",
    "rsqrt", "segment_max", "segment_min", "segment_prod", "segment_sum", "top_k",
    "view_as_complex", "view_as_real",
]  # fmt: skip
