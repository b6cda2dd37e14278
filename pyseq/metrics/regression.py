"""Coefficient of determination."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq.losses.base import squeeze_or_expand_to_same_rank
from pyseq.metrics.base import ACCUMULATOR, Metric
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from pyseq.types import Config, DTypeLike, Tensor

_AGGREGATIONS = (None, "uniform_average", "variance_weighted_average")


@builtin("metrics")
class R2Score(Metric):
    """Share of the variance of the targets that the predictions explain, at most 1.

    Args:
        class_aggregation: how outputs are combined: `"uniform_average"`,
            `"variance_weighted_average"`, or None for one score per output.
        num_regressors: number of predictors, for the adjusted score; 0 for the plain one.

    >>> print(R2Score()([[1.0], [4.0], [3.0]], [[2.0], [4.0], [4.0]]).round(4))
    0.5714
    """

    _direction = "up"

    def __init__(
        self,
        class_aggregation: str = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if class_aggregation not in _AGGREGATIONS:
            raise ValueError(
                f"R2Score(class_aggregation): expected one of {_AGGREGATIONS}, "
                f"got {class_aggregation!r}"
            )
        if num_regressors < 0:
            raise ValueError(
                f"R2Score(num_regressors): expected an integer >= 0, got {num_regressors!r}"
            )
        self.class_aggregation = class_aggregation
        self.num_regressors = num_regressors
        self.num_samples = self.add_variable((), dtype=ACCUMULATOR, name="num_samples")
        self._built = False

    def _build(self, true_shape, pred_shape):
        if len(pred_shape) != 2 or len(true_shape) != 2:
            raise ValueError(
                f"{self.name}: expected targets and predictions (N, D), got {true_shape} and "
                f"{pred_shape}; reshape them to two axes"
            )
        shape = (pred_shape[-1],)
        self.squared_sum = self.add_variable(shape, dtype=ACCUMULATOR, name="squared_sum")
        self.sum = self.add_variable(shape, dtype=ACCUMULATOR, name="sum")
        self.total_mse = self.add_variable(shape, dtype=ACCUMULATOR, name="residual")
        self.count = self.add_variable(shape, dtype=ACCUMULATOR, name="count")
        self._built = True

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> None:
        """Add a batch of `(N, D)`."""
        y_true, y_pred = squeeze_or_expand_to_same_rank(
            np.asarray(y_true, dtype=self._arithmetic), np.asarray(y_pred, dtype=self._arithmetic)
        )
        if not self._built:
            self._build(y_true.shape, y_pred.shape)
        weights = np.asarray(1 if sample_weight is None else sample_weight, dtype=np.float64)
        if weights.ndim == 1:
            weights = weights[:, None]
        weights = np.broadcast_to(weights, y_true.shape)
        targets, predictions = y_true.astype(np.float64), y_pred.astype(np.float64)
        self.sum.assign_add(np.sum(targets * weights, axis=0))
        self.squared_sum.assign_add(np.sum(np.square(targets) * weights, axis=0))
        self.total_mse.assign_add(np.sum(np.square(targets - predictions) * weights, axis=0))
        self.count.assign_add(np.sum(weights, axis=0))
        self.num_samples.assign_add(y_true.size)

    def result(self) -> Any:
        """Return the score, or one per output."""
        if not self._built:
            return self._rounded(0)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = self.sum.value / self.count.value
            total = self.squared_sum.value - self.sum.value * mean
            scores = 1 - self.total_mse.value / total
        scores = np.where(np.isinf(scores), 0.0, scores)
        if self.class_aggregation == "uniform_average":
            score = np.mean(scores)
        elif self.class_aggregation == "variance_weighted_average":
            score = np.sum(total * scores) / np.sum(total)
        else:
            score = scores
        return self._rounded(self._adjusted(score))

    def _adjusted(self, score):
        score = np.asarray(score)
        n, p = float(self.num_samples.value), self.num_regressors
        if p == 0:
            return score
        if p >= n - 1:
            warnings.warn(
                f"{self.name}: expected more samples than num_regressors + 1, got {n:.0f} samples "
                f"and {p} regressors; the plain score is returned",
                stacklevel=3,
            )
            return score
        return 1 - (1 - score) * (n - 1) / (n - p - 1)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "class_aggregation": self.class_aggregation,
            "num_regressors": self.num_regressors,
        }
