"""F-scores: harmonic means of precision and recall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import settings
from pyseq.metrics.base import ACCUMULATOR, Metric
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from pyseq.types import Config, DTypeLike, Tensor

_AVERAGES = (None, "micro", "macro", "weighted")


@builtin("metrics")
class FBetaScore(Metric):
    """(1 + beta^2) precision recall / (beta^2 precision + recall), per class or averaged.

    Args:
        average: None for one score per class; `"micro"` counts over all classes together,
            `"macro"` averages the classes, `"weighted"` does so by how often they occur.
        beta: float > 0; how much more recall counts than precision.
        threshold: scores above it are positive; None for the largest score of each row.

    >>> metric = FBetaScore(beta=2.0, threshold=0.5)
    >>> metric.update_state([[1, 1], [1, 0]], [[0.9, 0.6], [0.2, 0.8]])
    >>> print(metric.result().round(4))
    [0.5556 0.8333]
    """

    _direction = "up"

    def __init__(
        self,
        average: Any = None,
        beta: Any = 1.0,
        threshold: Any = None,
        name: str | None = "fbeta_score",
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        where = type(self).__name__
        if average not in _AVERAGES:
            raise ValueError(f"{where}(average): expected one of {_AVERAGES}, got {average!r}")
        if not isinstance(beta, float) or beta <= 0.0:
            raise ValueError(f"{where}(beta): expected a float > 0, got {beta!r}")
        if threshold is not None and not (isinstance(threshold, float) and 0 < threshold <= 1):
            raise ValueError(
                f"{where}(threshold): expected None or a float in (0, 1], got {threshold!r}"
            )
        self.average = average
        self.beta = beta
        self.threshold = threshold
        self.axis = None if average == "micro" else 0
        self._built = False

    def _build(self, true_shape, pred_shape):
        if len(pred_shape) != 2 or len(true_shape) != 2:
            raise ValueError(
                f"{self.name}: expected one-hot targets and predictions (N, K), got {true_shape} "
                f"and {pred_shape}; use pyseq.utils.to_categorical for integer targets"
            )
        shape = () if self.average == "micro" else (pred_shape[-1],)
        for name in (
            "true_positives",
            "false_positives",
            "false_negatives",
            "intermediate_weights",
        ):
            setattr(self, name, self.add_variable(shape, dtype=ACCUMULATOR, name=name))
        self._built = True

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> None:
        """Add a batch of `(N, K)`."""
        y_true = np.asarray(y_true, dtype=self._arithmetic)
        y_pred = np.asarray(y_pred, dtype=self._arithmetic)
        if not self._built:
            self._build(y_true.shape, y_pred.shape)
        if self.threshold is None:
            positive = (y_pred >= y_pred.max(axis=-1, keepdims=True)) & (np.abs(y_pred) > 1e-9)
        else:
            positive = y_pred > y_pred.dtype.type(self.threshold)
        positive = positive.astype(np.float64)
        weights = 1.0
        if sample_weight is not None:
            weights = np.asarray(sample_weight, dtype=self._arithmetic).reshape(len(y_true), -1)

        def add(variable, values):
            variable.assign_add(np.sum(values * weights, axis=self.axis))

        add(self.true_positives, positive * y_true)
        add(self.false_positives, positive * (1 - y_true))
        add(self.false_negatives, (1 - positive) * y_true)
        add(self.intermediate_weights, y_true)

    def result(self) -> Any:
        """Return the score, or one per class."""
        if not self._built:
            return self._rounded(0)
        epsilon = settings.epsilon
        hits = self.true_positives.value
        precision = hits / (hits + self.false_positives.value + epsilon)
        recall = hits / (hits + self.false_negatives.value + epsilon)
        square = self.beta**2
        score = precision * recall / (square * precision + recall + epsilon) * (1 + square)
        if self.average == "weighted":
            weights = self.intermediate_weights.value
            score = np.sum(score * weights / (np.sum(weights) + epsilon))
        elif self.average is not None:
            score = np.mean(score)
        return self._rounded(score)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "average": self.average,
            "beta": self.beta,
            "threshold": self.threshold,
        }


@builtin("metrics")
class F1Score(FBetaScore):
    """`FBetaScore` with beta 1.

    Args:
        average: None, `"micro"`, `"macro"` or `"weighted"`.

    >>> print(F1Score(threshold=0.5)([[1, 0], [0, 1]], [[0.9, 0.2], [0.1, 0.8]]).round(4))
    [1. 1.]
    """

    def __init__(
        self,
        average: Any = None,
        threshold: Any = None,
        name: str | None = "f1_score",
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(average=average, beta=1.0, threshold=threshold, name=name, dtype=dtype)

    def get_config(self) -> Config:
        config = super().get_config()
        del config["beta"]
        return config
