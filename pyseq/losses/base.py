"""`Loss`, the wrapper that turns a function into one, and how weights, masks and reductions act.

A loss has three stages: a function gives one value per row (a sample, or a time step of it), the
rows are multiplied by weights and mask, and a reduction makes one number of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtype_policies, dtypes, naming, results, revision, settings
from pyseq.registry.registration import builtin, builtin_name, to_snake_case
from pyseq.registry.retired import modern_arguments
from pyseq.registry.serialization import (
    construct,
    deserialize_keras_object,
    serialize_keras_object,
)
from pyseq.symbolic import as_array, is_traced, traced

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from pyseq.types import Config, DTypeLike, Reduction, T, Tensor

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


def standardize_reduction(reduction):
    """Return `reduction` if it is one of `REDUCTIONS`, else raise ValueError."""
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"Loss(reduction): expected one of {REDUCTIONS}, got {reduction!r}; "
            f"'sum_over_batch_size' is the default"
        )
    return reduction


def as_floats(x, dtype=None):
    """Return `x` as a float array: of `dtype`, else its own float dtype, else `floatx()`."""
    x = traced(x)
    if dtype is None:
        dtype = x.dtype if isinstance(x, (np.ndarray, np.generic)) or is_traced(x) else None
        if dtype is None and hasattr(x, "__array__"):
            x = np.asarray(x)
            dtype = x.dtype
        if dtype is None or dtype.kind != "f":
            dtype = dtypes.compute_dtype(settings.floatx)
    return as_array(x, dtype)


def squeeze_or_expand_to_same_rank(x1, x2, expand_rank_1=True):
    """Drop or add a last axis of size 1, so that `(N,)` and `(N, 1)` mean the same.

    Args:
        x1, x2: arrays.
        expand_rank_1: make `(N, 1)` of an `(N,)` that meets one, rather than the reverse.

    >>> [x.shape for x in squeeze_or_expand_to_same_rank(np.ones(3), np.ones((3, 1)))]
    [(3, 1), (3, 1)]
    """
    if x1.ndim == x2.ndim + 1 and x1.shape[-1] == 1:
        if x2.ndim == 1 and expand_rank_1:
            return x1, x2[..., None]
        return x1[..., 0], x2
    if x2.ndim == x1.ndim + 1 and x2.shape[-1] == 1:
        if x1.ndim == 1 and expand_rank_1:
            return x1[..., None], x2
        return x1, x2[..., 0]
    return x1, x2


def arrays(y_true, y_pred, where, same_rank=True):
    """Return targets and predictions as arrays of the predictions' float dtype.

    Raises:
        ValueError: their shapes do not fit together.
    """
    y_pred = as_floats(y_pred)
    y_true = as_floats(y_true, y_pred.dtype)
    if same_rank:
        y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
    if y_true.shape != y_pred.shape and not is_traced(y_pred):
        _check_broadcast(y_true.shape, y_pred.shape, where)
    return y_true, y_pred


def _check_broadcast(true_shape, pred_shape, where):
    try:
        np.broadcast_shapes(true_shape, pred_shape)
    except ValueError as error:
        raise ValueError(
            f"{where}: expected targets and predictions of one shape, got y_true {true_shape} and "
            f"y_pred {pred_shape}; check the units of the last layer against the targets"
        ) from error


def check_same_shape(y_true, y_pred, where, hint):
    """Raise ValueError unless both arrays have the same shape."""
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"{where}: expected y_true of the shape of y_pred {y_pred.shape}, got {y_true.shape}; "
            f"{hint}"
        )


def divide_no_nan(a, b):
    """Return a / b, and 0 where b is 0.

    >>> divide_no_nan(np.array([1.0, 1.0]), np.array([2.0, 0.0])).tolist()
    [0.5, 0.0]
    """
    a, b = as_array(a), as_array(b)
    zero = b == 0
    return np.where(zero, 0, a / np.where(zero, 1, b)).astype(np.result_type(a, b), copy=False)


def apply_mask(sample_weight, mask, dtype, reduction):
    """Return weights that are 0 where the mask is.

    For the mean reductions the others are multiplied by total/valid, so that the mean over all
    rows is the mean over the valid ones.
    """
    if mask is None:
        return sample_weight
    mask = np.asarray(mask)
    if reduction in ("mean", "sum_over_batch_size"):
        valid = np.count_nonzero(mask)
        weight = mask.size / valid if valid else 0.0
        weights = np.where(mask.astype(bool), weight, 0).astype(dtype)
    else:
        weights = mask.astype(dtype)
    if sample_weight is None:
        return weights
    sample_weight = np.asarray(sample_weight, dtype=dtype)
    weights, sample_weight = squeeze_or_expand_to_same_rank(weights, sample_weight)
    return _multiply(sample_weight, weights, "mask")


def _multiply(values, weights, where):
    try:
        return values * weights
    except ValueError as error:
        raise ValueError(
            f"{where}: expected weights that fit values of shape {values.shape}, got shape "
            f"{weights.shape}; give one weight per sample, or one per time step of each sample"
        ) from error


def reduce_weighted_values(
    values, sample_weight=None, mask=None, reduction="sum_over_batch_size", dtype=None
):
    """Return the loss of rows of values.

    Args:
        values: one value per row, shape `(N,)` or `(N, T)`.
        sample_weight: multiplies the rows; `(N,)`, `(N, 1)` or the shape of `values`.
        mask: rows where it is 0 do not count.
        reduction: `"sum_over_batch_size"` or `"mean"` divide the sum by the number of rows,
            `"mean_with_sample_weight"` by the sum of the weights; `"sum"` adds, `"none"` or None
            returns the rows.
    """
    reduction = standardize_reduction(reduction)
    values = as_floats(values, dtype)
    if sample_weight is not None:
        sample_weight = as_floats(sample_weight, values.dtype)
    sample_weight = apply_mask(sample_weight, mask, values.dtype, reduction)
    if sample_weight is not None:
        values, sample_weight = squeeze_or_expand_to_same_rank(values, sample_weight)
        values = _multiply(values, sample_weight, "sample_weight")
    if reduction in (None, "none") or values.shape in ((), (0,)):
        return values
    total = values.sum(dtype=values.dtype)
    if reduction == "sum":
        return total
    if is_traced(values):
        weighted = reduction == "mean_with_sample_weight" and sample_weight is not None
        return divide_no_nan(total, sample_weight.sum()) if weighted else values.mean()
    if reduction == "mean_with_sample_weight" and sample_weight is not None:
        return divide_no_nan(total, sample_weight.sum(dtype=values.dtype))[()]
    return divide_no_nan(total, values.dtype.type(values.size))[()]


@builtin("losses", aliases=(".Loss",))
class Loss(revision.Noted):
    """Base class: subclasses define `call(y_true, y_pred)`, which returns one value per row.

    Args:
        name: name in logs; the snake_case class name when None.
        reduction: see `reduce_weighted_values`.
        dtype: dtype (or policy) of the result; `floatx()` when None. Targets and predictions are
            cast to it, or to float32 where it has 16 bits; bfloat16 needs the package `ml_dtypes`.

    >>> class Squares(Loss):
    ...     def call(self, y_true, y_pred):
    ...         return ((y_true - y_pred) ** 2).mean(axis=-1)
    >>> float(Squares()([[0.0], [0.0]], [[1.0], [3.0]]))
    5.0
    """

    def __init__(
        self,
        name: str | None = None,
        reduction: Reduction = "sum_over_batch_size",
        dtype: DTypeLike = None,
    ) -> None:
        self.name = name or naming.auto_name(to_snake_case(type(self).__name__))
        self.reduction = standardize_reduction(reduction)
        self._dtype = dtype_policies.result_dtype(dtype)

    @property
    def dtype(self) -> str:
        """Dtype of the result."""
        return self._dtype

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None, mask: Tensor = None
    ) -> Any:
        """Return the reduced loss.

        Args:
            y_true: targets.
            y_pred: predictions, `(N, ...)`.
            sample_weight: weights of the rows, or None.
            mask: 0 or False for rows that do not count, or None.
        """
        dtype = dtypes.compute_dtype(self._dtype)
        y_pred = as_array(y_pred, dtype)
        y_true = as_array(y_true, dtype)
        values = self.call(y_true, y_pred)
        own = self.result_mask(y_true, y_pred, values)
        if own is not None:
            mask = own if mask is None else np.logical_and(mask, own)
        loss = reduce_weighted_values(
            values, sample_weight, mask, reduction=self.reduction, dtype=dtype
        )
        if dtype == self._dtype or is_traced(loss):
            return results.handed(loss)
        return results.handed(dtypes.rounded(loss, self._dtype))

    def call(self, y_true: Tensor, y_pred: Tensor) -> Any:
        """Return one value per row; subclasses must define it."""
        raise TypeError(
            f"{type(self).__name__}: expected a subclass that defines call(y_true, y_pred), got "
            f"none; define it to return one value per sample"
        )

    def result_mask(self, y_true: Tensor, y_pred: Tensor, values: Any) -> Any:
        """Return the rows that the loss itself leaves out of the mean as a 0/1 mask, or None."""
        return None

    def lower(self) -> Any:
        """Return `(kind, attributes)` for the compiled core, or None if only Python can run it."""
        return None

    def get_config(self) -> Config:
        """Return the constructor's arguments."""
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Return the loss that `get_config` described."""
        return construct(cls, config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def function_mask(fn, y_true, y_pred, values, arguments):
    """Return the mask that a built-in function gives its values, or None."""
    rule = getattr(fn, "result_mask", None)
    return None if rule is None else rule(y_true, y_pred, values, **arguments)


def lower_function(fn, arguments):
    """Return `(kind, attributes)` of a built-in function for the compiled core, or None.

    Numbers whose default is a float become floats, and arguments that are None are left out.
    """
    defaults = getattr(fn, "float_arguments", ())
    if builtin_name(fn) is None or getattr(fn, "python_only", False):
        return None
    attributes = {}
    for key, value in arguments.items():
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, (list, tuple, np.ndarray)):
            value = [v.item() if isinstance(v, np.generic) else v for v in value]
        if key in defaults and value is not None:
            value = [float(v) for v in value] if isinstance(value, list) else float(value)
        if value is not None:
            attributes[key] = value
    return fn.__name__, attributes


class LossFunctionWrapper(Loss):
    """A loss from a function of `(y_true, y_pred, **kwargs)` that returns one value per row.

    Args:
        fn: function (y_true, y_pred) to a value for each row.

    >>> def squares(y_true, y_pred):
    ...     return ((y_true - y_pred) ** 2).mean(axis=-1)
    >>> float(LossFunctionWrapper(squares)([[0.0]], [[3.0]]))
    9.0
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = None,
        dtype: DTypeLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.fn = fn
        self._fn_kwargs = kwargs

    def call(self, y_true: Tensor, y_pred: Tensor) -> Any:
        y_true, y_pred = squeeze_or_expand_to_same_rank(as_array(y_true), as_array(y_pred))
        return self.fn(y_true, y_pred, **self._fn_kwargs)

    def result_mask(self, y_true: Tensor, y_pred: Tensor, values: Any) -> Any:
        y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
        return function_mask(self.fn, y_true, y_pred, values, self._fn_kwargs)

    def lower(self) -> Any:
        """Return `(kind, attributes)` of a built-in function, or None for any other."""
        if type(self).call is not LossFunctionWrapper.call:
            return None
        return lower_function(self.fn, {**getattr(self.fn, "defaults", {}), **self._fn_kwargs})

    def get_config(self) -> Config:
        config = super().get_config()
        config["fn"] = serialize_keras_object(self.fn)
        config.update(serialize_keras_object(self._fn_kwargs))
        return config

    @classmethod
    def from_config(cls, config: Config) -> Self:
        config = modern_arguments(cls, config)
        if isinstance(config.get("fn"), dict):
            config["fn"] = deserialize_keras_object(config["fn"], family=("losses", "metrics"))
        return super().from_config(config)

    def __repr__(self) -> str:
        fn = getattr(self.fn, "__name__", self.fn)
        return f"<{type(self).__name__}({fn}, {self._fn_kwargs})>"


