"""Named tensors that layers, optimizers and compiled programs share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import _core, dtypes, hooks, naming, symbolic
from pyseq.arithmetic import Arithmetic
from pyseq.signatures import call_with

if TYPE_CHECKING:
    from typing_extensions import Self

    from pyseq.types import Array, DTypeLike


class Variable(Arithmetic):
    """A named tensor. Float variables live in storage that compiled programs write in place.

    Args:
        initializer: initial value, array-like; or, with `shape`, an initializer or its name.
        shape: shape of a variable that an initializer fills.
        dtype: "float32" (default for floats), "float64", "float16", "bfloat16", or any NumPy dtype
            for variables that only Python reads (counters, seeds). Of 16-bit floats programs keep
            float32 numbers: what is assigned or read is rounded, and the weights that `fit` trains
            are at the end of each epoch.
        trainable: whether an optimizer updates it.
        autocast, aggregation, synchronization: kept for Keras; they change nothing on one machine
            that computes in the dtype of the variables.
        name: last part of `path`; `variable`, `variable_1`, ... when None.

    >>> v = Variable([[1.0, 2.0]], name="kernel")
    >>> v.assign([[3.0, 4.0]]).numpy()
    array([[3., 4.]], dtype=float32)
    """

    regularizer: Any
    constraint: Any
    initializer: Any

    def __new__(
        cls,
        initializer: Any = None,
        shape: Any = None,
        dtype: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> Self:
        # A class of their own: reading any other variable does not ask whether to round.
        half = cls is Variable and dtype is not None and _name(dtype) in dtypes.HALF_DTYPES
        return super().__new__(HalfVariable if half else cls)

    def __init__(
        self,
        initializer: Any,
        shape: Any = None,
        dtype: DTypeLike = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str = "none",
        synchronization: str = "auto",
        name: str | None = None,
        path: Any = None,
    ) -> None:
        name = name or naming.auto_name("variable")
        if shape is not None:
            initializer = hooks.ask("initializer", initializer)
            initializer = call_with(initializer, tuple(shape), dtype=dtype or "float32")
        value = np.asarray(initializer)
        dtypes.check_numbers(value, path or name)
        if dtype is None:
            dtype = "float32" if value.dtype.kind == "f" else value.dtype.name
        self.name = name
        self.path = path or "/".join(filter(None, (naming.path_here(), name)))
        self.trainable = bool(trainable)
        self.aggregation = aggregation or "none"
        self.synchronization = synchronization or "none"
        self.regularizer = None
        self.constraint = None
        self.initializer = None
        self._store(value, np.dtype(dtypes.numpy_dtype(dtype)))

    @property
    def is_float(self) -> bool:
        """Whether programs write the variable itself; those of other dtypes have a stand-in."""
        return self._storage is not None

    # Whole numbers that a float32 holds exactly.
    _EXACT = 1 << 24

    def stored_as(self, dtype: DTypeLike) -> Any:
        """The float variable that programs of `dtype` use: this one, or its stand-in."""
        if self.is_float:
            return self
        if self._twin is None or self._twin.dtype != dtype:
            value = self.value
            self._twin = None
            self._check_exact(value, dtype)
            self._twin = Variable(
                value, dtype=dtype, trainable=False, name=self.name, path=self.path
            )
        return self._twin

    def _check_exact(self, value, dtype):
        if dtype == "float32" and np.any(np.abs(value.astype("float64")) >= self._EXACT):
            raise OverflowError(
                f"{self.path}: expected whole numbers below 2**24 in a program of float32, got "
                f"{np.max(np.abs(value))}; use dtype='float64' for the layer"
            )

    def _store(self, value, dtype):
        self._twin = None
        if dtype.name in ("float32", "float64"):
            self._storage = _core.Variable(list(value.shape), dtype.name)
            self._array = self._storage.array()
            self._array[...] = value
        else:
            self._storage = None
            self._array = np.array(value, dtype=dtype)
        self._view = self._array.view()
        self._view.flags.writeable = False

    def __getstate__(self):
        stored = ("_storage", "_array", "_view", "_twin")
        state = {k: v for k, v in vars(self).items() if k not in stored}
        return state, self.numpy()

    def __setstate__(self, state):
        attributes, value = state
        vars(self).update(attributes)
        self._store(value, value.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    @property
    def ndim(self) -> int:
        return self._array.ndim

    @property
    def size(self) -> int:
        return self._array.size

    @property
    def dtype(self) -> str:
        return self._array.dtype.name

    @property
    def stored_dtype(self) -> Any:
        """The dtype of the numbers that programs use: float32 for 16-bit floats."""
        return self.dtype

    @property
    def value(self) -> Array:
        """The tensor itself, a read-only NumPy view: it shows later changes; `assign` writes."""
        if self._storage is not None:
            self._storage.fetch()
        elif self._twin is not None:
            value = self._twin.value
            self._check_exact(value, self._twin.dtype)
            self._array[...] = value
        return self._view

    def numpy(self) -> Array:
        """Return a copy of the tensor."""
        return self.value.copy()

    def assign(self, value: Any) -> Any:
        """Overwrite the tensor; `value` must have its shape. Returns self.

        In the `call` of a layer it becomes part of the program: it happens at the end of each step.
        """
        if symbolic.is_traced(self):
            hooks.ask("assign", self, value)
            return self
        value = np.asarray(value.numpy() if isinstance(value, Variable) else value)
        if value.shape != self.shape:
            raise ValueError(
                f"{self.path}: expected a value of shape {self.shape}, got {value.shape}"
            )
        dtypes.check_numbers(value, self.path)
        if self._storage is None:
            self._array[...] = value
            if self._twin is not None:
                self._twin.assign(value)
        else:
            self._storage.fetch()
            self._array[...] = value
            self._storage.changed()
        return self

    def _exact(self):
        """A copy of what programs compute with; readers may get fewer digits of it."""
        return Variable.value.fget(self).copy()

    def _assign_exact(self, value):
        """Overwrite these numbers."""
        Variable.assign(self, value)

    def assign_add(self, value: Any) -> Any:
        return self.assign((self if symbolic.is_traced(self) else self.value) + value)

    def count(self, steps: Any) -> Any:
        """Add to a whole number, outside of traces: `assign_add` of what every step counts."""
        if self._twin is None:
            self._array[()] = self._array[()] + steps
        else:
            self.assign_add(steps)

    def assign_sub(self, value: Any) -> Any:
        return self.assign((self if symbolic.is_traced(self) else self.value) - value)

    def settle(self) -> None:
        """Give programs the numbers that readers get, where these are rounded."""

    def __len__(self) -> int:
        return len(self._view)

    def __index__(self):
        return self.value.__index__()

    def __repr__(self) -> str:
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}>"


class HalfVariable(Variable):
    """A variable of 16-bit floats: programs keep float32 numbers, readers get them rounded."""

    def _store(self, value, dtype):
        self._dtype = dtype
        with np.errstate(over="ignore"):
            value = np.asarray(value).astype(dtype)
        super()._store(value, np.dtype("float32"))

    def __getstate__(self):
        # Copies train on like this one: the numbers are not rounded.
        state, _ = super().__getstate__()
        return state, super().value.copy()

    def __setstate__(self, state):
        attributes, value = state
        vars(self).update(attributes)
        super()._store(value, np.dtype("float32"))

    @property
    def dtype(self):
        return self._dtype.name

    @property
    def stored_dtype(self):
        return "float32"

    @property
    def value(self):
        """The tensor as it is now, rounded; `assign` writes."""
        with np.errstate(over="ignore"):
            value = super().value.astype(self._dtype)
        value.flags.writeable = False
        return value

    def settle(self):
        super().assign(self.value)

    def assign(self, value):
        if symbolic.is_traced(self):
            return super().assign(value)
        value = np.asarray(value.numpy() if isinstance(value, Variable) else value)
        dtypes.check_numbers(value, self.path)
        with np.errstate(over="ignore"):
            return super().assign(value.astype(self._dtype))


def _name(dtype):
    return dtype if isinstance(dtype, str) else np.dtype(dtype).name
