"""Counts of true and false positives and negatives at thresholds, and ratios of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import settings
from pyseq.losses.base import divide_no_nan, squeeze_or_expand_to_same_rank
from pyseq.metrics.base import ACCUMULATOR, Metric
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from pyseq.types import Config, DTypeLike, Tensor

NEG_INF = -1e10


def as_thresholds(thresholds, default, where):
    """Return thresholds in [0, 1] as a list, `[default]` for None."""
    if thresholds is None:
        return [default]
    values = list(thresholds) if isinstance(thresholds, (list, tuple, np.ndarray)) else [thresholds]
    bad = [t for t in values if t is None or not 0 <= t <= 1]
    if bad:
        raise ValueError(f"{where}(thresholds): expected numbers in [0, 1], got {bad}")
    return values


def spread_evenly(thresholds):
    """Return whether the thresholds are 0, 1/(n-1), ..., 1 with n > 2."""
    n = len(thresholds)
    if n < 3:
        return False
    even = np.arange(n, dtype=np.float32) / (n - 1)
    return bool(np.allclose(thresholds, even, atol=settings.epsilon))


def keep_top_k(x, k):
    """Return x with all but its k largest entries along the last axis set to `NEG_INF`."""
    k = min(k, x.shape[-1])
    best = np.argsort(-x, axis=-1, kind="stable")[..., :k]
    kept = np.full_like(x, NEG_INF)
    np.put_along_axis(kept, best, np.take_along_axis(x, best, axis=-1), axis=-1)
    return kept


def _buckets(y_pred, thresholds, evenly):
    """Return for each prediction how many of the sorted thresholds it exceeds."""
    if not evenly:
        buckets = np.searchsorted(thresholds, y_pred, side="left")
        return np.where(np.isnan(y_pred), 0, buckets)
    n = len(thresholds)
    p = np.clip(y_pred, 0, 1)
    buckets = np.ceil(np.nan_to_num(p) * p.dtype.type(n - 1)).astype(np.int64)
    # With a lowest threshold below 0, a score of 0 exceeds it.
    return np.maximum(buckets, 1) if thresholds[0] < 0 else buckets


def _count_above(buckets, weights, n):
    """Return for each of n sorted thresholds the weight of the predictions above it."""
    per_bucket = np.bincount(buckets, weights=weights, minlength=n + 1)
    return np.cumsum(per_bucket[:0:-1])[::-1]


def confusion_counts(
    y_true,
    y_pred,
    thresholds,
    *,
    evenly=False,
    top_k=None,
    class_id=None,
    sample_weight=None,
    multi_label=False,
    label_weights=None,
    where="confusion_counts",
):
    """Return `(tp, fp, tn, fn)` of a batch at each threshold.

    Args:
        y_true: labels, of which those that are not 0 are positive.
        y_pred: scores of the same shape; positive above a threshold.
        thresholds: list of numbers.
        evenly: whether `spread_evenly` holds for them (the ends may lie epsilon outside).
        top_k: leave only the k largest scores of the last axis positive.
        class_id: look at this class of the last axis only.
        sample_weight: weights of leading axes.
        multi_label: keep the last axis: results are `(thresholds, labels)`.
        label_weights: weights of the last axis; not with `multi_label`.

    >>> confusion_counts([0, 1], [0.4, 0.8], [0.5])[0].tolist()
    [1.0]
    """
    dtype = np.float64 if settings.floatx == "float64" else np.float32
    y_true, y_pred = np.asarray(y_true, dtype=dtype), np.asarray(y_pred, dtype=dtype)
    y_pred, y_true = squeeze_or_expand_to_same_rank(y_pred, y_true)
    if y_pred.shape != y_true.shape:
        raise ValueError(
            f"{where}: expected targets of the shape of the predictions {y_pred.shape}, got "
            f"{y_true.shape}; use one-hot targets (pyseq.utils.to_categorical) for several classes"
        )
    if sample_weight is not None:
        sample_weight = np.asarray(sample_weight, dtype=dtype)[..., None]
        _, sample_weight = squeeze_or_expand_to_same_rank(
            y_true, sample_weight, expand_rank_1=False
        )
    if top_k is not None:
        y_pred = keep_top_k(y_pred, top_k)
    if class_id is not None:
        if y_pred.ndim == 1:
            raise ValueError(
                f"{where}(class_id): expected predictions (N, K), got shape {y_pred.shape}; "
                f"leave class_id out for one output"
            )
        y_true, y_pred = y_true[..., class_id, None], y_pred[..., class_id, None]
    weights = None
    if sample_weight is not None:
        weights = np.broadcast_to(sample_weight, y_pred.shape)
    if label_weights is not None and not multi_label:
        labels = np.broadcast_to(np.asarray(label_weights, dtype=dtype), y_pred.shape)
        weights = labels if weights is None else weights * labels
    positive = y_true != 0
    if multi_label:
        columns = [
            _counts(
                positive[:, j],
                y_pred[:, j],
                None if weights is None else weights[:, j],
                thresholds,
                evenly,
            )
            for j in range(y_pred.shape[1])
        ]
        return tuple(np.stack(part, axis=1) for part in zip(*columns, strict=True))
    flat = None if weights is None else weights.reshape(-1)
    return _counts(positive.reshape(-1), y_pred.reshape(-1), flat, thresholds, evenly)


def _counts(positive, y_pred, weights, thresholds, evenly):
    thresholds = np.asarray(thresholds, dtype=y_pred.dtype)
    w = np.ones(y_pred.shape) if weights is None else weights.astype(np.float64)
    true_w = np.where(positive, w, 0.0)
    false_w = w - true_w
    n = len(thresholds)
    if n == 1:
        above = y_pred > thresholds[0]
        tp, fp = true_w[above].sum(keepdims=True), false_w[above].sum(keepdims=True)
    else:
        order = np.argsort(thresholds, kind="stable")
        buckets = _buckets(y_pred, thresholds[order], evenly)
        tp, fp = np.empty(n), np.empty(n)
        tp[order] = _count_above(buckets, true_w, n)
        fp[order] = _count_above(buckets, false_w, n)
    return tp, fp, false_w.sum() - fp, true_w.sum() - tp


class _Count(Metric):
    """One of the four counts."""

    _part = None

    def __init__(
        self, thresholds: Any = None, name: str | None = None, dtype: DTypeLike = None
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds = thresholds
        self.thresholds = as_thresholds(thresholds, 0.5, type(self).__name__)
        self._evenly = spread_evenly(self.thresholds)
        self.accumulator = self.add_variable(
            (len(self.thresholds),), dtype=ACCUMULATOR, name="accumulator"
        )

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> None:
        """Add a batch of 0/1 labels and scores."""
        counts = confusion_counts(
            y_true,
            y_pred,
            self.thresholds,
            evenly=self._evenly,
            sample_weight=sample_weight,
            where=self.name,
        )
        self.accumulator.assign_add(counts[self._part])

    def result(self) -> Any:
        """Return the count, or one per threshold."""
        counts = self._rounded(self.accumulator.value)
        return counts[0] if len(self.thresholds) == 1 else counts

    def get_config(self) -> Config:
        return {"thresholds": self.init_thresholds, **super().get_config()}


@builtin("metrics")
class TruePositives(_Count):
    """Weight of positive labels with scores above the threshold.

    Args:
        thresholds: number in [0, 1] or list of them; 0.5 when None.

    >>> print(TruePositives()([0, 1, 1], [0.9, 0.8, 0.1]))
    1.0
    """

    _part = 0


@builtin("metrics")
class FalsePositives(_Count):
    """Weight of negative labels with scores above the threshold; see `TruePositives`.

    Args:
        thresholds: number in [0, 1] or list of them; 0.5 when None.
    """

    _part = 1


@builtin("metrics")
class TrueNegatives(_Count):
    """Weight of negative labels with scores not above the threshold; see `TruePositives`.

    Args:
        thresholds: number in [0, 1] or list of them; 0.5 when None.
    """

    _part = 2


@builtin("metrics")
class FalseNegatives(_Count):
    """Weight of positive labels with scores not above the threshold; see `TruePositives`.

    Args:
        thresholds: number in [0, 1] or list of them; 0.5 when None.
    """

    _part = 3


class _Ratio(Metric):
    """True positives over themselves and one kind of error."""

    _direction = "up"
    _error = None  # name of its variable, and its place in `confusion_counts`

    def __init__(
        self,
        thresholds: Any = None,
        top_k: Any = None,
        class_id: Any = None,
        name: str | None = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds = thresholds
        self.top_k = top_k
        self.class_id = class_id
        default = 0.5 if top_k is None else NEG_INF
        self.thresholds = as_thresholds(thresholds, default, type(self).__name__)
        self._evenly = spread_evenly(self.thresholds)
        shape = (len(self.thresholds),)
        error_name, self._part = self._error
        self.true_positives = self.add_variable(shape, dtype=ACCUMULATOR, name="true_positives")
        self._errors = self.add_variable(shape, dtype=ACCUMULATOR, name=error_name)
        setattr(self, error_name, self._errors)

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> None:
        """Add a batch of 0/1 labels and scores."""
        counts = confusion_counts(
            y_true,
            y_pred,
            self.thresholds,
            evenly=self._evenly,
            top_k=self.top_k,
            class_id=self.class_id,
            sample_weight=sample_weight,
            where=self.name,
        )
        self.true_positives.assign_add(counts[0])
        self._errors.assign_add(counts[self._part])

    def result(self) -> Any:
        """Return the ratio, or one per threshold; 0 where there is nothing to divide by."""
        hits = self.true_positives.value
        ratios = self._rounded(divide_no_nan(hits, hits + self._errors.value))
        return ratios[0] if len(self.thresholds) == 1 else ratios

    def get_config(self) -> Config:
        return {
            "thresholds": self.init_thresholds,
            "top_k": self.top_k,
            "class_id": self.class_id,
            **super().get_config(),
        }


@builtin("metrics")
class Precision(_Ratio):
    """TP / (TP + FP).

    Args:
        thresholds: number in [0, 1] or list of them; 0.5 when None.
        top_k: count the k largest scores of each row as positive.
        class_id: look at this class only.

    >>> print(Precision()([0, 1, 1], [0.9, 0.8, 0.1]))
    0.5
    """

    _error = ("false_positives", 1)


@builtin("metrics")
class Recall(_Ratio):
    """TP / (TP + FN); the arguments are those of `Precision`.

    Args:
        thresholds: number in [0, 1] or list of them; 0.5 when None.
        top_k: count the k largest scores of each row as positive.
        class_id: look at this class only.

    >>> print(Recall()([0, 1, 1], [0.9, 0.8, 0.1]))
    0.5
    """

    _error = ("false_negatives", 3)
