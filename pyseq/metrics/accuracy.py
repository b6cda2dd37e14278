"""How often predictions are right."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, settings
from pyseq.losses.base import (
    as_floats,
    check_same_shape,
    describe,
    squeeze_or_expand_to_same_rank,
)
from pyseq.metrics.reduction import BuiltinMean
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from pyseq.types import DTypeLike, Tensor


def metric_function(fn):
    """Register a function that is a metric but not a loss."""
    return builtin("metrics")(describe(fn))


def python_metric_function(fn):
    """Register a metric function that the compiled core does not have."""
    return builtin("metrics")(describe(fn, python_only=True))


def _result(matches):
    return matches.astype(dtypes.compute_dtype(settings.floatx))


@python_metric_function
def accuracy(y_true, y_pred):
    """1 where y_pred equals y_true, else 0; same shape as they have.

    >>> accuracy([1, 2], [1, 3]).tolist()
    [1.0, 0.0]
    """
    y_pred = np.asarray(y_pred)
    y_true = np.asarray(y_true).astype(y_pred.dtype)
    y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
    return _result(y_true == y_pred)


@metric_function
def binary_accuracy(y_true: Tensor, y_pred: Tensor, threshold: Any = 0.5) -> Tensor:
    """1 where `y_pred > threshold` equals y_true, else 0.

    Args:
        y_true: labels 0 and 1, `(N, ...)`.
        y_pred: scores, of the same shape.

    >>> binary_accuracy([1, 1], [0.9, 0.5]).tolist()
    [1.0, 0.0]
    """
    y_pred = as_floats(y_pred)
    y_true, y_pred = squeeze_or_expand_to_same_rank(np.asarray(y_true), y_pred)
    return _result(y_true == (y_pred > y_pred.dtype.type(threshold)))


@metric_function
def categorical_accuracy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """1 where the largest of y_pred is at the largest of y_true, else 0.

    Args:
        y_true: one-hot labels, `(N, ..., K)`.
        y_pred: scores, of the same shape.

    Returns:
        `(N, ...)`.

    >>> categorical_accuracy([[0, 1], [1, 0]], [[0.1, 0.9], [0.2, 0.8]]).tolist()
    [1.0, 0.0]
    """
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    check_same_shape(
        y_true,
        y_pred,
        "categorical_accuracy",
        "use sparse_categorical_accuracy for integer labels",
    )
    return _result(np.argmax(y_true, axis=-1) == np.argmax(y_pred, axis=-1))


def _without_column(y_true, y_pred):
    column = y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1
    return y_true[..., 0] if column else y_true


def _broadcast_shape(x1, x2):
    try:
        return np.broadcast_shapes(x1.shape, x2.shape)
    except ValueError:
        return None


def _labels_error(where, y_true, y_pred):
    return ValueError(
        f"{where}: expected one label for each row of scores (..., K), got y_true {y_true.shape} "
        f"and y_pred {y_pred.shape}; give targets the shape of the predictions without their last "
        f"axis"
    )


@metric_function
def sparse_categorical_accuracy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """1 where the largest of y_pred is at the position y_true, else 0.

    Args:
        y_true: integer labels, `(N, ...)` or `(N, ..., 1)`; labels of fewer axes meet the scores
            as arrays of NumPy do.
        y_pred: scores, `(N, ..., K)`.

    Returns:
        `(N, ...)`.

    Raises:
        ValueError: the labels do not fit to the scores.

    >>> sparse_categorical_accuracy([1, 0], [[0.1, 0.9], [0.2, 0.8]]).tolist()
    [1.0, 0.0]
    """
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    labels, classes = _without_column(y_true, y_pred), np.argmax(y_pred, axis=-1)
    shape = _broadcast_shape(labels, classes)
    if shape is None or (labels is not y_true and math.prod(shape) != y_true.size):
        raise _labels_error("sparse_categorical_accuracy", y_true, y_pred)
    matches = _result(labels == classes)
    if labels is not y_true:
        matches = matches.reshape(y_true.shape)
    if matches.ndim > 1 and matches.shape[-1] == 1:
        matches = matches[..., 0]
    return matches


def _in_top_k(labels, y_pred, k):
    """Return where fewer than k scores beat the label's: ties all count as being in the top."""
    classes = y_pred.shape[-1]
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"top_k: expected labels in [0, {classes}), got {labels.min()} to {labels.max()}"
        )
    own = np.take_along_axis(y_pred, labels[..., None], axis=-1)
    return np.count_nonzero(y_pred > own, axis=-1) < k


