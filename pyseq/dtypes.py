"""Names of dtypes: what they are called, which are floats, what they become together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import settings

if TYPE_CHECKING:
    from pyseq.types import DTypeLike

INT_DTYPES = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")
HALF_DTYPES = ("bfloat16", "float16")
FLOAT_DTYPES = ("bfloat16", "float16", "float32", "float64")
DTYPES = frozenset((*INT_DTYPES, *FLOAT_DTYPES, "bool", "string", "complex64", "complex128"))
_PYTHON_DTYPES = {bool: "bool", int: "int32", float: None, str: "string", "int": "int32"}


def standardize_dtype(dtype: DTypeLike) -> str:
    """Return the name of a dtype; None stands for `floatx()`.

    Accepts names, NumPy dtypes and scalar types, Python's bool, int, float and str, and the
    dtypes of other array libraries whose text ends in the name (`torch.float32`).

    >>> standardize_dtype(np.int64), standardize_dtype(None)
    ('int64', 'float32')
    """
    # Compared by type first: NumPy dtypes claim to equal strings such as "float".
    if dtype is None or dtype is float or (isinstance(dtype, str) and dtype == "float"):
        return settings.floatx
    if isinstance(dtype, (str, type)) and dtype in _PYTHON_DTYPES:
        return _PYTHON_DTYPES[dtype]
    if isinstance(dtype, str):
        name = dtype
    elif isinstance(dtype, np.dtype) or (isinstance(dtype, type) and issubclass(dtype, np.generic)):
        described = np.dtype(dtype)
        name = "string" if described.kind in "US" else described.name
    else:
        name = getattr(dtype, "name", None) or str(dtype).rpartition(".")[2]
    if name not in DTYPES:
        raise ValueError(
            f"standardize_dtype: expected the name of a dtype, got {dtype!r}; "
            f"use one of {sorted(DTYPES)}"
        )
    return name


def compute_dtype(dtype: DTypeLike) -> str:
    """Return the dtype that arithmetic in `dtype` runs in: the 16-bit floats run in float32.

    >>> compute_dtype("bfloat16"), compute_dtype("float64")
    ('float32', 'float64')
    """
    name = standardize_dtype(dtype)
    return "float32" if name in HALF_DTYPES else name


def numpy_dtype(dtype):
    """Return `dtype` as NumPy takes it, which knows bfloat16 from the package `ml_dtypes` only.

    Raises:
        ImportError: bfloat16 is asked for and `ml_dtypes` is not installed.

    >>> numpy_dtype("float16")
    'float16'
    """
    if not isinstance(dtype, str) or dtype != "bfloat16":
        return dtype
    try:
        import ml_dtypes
    except ImportError as error:
        raise ImportError(
            "dtype: expected the package ml_dtypes for arrays of 'bfloat16', got none; install "
            "it with pip install ml_dtypes"
        ) from error
    return np.dtype(ml_dtypes.bfloat16)


def itemsize(dtype):
    """Return the bytes of a number.

    >>> itemsize("bfloat16"), itemsize("float64")
    (2, 8)
    """
    return 2 if isinstance(dtype, str) and dtype in HALF_DTYPES else np.dtype(dtype).itemsize


def rounded(x, dtype):
    """Return an array or number that was computed in more digits as `dtype`; too large is inf.

    >>> rounded(np.float32(0.1), "float16"), rounded(np.ones(1), "float32").dtype
    (np.float16(0.1), dtype('float32'))
    """
    with np.errstate(over="ignore"):
        return np.asarray(x).astype(numpy_dtype(dtype))[()]


def is_float_dtype(dtype: DTypeLike) -> Any:
    """Return whether `dtype` is a float type.

    >>> is_float_dtype("float16"), is_float_dtype("int8")
    (True, False)
    """
    return standardize_dtype(dtype) in FLOAT_DTYPES


def is_int_dtype(dtype: DTypeLike) -> Any:
    """Return whether `dtype` is a signed or unsigned integer type.

    >>> is_int_dtype("uint8"), is_int_dtype("bool")
    (True, False)
    """
    return standardize_dtype(dtype) in INT_DTYPES


def _is_weak(dtype):
    if isinstance(dtype, str):
        return dtype in ("int", "float")
    return dtype is int or dtype is float


def result_type(*dtypes: Any) -> Any:
    """Return the dtype of an expression over arguments of these dtypes.

    Integers with floats give the float type, and two different 16-bit floats give float32, as
    in the promotion lattice of JAX that Keras follows.

    >>> result_type("int64", "float32"), result_type("int8", "uint8")
    ('float32', 'int16')
    """
    # int and float are weak: they do not widen a dtype given by name.
    weak = [d for d in dtypes if _is_weak(d)]
    names = [standardize_dtype(d) for d in dtypes if not _is_weak(d)]
    if "string" in names:
        raise ValueError("result_type: expected numeric dtypes, got 'string'")
    floats = [n for n in names if n in FLOAT_DTYPES]
    complexes = [n for n in names if n.startswith("complex")]
    has_weak_float = any(d is not int and d != "int" for d in weak)
    if complexes:
        wide = "complex128" in complexes or "float64" in floats
        return "complex128" if wide else "complex64"
    if floats:
        if len(set(floats)) == 1:
            return floats[0]
        return "float64" if "float64" in floats else "float32"
    if has_weak_float or not dtypes:
        return settings.floatx
    if names and all(n == "bool" for n in names):
        return "int32" if weak else "bool"
    integers = [n for n in names if n != "bool"]
    if not integers:
        return "int32"
    if "uint64" in integers and any(n.startswith("int") for n in integers):
        return settings.floatx
    return np.result_type(*integers).name


def check_numbers(value, where):
    """Raise a ValueError if there is None in a number, list or array, where it would become NaN.

    >>> check_numbers([[1.0, 2.0]], "mean")
    """
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        return
    if _has_none(value):
        raise ValueError(
            f"{where}: expected numbers only, got None among them; replace it by a number"
        )


def _has_none(value):
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return any(map(_has_none, value))
    return value is None
