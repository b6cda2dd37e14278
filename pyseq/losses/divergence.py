"""Kullback-Leibler divergence and the Poisson loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pyseq import settings
from pyseq.losses.base import BuiltinLoss, arrays, loss_function
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from pyseq.types import DTypeLike, Reduction, Tensor


@loss_function("kld", "KLD")
def kl_divergence(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """sum(y_true ln(y_true / y_pred)) over the last axis, both clipped to [epsilon, 1].

    Args:
        y_true, y_pred: probabilities, `(N, ..., K)`.

    >>> print(kl_divergence([[1.0, 0.0]], [[0.5, 0.5]]).round(4))
    [0.6931]
    """
    y_true, y_pred = arrays(y_true, y_pred, "kl_divergence", same_rank=False)
    epsilon, one = y_pred.dtype.type(settings.epsilon), y_pred.dtype.type(1)
    y_true, y_pred = np.clip(y_true, epsilon, one), np.clip(y_pred, epsilon, one)
    return np.sum(y_true * np.log(y_true / y_pred), axis=-1)


@loss_function()
def poisson(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """mean(y_pred - y_true ln(y_pred + epsilon)) over the last axis.

    Args:
        y_true: counts.
        y_pred: expected counts, >= 0.

    >>> print(poisson([[1.0]], [[1.0]]).round(4))
    [1.]
    """
    y_true, y_pred = arrays(y_true, y_pred, "poisson", same_rank=False)
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(y_pred + y_pred.dtype.type(settings.epsilon))
    return np.mean(y_pred - y_true * logs, axis=-1)


@builtin("losses")
class KLDivergence(BuiltinLoss):
    """Loss from `kl_divergence`."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "kl_divergence",
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(kl_divergence, reduction, name, dtype)


@builtin("losses")
class Poisson(BuiltinLoss):
    """Loss from `poisson`."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "poisson",
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(poisson, reduction, name, dtype)
