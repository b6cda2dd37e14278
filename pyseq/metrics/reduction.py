"""Sums and means of values, and the mean of a function of targets and predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq.losses.base import (
    apply_mask,
    function_mask,
    lower_function,
    squeeze_or_expand_to_same_rank,
)
from pyseq.metrics.base import ACCUMULATOR, Metric
from pyseq.registry.registration import builtin, builtin_name
from pyseq.registry.retired import modern_arguments
from pyseq.registry.serialization import deserialize_keras_object, serialize_keras_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from pyseq.types import Config, DTypeLike, Tensor

# One value for a batch, or values that depend on the other rows: no sum over rows.
_PER_BATCH = ("circle", "dice", "tversky")


def reduce_to_samplewise_values(values, sample_weight, reduce_fn, dtype, mask=None):
    """Return `(values, weights)` of one entry per sample.

    Args:
        values: `(N, ...)`.
        sample_weight: weights of any leading axes of `values`, or None.
        reduce_fn: np.mean or np.sum, over the axes that have no weight of their own.
        dtype: dtype of the result.
        mask: 0 where values do not count; only looked at together with weights.
    """
    values = np.asarray(values, dtype=dtype)
    if sample_weight is not None:
        weights = np.asarray(sample_weight, dtype=dtype)
        weights = apply_mask(weights, mask, dtype, "sum")
        values, weights = squeeze_or_expand_to_same_rank(values, weights)
        if values.ndim > weights.ndim:
            values = reduce_fn(values, axis=tuple(range(weights.ndim, values.ndim)))
        try:
            sample_weight = np.broadcast_to(weights, values.shape)
        except ValueError as error:
            raise ValueError(
                f"sample_weight: expected weights that fit values of shape {values.shape}, got "
                f"shape {weights.shape}; give one weight per sample"
            ) from error
        values = values * sample_weight
        if weights.ndim > 1:
            sample_weight = reduce_fn(sample_weight, axis=tuple(range(1, weights.ndim)))
    if values.ndim > 1:
        values = reduce_fn(values, axis=tuple(range(1, values.ndim)))
    return values, sample_weight


@builtin("metrics")
class Sum(Metric):
    """Weighted sum of values.

    >>> print(Sum()([1.0, 2.0], sample_weight=[1.0, 10.0]))
    21.0
    """

    def __init__(self, name: str | None = "sum", dtype: DTypeLike = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), dtype=ACCUMULATOR, name="total")

    def update_state(self, values: Any, sample_weight: Tensor = None) -> None:
        """Add values of any shape."""
        values, _ = reduce_to_samplewise_values(values, sample_weight, np.sum, self._arithmetic)
        self.total.assign_add(np.sum(values, dtype=np.float64))

    def result(self) -> Any:
        """Return the sum."""
        return self._rounded(self.total.value)


@builtin("metrics")
class Mean(Metric):
    """Weighted mean of values, over samples.

    >>> mean = Mean()
    >>> mean.update_state([1.0, 3.0])
    >>> mean.update_state([5.0], sample_weight=[2.0])
    >>> print(mean.result())
    3.5
    """

    # Whether a mask on the predictions leaves rows out.
    uses_mask = False

    def __init__(self, name: str | None = "mean", dtype: DTypeLike = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), dtype=ACCUMULATOR, name="total")
        self.count = self.add_variable((), dtype=ACCUMULATOR, name="count")

    def update_state(self, values: Any, sample_weight: Tensor = None) -> None:
        """Add values of any shape, averaged over the axes that have no weight."""
        self._add(values, sample_weight)

    def _add(self, values, sample_weight, mask=None):
        values, weights = reduce_to_samplewise_values(
            values, sample_weight, np.mean, self._arithmetic, mask
        )
        total = np.sum(values, dtype=np.float64)
        if weights is not None:
            count = np.sum(weights, dtype=np.float64)
        else:
            count = values.shape[0] if values.ndim else 1
        self._accumulate(total, count)

    def _accumulate(self, total, count):
        self.total.assign_add(total)
        self.count.assign_add(count)

    def add_total_count(self, total: Any, count: Any) -> None:
        """Add what the core accumulated for `lower()`: a weighted sum and the sum of weights."""
        self._accumulate(total, count)

    def result(self) -> Any:
        """Return the mean, 0 before any value."""
        return self._rounded(self._mean())

    def _mean(self):
        count = self.count.value
        return self.total.value / count if count != 0 else 0.0


@builtin("metrics")
class MeanMetricWrapper(Mean):
    """Mean of a function of `(y_true, y_pred, **kwargs)` that returns one value per row.

    Args:
        fn: the function.
        kwargs: its further arguments.

    >>> def off(y_true, y_pred):
    ...     return np.abs(np.asarray(y_true) - np.asarray(y_pred))
    >>> print(MeanMetricWrapper(off, name="off")([1.0, 2.0], [1.0, 4.0]))
    1.0
    """

    uses_mask = True

    def __init__(
        self,
        fn: Callable[..., Any],
        name: str | None = None,
        dtype: DTypeLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self._fn = fn
        self._fn_kwargs = kwargs
        known = builtin_name(fn) or builtin_name(type(fn))
        if known is not None and known[0] == "keras.losses":
            self._direction = "down"

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None, mask: Tensor = None
    ) -> None:
        """Add a batch.

        Args:
            y_true, y_pred: targets and predictions.
            sample_weight: weights of any leading axes of the values, or None.
            mask: 0 or False for rows of the predictions that do not count, or None.
        """
        values = np.asarray(self._fn(y_true, y_pred, **self._fn_kwargs))
        own = function_mask(self._fn, y_true, y_pred, values, self._fn_kwargs)
        self._add(values, apply_mask(sample_weight, mask, self._arithmetic, "sum"), own)

    def lower(self) -> Any:
        """Return `(kind, attributes)` of a built-in function, else None.

        The core weights whole rows of predictions: sample weights must not have the rank of the
        predictions themselves.
        """
        if type(self).update_state is not MeanMetricWrapper.update_state:
            return None
        if getattr(self._fn, "__name__", None) in _PER_BATCH:
            return None
        # Ignored rows count in the mean of a metric, unlike in that of the loss.
        if self._fn_kwargs.get("ignore_class") is not None:
            return None
        return lower_function(self._fn, {**getattr(self._fn, "defaults", {}), **self._fn_kwargs})

    def get_config(self) -> Config:
        config = super().get_config()
        config["fn"] = serialize_keras_object(self._fn)
        config.update(serialize_keras_object(self._fn_kwargs))
        return config

    @classmethod
    def from_config(cls, config: Config) -> Self:
        config = modern_arguments(cls, config)
        if isinstance(config.get("fn"), dict):
            config["fn"] = deserialize_keras_object(config["fn"], family=("metrics", "losses"))
        return super().from_config(config)


class BuiltinMean(MeanMetricWrapper):
    """A built-in mean: its function's arguments are attributes and part of its config.

    `unsaved` names arguments that Keras does not write; they are written only where they differ
    from their default.
    """

    unsaved = ()

    def __init__(
        self, fn: Callable[..., Any], name: str, dtype: DTypeLike, direction: Any, **kwargs: Any
    ) -> None:
        super().__init__(fn, name=name, dtype=dtype, **kwargs)
        self._direction = direction
        for key, value in kwargs.items():
            setattr(self, key, value)

    def get_config(self) -> Config:
        config = Metric.get_config(self)
        for key, value in self._fn_kwargs.items():
            if key not in self.unsaved or value != self._fn.defaults[key]:
                config[key] = value
        return config
