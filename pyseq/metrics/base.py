"""`Metric` and its variables: state that batches are added to and a result is read from."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import (
    dtype_policies,
    dtypes,
    hooks,
    initializers,
    naming,
    results,
    structures,
    symbolic,
)
from pyseq.arithmetic import Arithmetic
from pyseq.registry.registration import builtin, to_snake_case
from pyseq.registry.serialization import construct
from pyseq.signatures import call_with
from pyseq.variable import Variable

if TYPE_CHECKING:
    from typing_extensions import Self

    from pyseq.types import Config, DTypeLike, InitializerLike, Shape


def _in_traces(update_state):
    """`update_state` that takes tensors too: what they stand for is added in each run."""

    @functools.wraps(update_state)
    def update(self, *args, **kwargs):
        if not _has_tensors(args, kwargs):
            return update_state(self, *args, **kwargs)

        def run(arguments):
            args, kwargs = arguments
            update_state(self, *args, **kwargs)

        return hooks.ask("update_metric", run, (args, kwargs))

    return update


def _has_tensors(args, kwargs):
    """Whether a trace runs that makes a tensor of one of the arguments."""
    return symbolic.trace.get() is not None and any(
        symbolic.is_traced(v) for v in structures.leaves((args, kwargs))
    )


class MetricVariable(Arithmetic):
    """A named array that a metric accumulates in.

    >>> total = MetricVariable((), name="total")
    >>> total.assign_add(2.0).numpy().item()
    2.0
    """

    trainable = False

    def __init__(self, shape=(), initializer=None, dtype=None, name="variable", path=None):
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        self.name = name
        self.path = path or name
        # 16 bits lose what is added to large sums: only who asks for them gets them.
        dtype = dtypes.compute_dtype(None) if dtype is None else dtypes.standardize_dtype(dtype)
        initializer = initializers.get(initializer)
        value = 0 if initializer is None else call_with(initializer, shape, dtype=dtype)
        self.value = np.full(shape, value, dtypes.numpy_dtype(dtype))

    @property
    def shape(self):
        """Shape as a tuple."""
        return self.value.shape

    @property
    def ndim(self):
        """Number of axes."""
        return self.value.ndim

    @property
    def dtype(self):
        """Dtype as a string."""
        return self.value.dtype.name

    def numpy(self):
        """Return a copy of the array."""
        return self.value.copy()

    def assign(self, value):
        """Replace the array; a number fills it. Returns self."""
        value, old = np.asarray(value), self.value
        if value.shape not in ((), old.shape):
            raise ValueError(
                f"{self.path}: expected a value of shape {old.shape}, got {value.shape}"
            )
        # A new array, not a write into the old one: results handed out earlier stay as they were.
        if value.shape == old.shape:
            self.value = value.astype(old.dtype)
        else:
            self.value = np.full(old.shape, value, old.dtype)
        return self

    def assign_add(self, value):
        """Add to the array. Returns self."""
        return self.assign(self.value + np.asarray(value))

    def assign_sub(self, value):
        """Subtract from the array. Returns self."""
        return self.assign(self.value - np.asarray(value))

    def __repr__(self):
        return f"<MetricVariable path={self.path}, shape={self.shape}, dtype={self.dtype}>"


# Counts in float32 stop growing at 2^24.
ACCUMULATOR = "float64"


def _append_once(known, item):
    if not any(other is item for other in known):
        known.append(item)


@builtin("metrics", aliases=(".Metric",))
class Metric:
    """Base class: subclasses define `update_state(...)` and `result()`.

    Variables made by `add_variable` are set to zero by `reset_state`.

    Args:
        dtype: dtype (or policy) of results; `floatx()` when None. Sums are kept in 32 bits or more;
            bfloat16 needs the package `ml_dtypes`.
        name: name in logs; when None the snake_case class name, made unique with `_1`, `_2`, ...

    >>> class Count(Metric):
    ...     def __init__(self, name="count", **kwargs):
    ...         super().__init__(name=name, **kwargs)
    ...         self.rows = self.add_variable((), "zeros", name="rows")
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.rows.assign_add(len(y_true))
    ...     def result(self):
    ...         return self.rows.value
    >>> print(Count()([1, 2], [1, 2]))
    2.0
    """

    _direction = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "update_state" in vars(cls):
            cls.update_state = _in_traces(cls.update_state)

    def __init__(self, dtype: DTypeLike = None, name: str | None = None) -> None:
        self.name = name or naming.auto_name(to_snake_case(type(self).__name__))
        self._dtype = dtype_policies.result_dtype(dtype)
        self._variables = []
        self._metrics = []

    if not TYPE_CHECKING:  # checkers would take any name for an attribute

        def __setattr__(self, name, value):
            if "_metrics" in self.__dict__:
                self._track(value)
            super().__setattr__(name, value)

    def _track(self, value):
        """Note variables and metrics, in lists and dicts too."""
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, (list, tuple)):
            for item in value:
                self._track(item)
        elif isinstance(value, Metric):
            _append_once(self._metrics, value)
        elif isinstance(value, (MetricVariable, Variable)):
            _append_once(self._variables, value)

    @property
    def dtype(self) -> str:
        """Dtype of results."""
        return self._dtype

    @property
    def _arithmetic(self):
        """Dtype in which values are computed."""
        return dtypes.compute_dtype(self._dtype)

    def _rounded(self, result):
        return dtypes.rounded(result, self._dtype)

    def add_variable(
        self,
        shape: Shape,
        initializer: InitializerLike = None,
        dtype: DTypeLike = None,
        aggregation: str = "sum",
        name: str | None = None,
    ) -> Variable:
        """Create a variable of this metric.

        Args:
            shape: shape of the array.
            initializer: initial value, an initializer or its name; zeros when None.
            dtype: `floatx()` when None, float32 where that has 16 bits.
            aggregation: accepted for compatibility.
            name: last part of its path.
        """
        self._check_super_called()
        name = name or f"variable_{len(self._variables)}"
        variable = MetricVariable(shape, initializer, dtype, name, path=f"{self.name}/{name}")
        self._variables.append(variable)
        return variable

    def add_weight(
        self,
        shape: Shape = (),
        initializer: InitializerLike = None,
        dtype: DTypeLike = None,
        name: str | None = None,
    ) -> Variable:
        """Create a variable of this metric; another name of `add_variable`."""
        return self.add_variable(shape, initializer, dtype=dtype, name=name)

    @property
    def variables(self) -> list[Variable]:
        """Variables of this metric, then those of metrics that are its attributes."""
        # What lists and dicts have got since they became attributes.
        for name, value in list(vars(self).items()):
            if isinstance(value, (list, dict)) and name not in ("_variables", "_metrics"):
                self._track(value)
        variables = list(self._variables)
        for metric in self._metrics:
            variables.extend(metric.variables)
        return variables

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Add a batch; subclasses must define it."""
        raise TypeError(
            f"{type(self).__name__}: expected a subclass that defines update_state(y_true, "
            f"y_pred, sample_weight=None), got none; define it"
        )

    def result(self) -> Any:
        """Return the value over the batches so far; subclasses must define it."""
        raise TypeError(
            f"{type(self).__name__}: expected a subclass that defines result(), got none; define it"
        )

    def reset_state(self) -> None:
        """Set every variable to zero."""
        for variable in self.variables:
            variable.assign(np.zeros(variable.shape, variable.value.dtype))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Add a batch and return the value over the batches so far.

        Within the `call` of a layer it is a tensor, without gradient.
        """
        self._check_super_called()
        if _has_tensors(args, kwargs):
            return self._call_traced(args, kwargs)
        self.update_state(*args, **kwargs)
        return results.handed(self.result())

    def _call_traced(self, args, kwargs):
        if isinstance(result := self.result(), dict):
            raise TypeError(
                f"{self.name}: expected a metric whose result() is a number or an array to be "
                f"called within `call`, got a dict of {sorted(result)}; use update_state"
            )

        def update(arguments):
            args, kwargs = arguments
            self.update_state(*args, **kwargs)

        return hooks.ask("update_metric", update, (args, kwargs), self.result)

    def _with_state(self, metric_variables, action):
        variables = self.variables
        if len(metric_variables) != len(variables):
            raise ValueError(
                f"{self.name}: expected {len(variables)} values, one for each of its variables, "
                f"got {len(metric_variables)}; pass what stateless_reset_state() returned"
            )
        before = [v.numpy() for v in variables]
        try:
            for variable, value in zip(variables, metric_variables, strict=True):
                variable.assign(value)
            result = action()
            return result, [v.numpy() for v in variables]
        finally:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)

    def stateless_update_state(self, metric_variables: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the values that the variables would have after a batch; changes nothing."""
        return self._with_state(metric_variables, lambda: self.update_state(*args, **kwargs))[1]

    def stateless_result(self, metric_variables: Any) -> Any:
        """Return the result for these values of the variables; changes nothing."""
        return self._with_state(metric_variables, self.result)[0]

    def stateless_reset_state(self) -> Any:
        """Return the values that the variables would have after a reset; changes nothing."""
        return self._with_state([v.value for v in self.variables], self.reset_state)[1]

    def lower(self) -> Any:
        """Return `(kind, attributes)` where the compiled core can accumulate it, else None."""
        return None

    def get_config(self) -> Config:
        """Return the constructor's arguments."""
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Return the metric that `get_config` described, with empty state."""
        return construct(cls, config)

    def _check_super_called(self):
        if "_metrics" not in self.__dict__:
            raise RuntimeError(
                f"{type(self).__name__}: expected super().__init__() to have run, got none; call "
                f"it first in __init__()"
            )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"
