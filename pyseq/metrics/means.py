"""Means of the loss functions, as metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import settings
from pyseq.losses import crossentropy, divergence, margin, regression
from pyseq.losses.base import arrays, squeeze_or_expand_to_same_rank
from pyseq.metrics.accuracy import python_metric_function
from pyseq.metrics.reduction import BuiltinMean, Mean
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from pyseq.types import Axis, DTypeLike, Tensor


@builtin("metrics")
class MeanSquaredError(BuiltinMean):
    """Mean of `losses.mean_squared_error`.

    >>> print(MeanSquaredError()([[0.0], [0.0]], [[1.0], [3.0]]))
    5.0
    """

    def __init__(self, name: str | None = "mean_squared_error", dtype: DTypeLike = None) -> None:
        super().__init__(regression.mean_squared_error, name, dtype, "down")


@builtin("metrics")
class MeanAbsoluteError(BuiltinMean):
    """Mean of `losses.mean_absolute_error`."""

    def __init__(self, name: str | None = "mean_absolute_error", dtype: DTypeLike = None) -> None:
        super().__init__(regression.mean_absolute_error, name, dtype, "down")


@builtin("metrics")
class MeanAbsolutePercentageError(BuiltinMean):
    """Mean of `losses.mean_absolute_percentage_error`."""

    def __init__(
        self, name: str | None = "mean_absolute_percentage_error", dtype: DTypeLike = None
    ) -> None:
        super().__init__(regression.mean_absolute_percentage_error, name, dtype, "down")


@builtin("metrics")
class MeanSquaredLogarithmicError(BuiltinMean):
    """Mean of `losses.mean_squared_logarithmic_error`."""

    def __init__(
        self, name: str | None = "mean_squared_logarithmic_error", dtype: DTypeLike = None
    ) -> None:
        super().__init__(regression.mean_squared_logarithmic_error, name, dtype, "down")


@builtin("metrics")
class LogCoshError(BuiltinMean):
    """Mean of `losses.log_cosh`."""

    def __init__(self, name: str | None = "logcosh", dtype: DTypeLike = None) -> None:
        super().__init__(regression.log_cosh, name, dtype, "down")


@builtin("metrics")
class RootMeanSquaredError(Mean):
    """Square root of the mean squared error.

    >>> print(RootMeanSquaredError()([[0.0], [0.0]], [[3.0], [3.0]]))
    3.0
    """

    _direction = "down"

    def __init__(
        self, name: str | None = "root_mean_squared_error", dtype: DTypeLike = None
    ) -> None:
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> None:
        """Add a batch."""
        y_true, y_pred = squeeze_or_expand_to_same_rank(
            np.asarray(y_true, dtype=self._arithmetic), np.asarray(y_pred, dtype=self._arithmetic)
        )
        y_true, y_pred = arrays(y_true, y_pred, self.name)
        self._add(np.square(y_pred - y_true), sample_weight)

    def result(self) -> Any:
        """Return the root of the mean."""
        return self._rounded(np.sqrt(self._mean()))

    def lower(self) -> Any:
        """Return the mean whose root this is."""
        if type(self).update_state is not RootMeanSquaredError.update_state:
            return None
        return "mean_squared_error", {}


@python_metric_function
def cosine_similarity(y_true, y_pred, axis=-1):
    """Cosine of the angle between targets and predictions, from -1 to 1 (alike).

    >>> cosine_similarity([[3.0, 0.0]], [[5.0, 0.0]]).tolist()
    [1.0]
    """
    return -regression.cosine_similarity(y_true, y_pred, axis=axis)


@builtin("metrics")
class CosineSimilarity(BuiltinMean):
    """Mean cosine of the angle between targets and predictions; unlike the loss, 1 is alike.

    Args:
        axis: axis of the vectors.
    """

    unsaved = ("axis",)

    def __init__(
        self, name: str | None = "cosine_similarity", dtype: DTypeLike = None, axis: Axis = -1
    ) -> None:
        super().__init__(cosine_similarity, name, dtype, "up", axis=axis)

    def lower(self) -> Any:
        """Return the loss of the same name, whose sign `add_total_count` turns."""
        if type(self).update_state is not CosineSimilarity.update_state:
            return None
        return "cosine_similarity", {"axis": self.axis}

    def add_total_count(self, total: Any, count: Any) -> None:
        """Add what the core accumulated for `lower()`."""
        super().add_total_count(-total, count)


@builtin("metrics")
class Hinge(BuiltinMean):
    """Mean of `losses.hinge`."""

    def __init__(self, name: str | None = "hinge", dtype: DTypeLike = None) -> None:
        super().__init__(margin.hinge, name, dtype, "down")


@builtin("metrics")
class SquaredHinge(BuiltinMean):
    """Mean of `losses.squared_hinge`."""

    def __init__(self, name: str | None = "squared_hinge", dtype: DTypeLike = None) -> None:
        super().__init__(margin.squared_hinge, name, dtype, "down")


@builtin("metrics")
class CategoricalHinge(BuiltinMean):
    """Mean of `losses.categorical_hinge`."""

    def __init__(self, name: str | None = "categorical_hinge", dtype: DTypeLike = None) -> None:
        super().__init__(margin.categorical_hinge, name, dtype, "down")


@builtin("metrics")
class KLDivergence(BuiltinMean):
    """Mean of `losses.kl_divergence`."""

    def __init__(self, name: str | None = "kl_divergence", dtype: DTypeLike = None) -> None:
        super().__init__(divergence.kl_divergence, name, dtype, "down")


@builtin("metrics")
class Poisson(BuiltinMean):
    """Mean of `losses.poisson`."""

    def __init__(self, name: str | None = "poisson", dtype: DTypeLike = None) -> None:
        super().__init__(divergence.poisson, name, dtype, "down")


@builtin("metrics")
class BinaryCrossentropy(BuiltinMean):
    """Mean of `losses.binary_crossentropy`.

    Args:
        from_logits: predictions are logits rather than probabilities.
        label_smoothing: in [0, 1].
    """

    def __init__(
        self,
        name: str | None = "binary_crossentropy",
        dtype: DTypeLike = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        super().__init__(
            crossentropy.binary_crossentropy,
            name,
            dtype,
            "down",
            from_logits=from_logits,
            label_smoothing=label_smoothing,
        )


@builtin("metrics")
class CategoricalCrossentropy(BuiltinMean):
    """Mean of `losses.categorical_crossentropy`.

    Args:
        from_logits: predictions are logits rather than probabilities.
        label_smoothing: in [0, 1].
        axis: axis of the classes.
    """

    def __init__(
        self,
        name: str | None = "categorical_crossentropy",
        dtype: DTypeLike = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: Axis = -1,
    ) -> None:
        super().__init__(
            crossentropy.categorical_crossentropy,
            name,
            dtype,
            "down",
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


@builtin("metrics")
class SparseCategoricalCrossentropy(BuiltinMean):
    """Mean of `losses.sparse_categorical_crossentropy`.

    Args:
        from_logits: predictions are logits rather than probabilities.
        ignore_class: label whose rows give 0; they count in the mean unless there are weights.
        axis: axis of the classes.
    """

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: DTypeLike = None,
        from_logits: bool = False,
        ignore_class: Any = None,
        axis: Axis = -1,
    ) -> None:
        super().__init__(
            crossentropy.sparse_categorical_crossentropy,
            name,
            dtype,
            "down",
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )


def _spread(x, axis):
    """Return x minus its mean over `axis`, and its standard deviation."""
    centred = x - np.mean(x, axis=axis, keepdims=True)
    return centred, np.std(centred, axis=axis, keepdims=True)


@python_metric_function
def pearson_correlation(y_true: Tensor, y_pred: Tensor, axis: Axis = -1) -> Tensor:
    """Covariance over the product of the standard deviations, along `axis`.

    >>> print(pearson_correlation([[1.0, 2.0]], [[2.0, 4.0]]))
    [1.]
    """
    y_true, y_pred = arrays(y_true, y_pred, "pearson_correlation")
    a, a_std = _spread(y_true, axis)
    b, b_std = _spread(y_pred, axis)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.mean(a / a_std * (b / b_std), axis=axis)


@python_metric_function
def concordance_correlation(y_true: Tensor, y_pred: Tensor, axis: Axis = -1) -> Tensor:
    """Lin's concordance: 2 covariance / (var + var + squared difference of the means + epsilon).

    L. I. Lin, "A concordance correlation coefficient to evaluate reproducibility", Biometrics 45
    (1989).

    >>> print(concordance_correlation([[1.0, 3.0]], [[1.0, 3.0]]).round(4))
    [1.]
    """
    y_true, y_pred = arrays(y_true, y_pred, "concordance_correlation")
    a_mean = np.mean(y_true, axis=axis, keepdims=True)
    b_mean = np.mean(y_pred, axis=axis, keepdims=True)
    spread = np.var(y_true, axis=axis, keepdims=True) + np.var(y_pred, axis=axis, keepdims=True)
    scale = spread + np.square(a_mean - b_mean) + y_pred.dtype.type(settings.epsilon)
    return np.mean(2 * (y_true - b_mean) * (y_pred - b_mean) / scale, axis=axis)


@builtin("metrics")
class PearsonCorrelation(BuiltinMean):
    """Mean over samples of `pearson_correlation`.

    Args:
        axis: axis of the vectors that are correlated.
    """

    def __init__(
        self, name: str | None = "pearson_correlation", dtype: DTypeLike = None, axis: Axis = -1
    ) -> None:
        super().__init__(pearson_correlation, name, dtype, "up", axis=axis)


@builtin("metrics")
class ConcordanceCorrelation(BuiltinMean):
    """Mean over samples of `concordance_correlation`.

    Args:
        axis: axis of the vectors that are correlated.
    """

    def __init__(
        self, name: str | None = "concordance_correlation", dtype: DTypeLike = None, axis: Axis = -1
    ) -> None:
        super().__init__(concordance_correlation, name, dtype, "up", axis=axis)
