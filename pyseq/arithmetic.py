"""The operators of what holds an array, with the dtypes that Keras gives their results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, symbolic

if TYPE_CHECKING:
    from pyseq.types import Operators
else:
    Operators = object

_BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.true_divide,
    "floordiv": np.floor_divide,
    "mod": np.mod,
    "pow": np.power,
    "matmul": np.matmul,
    "and": np.logical_and,
    "or": np.logical_or,
    "xor": np.logical_xor,
}
_COMPARISONS = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


class Arithmetic(Operators):
    """Operators on `value`, an array; in a trace they make symbolic tensors.

    `&`, `|` and `^` are logical, `~` is that of NumPy. `==` compares elements, between two of these
    as well: look one up in a list by `is`.
    """

    __array_priority__ = 100
    __hash__ = object.__hash__

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if dtype is None and not copy:
            return self.value
        return np.array(self.value, dtype=dtype)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return getattr(ufunc, method)(*map(_plain, inputs), **kwargs)

    def __array_function__(self, function, types, args, kwargs):
        return function(*map(_plain, args), **{k: _plain(v) for k, v in kwargs.items()})

    def __getitem__(self, key: Any) -> Any:
        return _plain(self)[key]

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __bool__(self):
        raise TypeError(
            f"{self.path}: expected an array or a number where a condition stands, got a variable; "
            f"take its value, or compare it with `is`"
        )

    def __neg__(self) -> Any:
        return np.negative(_plain(self))

    def __pos__(self) -> Any:
        return _plain(self)

    def __abs__(self) -> Any:
        return np.abs(_plain(self))

    def __invert__(self) -> Any:
        return ~_plain(self)

    def __round__(self, ndigits: int | None = None) -> Any:
        return np.round(_plain(self), ndigits or 0)


def _plain(x):
    """Such objects, in lists too, as what NumPy computes with: tensors in a trace, else arrays."""
    if isinstance(x, Arithmetic):
        return symbolic.traced(x) if symbolic.is_traced(x) else x.value
    if isinstance(x, (list, tuple)):
        return type(x)(map(_plain, x)) if type(x) in (list, tuple) else x
    return x


def _numbers(x):
    """`(array, dtype or Python's type)` of an operand, or None where it holds no numbers."""
    if isinstance(x, (bool, int, float)):
        return x, bool if isinstance(x, bool) else int if isinstance(x, int) else float
    given = hasattr(x, "dtype") or hasattr(x, "__array__")
    array = np.asarray(_plain(x))
    if array.dtype.kind not in "fiubc" and array.dtype.name != "bfloat16":
        return None
    if not given and array.dtype in (np.float64, np.int64):
        return array, dtypes.standardize_dtype(float if array.dtype.kind == "f" else int)
    return array, array.dtype


def _operator(function, swapped=False):
    def method(self: Any, other: Any) -> Any:
        if symbolic.is_traced(self) or symbolic.is_traced(other):
            operands = _plain(self), _plain(other)
        else:
            found = _numbers(self), _numbers(other)
            if None in found:
                return NotImplemented
            dtype = dtypes.result_type(*(kind for _, kind in found))
            if function is np.true_divide and not dtypes.is_float_dtype(dtype):
                dtype = dtypes.result_type(dtype, float)
            operands = [np.asarray(x, dtypes.numpy_dtype(dtype)) for x, _ in found]
        return function(*(reversed(operands) if swapped else operands))

    return method


for _name, _function in _BINARY.items():
    setattr(Arithmetic, f"__{_name}__", _operator(_function))
    setattr(Arithmetic, f"__r{_name}__", _operator(_function, swapped=True))
for _name, _function in _COMPARISONS.items():
    setattr(Arithmetic, f"__{_name}__", _operator(_function))
