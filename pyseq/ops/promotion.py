"""Arguments of functions as arrays, and the dtype that Keras gives what comes of them.

Keras promotes as JAX does (https://docs.jax.dev/en/latest/type_promotion.html): Python's numbers do
not widen an array's dtype, integers with floats give the float, and where a result is fractional,
integers become `floatx()`. 16-bit floats are computed in float32 and rounded once.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, settings, symbolic
from pyseq.ops.placeholders import infers_shapes

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyseq.types import DTypeLike, T, Tensor


@infers_shapes
def convert_to_tensor(
    x: Tensor, dtype: DTypeLike = None, sparse: Any = None, ragged: Any = None
) -> Tensor:
    """Return `x` as an array; Python numbers become `floatx()` or int32, as in Keras.

    >>> convert_to_tensor([1, 2]).dtype, convert_to_tensor(0.5).dtype
    (dtype('int32'), dtype('float32'))
    """
    if dtype is not None:
        dtype = dtypes.numpy_dtype(dtype)
    if symbolic.is_traced(x):
        return symbolic.as_array(x, dtype)
    if dtype is None and not hasattr(x, "dtype") and not hasattr(x, "__array__"):
        array = np.asarray(x)
        # Arrays within lists keep their dtype.
        if array.dtype == np.float64 and not _holds_arrays(x):
            dtype = settings.floatx
        elif array.dtype == np.int64 and not _holds_arrays(x):
            dtype = "int32"
        return array if dtype is None else array.astype(dtype)
    return np.asarray(x, dtype=dtype)


def _holds_arrays(x):
    while isinstance(x, (list, tuple)) and len(x):
        x = x[0]
    return hasattr(x, "dtype")


def dtype_of(x):
    """Return the dtype of an argument: int or float, which do not widen, for Python's numbers."""
    if isinstance(x, bool):
        return "bool"
    if isinstance(x, (int, float)) and not isinstance(x, np.generic):
        return type(x)
    return dtypes.standardize_dtype(getattr(x, "dtype", None) or convert_to_tensor(x).dtype)


def fractional(*given):
    """The dtype of a result that integers make fractional: `floatx()` for them."""
    integers = [d for d in given if d is not float and d not in _FRACTIONAL]
    return settings.floatx if len(integers) == len(given) else dtypes.result_type(*given)


_FRACTIONAL = frozenset((*dtypes.FLOAT_DTYPES, "complex64", "complex128"))


def wide_fractional(*given):
    """`fractional`, where int64 becomes float64: what Keras does in some functions."""
    return "float64" if "int64" in given else fractional(*given)


def own(dtype):
    """The dtype itself, where what is computed of integers is whole; `floatx()` for bool."""
    name = dtypes.result_type(dtype)
    return settings.floatx if name == "bool" else name


def counted(*given):
    """The common dtype, int32 in place of bool."""
    name = dtypes.result_type(*given)
    return "int32" if name == "bool" else name


def summed(name):
    """The dtype of a sum or product: of integers at least 32 bits."""
    return {
        "bool": "int32",
        "int8": "int32",
        "int16": "int32",
        "uint8": "uint32",
        "uint16": "uint32",
    }.get(name, name)


def checked_axes(where, axis, shape):
    """`axis` (None for all, one or several) as positive axes of an array of `shape`.

    Raises:
        ValueError: one of them is not an axis, or is named twice.

    >>> checked_axes("softmax", (-1, 0), (2, 3, 4))
    (2, 0)
    """
    rank = len(shape)
    if axis is None:
        return tuple(range(rank))
    given = axis if isinstance(axis, (list, tuple)) else (axis,)
    whole = all(hasattr(a, "__index__") and not isinstance(a, bool) for a in given)
    if not whole or any(not -rank <= a < rank for a in given):
        raise ValueError(
            f"{where}: expected axes in [{-rank}, {rank}) for shape {tuple(shape)}, got {axis!r}"
        )
    axes = tuple(a.__index__() % rank for a in given)
    if len(set(axes)) != len(axes):
        raise ValueError(f"{where}: expected each axis once, got {axis!r}")
    return axes


def operation(
    rule: Callable[..., Any] = dtypes.result_type, result: str | None = None, tensors: int = 1
) -> Callable[[T], T]:
    """Return a decorator for a function whose first `tensors` arguments are arrays.

    Args:
        rule: from the dtypes of the arguments to the dtype that the function gets them in.
        result: dtype of what it returns, if that is another; "own" leaves it as it is.
        tensors: number of arguments that are arrays.

    Tensors of a trace are handed on as they are.
    """

    def decorate(function):
        names = list(inspect.signature(function).parameters)[:tensors]

        @infers_shapes
        @functools.wraps(function)
        def call(*args, **options):
            given = [*args[:tensors], *(options.pop(n) for n in names[len(args) :] if n in options)]
            rest = args[tensors:]
            if any(map(symbolic.is_traced, given)):
                return function(*map(_plain, given), *rest, **options)
            name = rule(*map(dtype_of, given))
            arrays = [to_array(x, dtypes.compute_dtype(name)) for x in given]
            with np.errstate(all="ignore"):
                value = function(*arrays, *rest, **options)
            return value if result == "own" else rounded(value, result or name)

        return call

    return decorate


def _plain(x):
    """An argument beside a tensor of a trace: lists in the dtype of Keras, weights as tensors."""
    return convert_to_tensor(x) if isinstance(x, (list, tuple)) else symbolic.traced(x)


def to_array(x, name):
    """Return `x` as an array of a dtype."""
    return np.asarray(x).astype(dtypes.numpy_dtype(name), copy=False)


def rounded(value, name):
    """Return arrays, or a tuple or list of them, in a dtype."""
    if isinstance(value, (tuple, list)):
        return type(value)(rounded(v, name) for v in value)
    return value.astype(dtypes.numpy_dtype(name), copy=False) if hasattr(value, "astype") else value