builtin("losses", name="LossFunctionWrapper")(LossFunctionWrapper)


class BuiltinLoss(LossFunctionWrapper):
    """A built-in loss: its function's arguments are attributes and part of its config.

    `unsaved` names arguments that Keras does not write; they are written only where they differ
    from their default, so that the files stay readable both ways.
    """

    unsaved = ()

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: Reduction,
        name: str,
        dtype: DTypeLike,
        **kwargs: Any,
    ) -> None:
        super().__init__(fn, reduction=reduction, name=name, dtype=dtype, **kwargs)
        for key, value in kwargs.items():
            setattr(self, key, value)

    def get_config(self) -> Config:
        config = Loss.get_config(self)
        for key, value in self._fn_kwargs.items():
            if key not in self.unsaved or value != self.fn.defaults[key]:
                config[key] = value
        return config

    def __repr__(self) -> str:
        return Loss.__repr__(self)


def describe(fn, python_only=False):
    """Note on a function what `lower` needs: its arguments' defaults, and which are floats."""
    arguments = list(fn.__code__.co_varnames[: fn.__code__.co_argcount])
    values = fn.__defaults__ or ()
    fn.defaults = dict(zip(arguments[len(arguments) - len(values) :], values, strict=True))
    fn.float_arguments = tuple(k for k, v in fn.defaults.items() if type(v) is float)
    fn.python_only = python_only
    return fn


def loss_function(*aliases: str, in_metrics: bool = True) -> Callable[[T], T]:
    """Register a built-in loss function; `in_metrics` ones are found in `metrics` as well."""

    def decorate(fn):
        names = (*aliases, *((f"metrics.{fn.__name__}",) if in_metrics else ()))
        return builtin("losses", aliases=names)(describe(fn))

    return decorate