@metric_function
def top_k_categorical_accuracy(y_true: Tensor, y_pred: Tensor, k: int = 5) -> Tensor:
    """1 where the class of y_true is among the k largest of y_pred, else 0.

    Args:
        y_true: one-hot labels, `(N, ..., K)`.
        y_pred: scores, of the same shape.

    >>> top_k_categorical_accuracy([[0, 0, 1]], [[0.5, 0.1, 0.4]], k=2).tolist()
    [1.0]
    """
    y_true = np.asarray(y_true)
    return _result(_in_top_k(np.argmax(y_true, axis=-1), np.asarray(y_pred), k))


@metric_function
def sparse_top_k_categorical_accuracy(
    y_true: Tensor, y_pred: Tensor, k: int = 5, from_sorted_ids: bool = False
) -> Tensor:
    """1 where the class y_true is among the k largest of y_pred, else 0.

    Args:
        y_true: integer labels, `(N, ...)`.
        y_pred: scores `(N, ..., K)`, or classes from best to worst if `from_sorted_ids`.

    >>> sparse_top_k_categorical_accuracy([2], [[0.5, 0.1, 0.4]], k=2).tolist()
    [1.0]
    """
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    rows, labels = y_pred.reshape(-1, y_pred.shape[-1]), y_true.reshape(-1)
    if len(rows) != len(labels):
        raise _labels_error("sparse_top_k_categorical_accuracy", y_true, y_pred)
    if from_sorted_ids:
        matches = np.any(labels[:, None] == rows[:, :k], axis=-1)
    else:
        matches = _in_top_k(labels.astype(np.int64), rows, k)
    return _result(matches).reshape(y_true.shape)


@builtin("metrics")
class Accuracy(BuiltinMean):
    """Mean of `accuracy`.

    >>> print(Accuracy()([1, 2], [1, 3]))
    0.5
    """

    def __init__(self, name: str | None = "accuracy", dtype: DTypeLike = None) -> None:
        super().__init__(accuracy, name, dtype, "up")


@builtin("metrics")
class BinaryAccuracy(BuiltinMean):
    """Mean of `binary_accuracy`.

    Args:
        threshold: scores above it are class 1.

    >>> print(BinaryAccuracy()([[1.0], [0.0]], [[0.6], [0.7]]))
    0.5
    """

    def __init__(
        self, name: str | None = "binary_accuracy", dtype: DTypeLike = None, threshold: Any = 0.5
    ) -> None:
        super().__init__(binary_accuracy, name, dtype, "up", threshold=threshold)


@builtin("metrics")
class CategoricalAccuracy(BuiltinMean):
    """Mean of `categorical_accuracy`."""

    def __init__(self, name: str | None = "categorical_accuracy", dtype: DTypeLike = None) -> None:
        super().__init__(categorical_accuracy, name, dtype, "up")


@builtin("metrics")
class SparseCategoricalAccuracy(BuiltinMean):
    """Mean of `sparse_categorical_accuracy`."""

    def __init__(
        self, name: str | None = "sparse_categorical_accuracy", dtype: DTypeLike = None
    ) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype, "up")


@builtin("metrics")
class TopKCategoricalAccuracy(BuiltinMean):
    """Mean of `top_k_categorical_accuracy`.

    Args:
        k: how many of the largest scores count.
    """

    def __init__(
        self, k: int = 5, name: str | None = "top_k_categorical_accuracy", dtype: DTypeLike = None
    ) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, "up", k=k)


@builtin("metrics")
class SparseTopKCategoricalAccuracy(BuiltinMean):
    """Mean of `sparse_top_k_categorical_accuracy`.

    Args:
        k: how many of the largest scores count.
        from_sorted_ids: predictions are classes from best to worst rather than scores.
    """

    unsaved = ("from_sorted_ids",)

    def __init__(
        self,
        k: int = 5,
        name: str | None = "sparse_top_k_categorical_accuracy",
        dtype: DTypeLike = None,
        from_sorted_ids: bool = False,
    ) -> None:
        super().__init__(
            sparse_top_k_categorical_accuracy,
            name,
            dtype,
            "up",
            k=k,
            from_sorted_ids=from_sorted_ids,
        )
