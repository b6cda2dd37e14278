"""Margin losses: hinge, squared hinge and the multi-class hinge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pyseq.losses.base import BuiltinLoss, arrays, loss_function
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from pyseq.types import DTypeLike, Reduction, Tensor


def _signs(y_true):
    """Return labels -1 and 1 when all of them are 0 or 1, else the labels as they are."""
    return np.where(np.all((y_true == 0) | (y_true == 1)), 2 * y_true - 1, y_true)


@loss_function()
def hinge(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """mean(max(1 - y_true y_pred, 0)) over the last axis.

    Args:
        y_true: labels -1 and 1, or 0 and 1, `(N, ..., D)`.
        y_pred: scores.

    >>> hinge([[0.0, 1.0]], [[0.5, 0.5]]).tolist()
    [1.0]
    """
    y_true, y_pred = arrays(y_true, y_pred, "hinge", same_rank=False)
    return np.mean(np.maximum(1 - _signs(y_true) * y_pred, 0), axis=-1)


@loss_function()
def squared_hinge(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """mean(max(1 - y_true y_pred, 0)^2) over the last axis; labels as in `hinge`.

    >>> squared_hinge([[1.0]], [[0.5]]).tolist()
    [0.25]
    """
    y_true, y_pred = arrays(y_true, y_pred, "squared_hinge", same_rank=False)
    return np.mean(np.square(np.maximum(1 - _signs(y_true) * y_pred, 0)), axis=-1)


@loss_function()
def categorical_hinge(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """max(max((1 - y_true) y_pred) - sum(y_true y_pred) + 1, 0) over the last axis.

    Args:
        y_true: one-hot labels, `(N, ..., K)`.
        y_pred: scores.

    >>> categorical_hinge([[0.0, 1.0]], [[0.25, 0.5]]).tolist()
    [0.75]
    """
    y_true, y_pred = arrays(y_true, y_pred, "categorical_hinge", same_rank=False)
    positive = np.sum(y_true * y_pred, axis=-1)
    negative = np.max((1 - y_true) * y_pred, axis=-1)
    return np.maximum(negative - positive + 1, 0)


@builtin("losses")
class Hinge(BuiltinLoss):
    """Loss from `hinge`.

    >>> float(Hinge()([[-1.0], [1.0]], [[-2.0], [0.5]]))
    0.25
    """

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "hinge",
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(hinge, reduction, name, dtype)


@builtin("losses")
class SquaredHinge(BuiltinLoss):
    """Loss from `squared_hinge`."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "squared_hinge",
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(squared_hinge, reduction, name, dtype)


@builtin("losses")
class CategoricalHinge(BuiltinLoss):
    """Loss from `categorical_hinge`."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "categorical_hinge",
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(categorical_hinge, reduction, name, dtype)
