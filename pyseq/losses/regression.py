"""Losses between numbers: squared, absolute and relative errors, Huber, log-cosh, cosine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pyseq import settings
from pyseq.losses.base import BuiltinLoss, arrays, loss_function
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from pyseq.types import Axis, DTypeLike, Reduction, Tensor

_LOG_2 = float(np.log(2.0))


@loss_function("mse", "MSE")
def mean_squared_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """mean((y_true - y_pred)^2) over the last axis.

    Args:
        y_true, y_pred: numbers, `(N, ..., D)`.

    Returns:
        Values of shape `(N, ...)`.

    >>> mean_squared_error([[1.0, 2.0]], [[1.0, 4.0]]).tolist()
    [2.0]
    """
    y_true, y_pred = arrays(y_true, y_pred, "mean_squared_error")
    return np.mean(np.square(y_true - y_pred), axis=-1)


@loss_function("mae", "MAE")
def mean_absolute_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """mean(|y_true - y_pred|) over the last axis; shapes as `mean_squared_error`.

    >>> mean_absolute_error([[1.0, 2.0]], [[1.0, 4.0]]).tolist()
    [1.0]
    """
    y_true, y_pred = arrays(y_true, y_pred, "mean_absolute_error")
    return np.mean(np.abs(y_true - y_pred), axis=-1)


@loss_function("mape", "MAPE")
def mean_absolute_percentage_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """100 mean(|y_true - y_pred| / max(|y_true|, epsilon)) over the last axis.

    >>> mean_absolute_percentage_error([[2.0]], [[1.0]]).tolist()
    [50.0]
    """
    y_true, y_pred = arrays(y_true, y_pred, "mean_absolute_percentage_error")
    scale = np.maximum(np.abs(y_true), y_pred.dtype.type(settings.epsilon))
    return y_pred.dtype.type(100) * np.mean(np.abs((y_true - y_pred) / scale), axis=-1)


@loss_function("msle", "MSLE")
def mean_squared_logarithmic_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """mean((ln(max(y_true, epsilon) + 1) - ln(max(y_pred, epsilon) + 1))^2) over the last axis.

    >>> mean_squared_logarithmic_error([[0.0]], [[np.e - 1]]).round(5).tolist()
    [1.0]
    """
    y_true, y_pred = arrays(y_true, y_pred, "mean_squared_logarithmic_error")
    epsilon, one = y_pred.dtype.type(settings.epsilon), y_pred.dtype.type(1)
    difference = np.log(np.maximum(y_pred, epsilon) + one) - np.log(
        np.maximum(y_true, epsilon) + one
    )
    return np.mean(np.square(difference), axis=-1)


def l2_normalize(x, axis):
    """Return x divided by its L2 norm over `axis`, which counts as epsilon at least."""
    squares = np.sum(np.square(x), axis=axis, keepdims=True)
    with np.errstate(divide="ignore"):
        inverse = 1 / np.sqrt(squares)
    return x * np.minimum(inverse, x.dtype.type(1 / settings.epsilon))


@loss_function(in_metrics=False)
def cosine_similarity(y_true: Tensor, y_pred: Tensor, axis: Axis = -1) -> Tensor:
    """Minus the cosine of the angle between targets and predictions, from -1 (alike) to 1.

    Args:
        axis: axis of the vectors.

    >>> cosine_similarity([[3.0, 0.0]], [[5.0, 0.0]]).tolist()
    [-1.0]
    """
    y_true, y_pred = arrays(y_true, y_pred, "cosine_similarity")
    return -np.sum(l2_normalize(y_true, axis) * l2_normalize(y_pred, axis), axis=axis)


@loss_function()
def huber(y_true: Tensor, y_pred: Tensor, delta: float = 1.0) -> Tensor:
    """Mean over the last axis of d^2/2 where |d| <= delta, else delta |d| - delta^2/2.

    P. J. Huber, "Robust estimation of a location parameter", Ann. Math. Stat. 35 (1964).

    Args:
        delta: where the parabola becomes a line.

    >>> huber([[0.0, 0.0]], [[1.0, 3.0]]).tolist()
    [1.5]
    """
    y_true, y_pred = arrays(y_true, y_pred, "huber")
    error = y_pred - y_true
    size = np.abs(error)
    delta, half = error.dtype.type(delta), error.dtype.type(0.5)
    line = delta * size - half * np.square(delta)
    return np.mean(np.where(size <= delta, half * np.square(error), line), axis=-1)


@loss_function()
def log_cosh(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """mean(ln(cosh(y_pred - y_true))) over the last axis.

    >>> log_cosh([[0.0]], [[0.0]]).tolist()
    [0.0]
    """
    y_true, y_pred = arrays(y_true, y_pred, "log_cosh")
    size = np.abs(y_pred - y_true)  # ln cosh is even, and this form cannot overflow
    return np.mean(size + np.log1p(np.exp(-2 * size)) - size.dtype.type(_LOG_2), axis=-1)


@builtin("losses")
class MeanSquaredError(BuiltinLoss):
    """Loss from `mean_squared_error`.

    >>> float(MeanSquaredError()([[0.0], [0.0]], [[1.0], [3.0]]))
    5.0
    """

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "mean_squared_error",
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(mean_squared_error, reduction, name, dtype)


@builtin("losses")
class MeanAbsoluteError(BuiltinLoss):
    """Loss from `mean_absolute_error`."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "mean_absolute_error",
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(mean_absolute_error, reduction, name, dtype)


@builtin("losses")
class MeanAbsolutePercentageError(BuiltinLoss):
    """Loss from `mean_absolute_percentage_error`."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "mean_absolute_percentage_error",
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(mean_absolute_percentage_error, reduction, name, dtype)


@builtin("losses")
class MeanSquaredLogarithmicError(BuiltinLoss):
    """Loss from `mean_squared_logarithmic_error`."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "mean_squared_logarithmic_error",
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(mean_squared_logarithmic_error, reduction, name, dtype)


@builtin("losses")
class CosineSimilarity(BuiltinLoss):
    """Loss from `cosine_similarity`.

    Args:
        axis: axis of the vectors.
    """

    unsaved = ("axis",)

    def __init__(
        self,
        axis: Axis = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "cosine_similarity",
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(cosine_similarity, reduction, name, dtype, axis=axis)


@builtin("losses")
class Huber(BuiltinLoss):
    """Loss from `huber`.

    Args:
        delta: where the parabola becomes a line.
    """

    unsaved = ("delta",)

    def __init__(
        self,
        delta: float = 1.0,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "huber_loss",
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(huber, reduction, name, dtype, delta=delta)


@builtin("losses")
class LogCosh(BuiltinLoss):
    """Loss from `log_cosh`."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "log_cosh",
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(log_cosh, reduction, name, dtype)
