"""Areas under curves over thresholds, and the best ratio under a constraint on another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, settings
from pyseq.losses.base import divide_no_nan
from pyseq.metrics.base import ACCUMULATOR, Metric
from pyseq.metrics.confusion import confusion_counts, spread_evenly
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from pyseq.types import Config, DTypeLike, Tensor

CURVES = ("ROC", "PR", "PRGAIN")
SUMMATION_METHODS = ("interpolation", "majoring", "minoring")
_COUNTS = ("true_positives", "false_positives", "true_negatives", "false_negatives")


class _FourCounts(Metric):
    """The four counts at many thresholds."""

    _direction = "up"

    def _add_counts(self, shape):
        for name in _COUNTS:
            setattr(self, name, self.add_variable(shape, dtype=ACCUMULATOR, name=name))

    def _values(self):
        return [getattr(self, name).value for name in _COUNTS]

    def _accumulate(self, counts):
        for name, values in zip(_COUNTS, counts, strict=True):
            getattr(self, name).assign_add(values)


def _inner_thresholds(count):
    return [i / (count - 1) for i in range(1, count - 1)]


class _AtConstraint(_FourCounts):
    """Best value of one ratio over the thresholds at which another is large enough."""

    _constraint = None  # name of the argument

    def __init__(
        self,
        value: Any,
        num_thresholds: int = 200,
        class_id: Any = None,
        name: str | None = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        where = type(self).__name__
        if not 0 <= value <= 1:
            raise ValueError(
                f"{where}({self._constraint}): expected a number in [0, 1], got {value!r}"
            )
        if num_thresholds <= 0:
            raise ValueError(
                f"{where}(num_thresholds): expected an integer > 0, got {num_thresholds!r}"
            )
        self.value = value
        setattr(self, self._constraint, value)
        self.num_thresholds = num_thresholds
        self.class_id = class_id
        self._evenly = num_thresholds > 1
        self.thresholds = [0.0, *_inner_thresholds(num_thresholds), 1.0] if self._evenly else [0.5]
        self._add_counts((len(self.thresholds),))

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> None:
        """Add a batch of 0/1 labels and scores in [0, 1]."""
        self._accumulate(
            confusion_counts(
                y_true,
                y_pred,
                self.thresholds,
                evenly=self._evenly,
                class_id=self.class_id,
                sample_weight=sample_weight,
                where=self.name,
            )
        )

    def _ratios(self):
        """Return `(constrained, dependent)` ratios at each threshold."""
        raise TypeError(f"{type(self).__name__}: expected a subclass that defines _ratios()")

    def result(self) -> Any:
        """Return the best value, 0 if no threshold meets the constraint."""
        constrained, dependent = self._ratios()
        met = constrained.astype(np.float32) >= np.float32(self.value)
        return self._rounded(np.max(np.where(met, dependent, 0), initial=0))

    def _sensitivities(self):
        tp, _, _, fn = self._values()
        return divide_no_nan(tp, tp + fn)

    def _specificities(self):
        _, fp, tn, _ = self._values()
        return divide_no_nan(tn, tn + fp)

    def _precisions(self):
        tp, fp, _, _ = self._values()
        return divide_no_nan(tp, tp + fp)

    def get_config(self) -> Config:
        return {
            "num_thresholds": self.num_thresholds,
            self._constraint: self.value,
            "class_id": self.class_id,
            **super().get_config(),
        }


@builtin("metrics")
class SensitivityAtSpecificity(_AtConstraint):
    """Largest TP / (TP + FN) where TN / (TN + FP) >= `specificity`.

    Args:
        specificity: in [0, 1].
        num_thresholds: how many thresholds in [0, 1] are tried.
        class_id: look at this class only.

    >>> metric = SensitivityAtSpecificity(0.5)
    >>> print(metric([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8]))
    0.5
    """

    _constraint = "specificity"

    def __init__(
        self,
        specificity: Any,
        num_thresholds: int = 200,
        class_id: Any = None,
        name: str | None = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(specificity, num_thresholds, class_id, name, dtype)

    def _ratios(self):
        return self._specificities(), self._sensitivities()


@builtin("metrics")
class SpecificityAtSensitivity(_AtConstraint):
    """Largest TN / (TN + FP) where TP / (TP + FN) >= `sensitivity`.

    Args:
        num_thresholds: thresholds that are tried.
        class_id: look at this class only.
        sensitivity: sensitivity that is asked for, in [0, 1].

    The arguments are those of `SensitivityAtSpecificity`.
    """

    _constraint = "sensitivity"

    def __init__(
        self,
        sensitivity: Any,
        num_thresholds: int = 200,
        class_id: Any = None,
        name: str | None = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)

    def _ratios(self):
        return self._sensitivities(), self._specificities()


@builtin("metrics")
class PrecisionAtRecall(_AtConstraint):
    """Largest TP / (TP + FP) where TP / (TP + FN) >= `recall`.

    Args:
        num_thresholds: thresholds that are tried.
        class_id: look at this class only.
        recall: recall that is asked for, in [0, 1].

    The arguments are those of `SensitivityAtSpecificity`.
    """

    _constraint = "recall"

    def __init__(
        self,
        recall: Any,
        num_thresholds: int = 200,
        class_id: Any = None,
        name: str | None = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(recall, num_thresholds, class_id, name, dtype)

    def _ratios(self):
        return self._sensitivities(), self._precisions()


@builtin("metrics")
class RecallAtPrecision(_AtConstraint):
    """Largest TP / (TP + FN) where TP / (TP + FP) >= `precision`.

    Args:
        num_thresholds: thresholds that are tried.
        class_id: look at this class only.
        precision: precision that is asked for, in [0, 1].

    The arguments are those of `SensitivityAtSpecificity`.
    """

    _constraint = "precision"

    def __init__(
        self,
        precision: Any,
        num_thresholds: int = 200,
        class_id: Any = None,
        name: str | None = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(precision, num_thresholds, class_id, name, dtype)

    def _ratios(self):
        return self._precisions(), self._sensitivities()


def _choice(value, choices, fold, where):
    folded = fold(value) if isinstance(value, str) else value
    if folded not in choices:
        raise ValueError(f"{where}: expected one of {choices}, got {value!r}")
    return folded


@builtin("metrics")
class AUC(_FourCounts):
    """Area under the ROC, precision-recall or precision-recall-gain curve.

    J. Davis and M. Goadrich, "The relationship between precision-recall and ROC curves" (2006),
    for the interpolation of `"PR"`; P. Flach and M. Kull, "Precision-recall-gain curves" (2015).

    Args:
        num_thresholds: how many thresholds stand for the curve, > 1.
        curve: `"ROC"`, `"PR"` or `"PRGAIN"`.
        summation_method: `"interpolation"`, or bounds from above (`"majoring"`) and below
            (`"minoring"`).
        thresholds: list of thresholds in (0, 1) instead of evenly spread ones.
        multi_label: one curve per column of the predictions, then the mean of the areas.
        num_labels: number of columns, for `multi_label`; found in the first batch when None.
        label_weights: weights of the columns.
        from_logits: predictions are logits rather than probabilities.

    >>> print(AUC(num_thresholds=3)([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9]))
    0.75
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: DTypeLike = None,
        thresholds: Any = None,
        multi_label: bool = False,
        num_labels: Any = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ) -> None:
        self.curve = _choice(curve, CURVES, str.upper, "AUC(curve)")
        self.summation_method = _choice(
            summation_method, SUMMATION_METHODS, str.lower, "AUC(summation_method)"
        )
        self._init_from_thresholds = thresholds is not None
        for key, value in (("thresholds", thresholds), ("label_weights", label_weights)):
            if value is not None:
                dtypes.check_numbers(value, f"AUC({key})")
        if thresholds is not None:
            inner = sorted(thresholds)
            self.num_thresholds = len(inner) + 2
            self._evenly = spread_evenly([0.0, *inner, 1.0])
        else:
            if num_thresholds <= 1:
                raise ValueError(
                    f"AUC(num_thresholds): expected an integer > 1, got {num_thresholds!r}"
                )
            self.num_thresholds = num_thresholds
            inner = _inner_thresholds(num_thresholds)
            self._evenly = True
        if num_labels and not multi_label:
            raise ValueError(
                f"AUC(num_labels): expected None without multi_label=True, got {num_labels!r}"
            )
        epsilon = settings.epsilon
        self._thresholds = np.array([0.0 - epsilon, *inner, 1.0 + epsilon])
        super().__init__(name=name, dtype=dtype)
        self.multi_label = multi_label
        self.num_labels = num_labels
        self.label_weights = label_weights
        self.from_logits = from_logits
        self._built = False
        if not multi_label:
            self._build(None)
        elif num_labels:
            self._build((None, num_labels))

    @property
    def thresholds(self) -> Any:
        """The thresholds, the ends a little outside of [0, 1]."""
        return list(self._thresholds)

    def _build(self, shape):
        counts = (self.num_thresholds,)
        if self.multi_label:
            if len(shape) != 2:
                raise ValueError(
                    f"{self.name}: expected predictions (N, labels) with multi_label=True, got "
                    f"shape {shape}"
                )
            counts = (self.num_thresholds, shape[1])
        self._add_counts(counts)
        self._built = True

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> None:
        """Add a batch of 0/1 labels and scores in [0, 1] (or logits)."""
        y_pred = np.asarray(y_pred)
        if not self._built:
            self._build(y_pred.shape)
        if self.from_logits:
            e = np.exp(-np.abs(y_pred))
            y_pred = np.where(y_pred >= 0, 1, e) / (1 + e)
        self._accumulate(
            confusion_counts(
                y_true,
                y_pred,
                self._thresholds,
                evenly=self._evenly,
                sample_weight=sample_weight,
                multi_label=self.multi_label,
                label_weights=None if self.multi_label else self.label_weights,
                where=self.name,
            )
        )

    def _interpolated_pr(self):
        tp, fp, _, fn = self._values()
        p = tp + fp
        dtp, dp = tp[:-1] - tp[1:], p[:-1] - p[1:]
        slope = divide_no_nan(dtp, np.maximum(dp, 0))
        intercept = tp[1:] - slope * p[1:]
        both = (p[:-1] > 0) & (p[1:] > 0)
        ratio = np.where(both, divide_no_nan(p[:-1], p[1:]), 1.0)
        return divide_no_nan(slope * (dtp + intercept * np.log(ratio)), tp[1:] + fn[1:])

    def _points(self):
        tp, fp, tn, fn = self._values()
        recall = divide_no_nan(tp, tp + fn)
        if self.curve == "ROC":
            return divide_no_nan(fp, fp + tn), recall
        if self.curve == "PR":
            return recall, divide_no_nan(tp, tp + fp)
        scale = divide_no_nan(tp + fn, tn + fp)
        none = tp == 0
        recall_gain = np.where(none, 0.0, 1 - scale * divide_no_nan(fn, tp))
        precision_gain = np.where(none, 1.0, 1 - scale * divide_no_nan(fp, tp))
        return np.maximum(recall_gain, 0.0), precision_gain

    def result(self) -> Any:
        """Return the area, or the mean of the areas of the labels."""
        if not self._built:
            return self._rounded(0)
        if self.curve == "PR" and self.summation_method == "interpolation":
            parts = self._interpolated_pr()
        else:
            x, y = self._points()
            if self.summation_method == "interpolation":
                heights = (y[:-1] + y[1:]) / 2
            elif self.summation_method == "minoring":
                heights = np.minimum(y[:-1], y[1:])
            else:
                heights = np.maximum(y[:-1], y[1:])
            parts = (x[:-1] - x[1:]) * heights
        areas = parts.sum(axis=0)
        if self.multi_label:
            if self.label_weights is None:
                areas = np.mean(areas)
            else:
                weights = np.asarray(self.label_weights, dtype=np.float64)
                areas = divide_no_nan(np.sum(areas * weights), np.sum(weights))
        return self._rounded(areas)

    def get_config(self) -> Config:
        config = {
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": self.label_weights,
            "from_logits": self.from_logits,
        }
        if self._init_from_thresholds:
            config["thresholds"] = [float(t) for t in self.thresholds[1:-1]]
        return {**super().get_config(), **config}
