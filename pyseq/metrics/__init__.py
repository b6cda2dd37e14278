"""Metrics with the names, defaults and results of `keras.metrics`, in NumPy.

Means of built-in functions are also accumulated by the compiled core: `lower()` names the
function, and `add_total_count` takes what the core has added up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyseq import hooks, naming
from pyseq.losses import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from pyseq.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from pyseq.metrics.base import Metric
from pyseq.metrics.confusion import (
    FalseNegatives,
    FalsePositives,
    Precision,
    Recall,
    TrueNegatives,
    TruePositives,
)
from pyseq.metrics.curves import (
    AUC,
    PrecisionAtRecall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
)
from pyseq.metrics.f_score import F1Score, FBetaScore
from pyseq.metrics.iou import BinaryIoU, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU
from pyseq.metrics.means import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    ConcordanceCorrelation,
    CosineSimilarity,
    Hinge,
    KLDivergence,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    PearsonCorrelation,
    Poisson,
    RootMeanSquaredError,
    SparseCategoricalCrossentropy,
    SquaredHinge,
    concordance_correlation,
    pearson_correlation,
)
from pyseq.metrics.reduction import Mean, MeanMetricWrapper, Sum
from pyseq.metrics.regression import R2Score
from pyseq.registry import registration
from pyseq.registry.serialization import (
    deserialize_keras_object,
    get_object,
    serialize_keras_object,
)

if TYPE_CHECKING:
    from pyseq.types import Config, CustomObjects

__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "BinaryIoU",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "ConcordanceCorrelation",
    "CosineSimilarity",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "Hinge",
    "IoU",
    "KLDivergence",
    "LogCoshError",
    "Mean",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanIoU",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "OneHotIoU",
    "OneHotMeanIoU",
    "PearsonCorrelation",
    "Poisson",
    "Precision",
    "PrecisionAtRecall",
    "R2Score",
    "Recall",
    "RecallAtPrecision",
    "RootMeanSquaredError",
    "SensitivityAtSpecificity",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SpecificityAtSensitivity",
    "SquaredHinge",
    "Sum",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "binary_accuracy",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "concordance_correlation",
    "deserialize",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "pearson_correlation",
    "poisson",
    "serialize",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "squared_hinge",
    "top_k_categorical_accuracy",
]

_CLASSES = {
    name: obj
    for name, obj in dict(globals()).items()
    if isinstance(obj, type) and issubclass(obj, Metric)
}
# In `get`, unlike in files, snake_case names and short names mean classes, as in Keras.
_NAMES = {
    **{registration.to_snake_case(name): cls for name, cls in _CLASSES.items()},
    **{
        short: cls
        for lower, cls in (
            ("bce", BinaryCrossentropy),
            ("mse", MeanSquaredError),
            ("mae", MeanAbsoluteError),
            ("mape", MeanAbsolutePercentageError),
            ("msle", MeanSquaredLogarithmicError),
        )
        for short in (lower, lower.upper())
    },
}


def serialize(metric: Any) -> Config:
    """Return the config dict of a metric, or the description of a function.

    >>> serialize(AUC(name="auc"))["class_name"]
    'AUC'
    """
    return serialize_keras_object(metric)


def deserialize(config: Any, custom_objects: CustomObjects = None) -> Any:
    """Return the metric or function that a config dict or a name describes."""
    if isinstance(config, str):
        return _by_name(config, custom_objects)
    return deserialize_keras_object(config, custom_objects, family=("metrics", "losses"))


def _by_name(name, custom_objects=None):
    known = registration.get_registered_object(name, custom_objects)
    if known is None:
        known = _NAMES.get(name) or _CLASSES.get(name) or hooks.ask("old_name", "metrics", name)
    if known is None:
        names = sorted((*_NAMES, *_CLASSES))
        hint = naming.did_you_mean(name, names) or f"known names are {', '.join(names)}"
        raise ValueError(f"metrics.get: expected the name of a metric, got {name!r}; {hint}")
    return known


def get(identifier: Any) -> Any:
    """Return a metric or a function from None, a name, config dict, class, instance or function.

    >>> get("mse").name, get("auc").curve
    ('mean_squared_error', 'ROC')
    """
    if isinstance(identifier, str):
        identifier = _by_name(identifier)
    elif isinstance(identifier, dict):
        identifier = deserialize(identifier)
    return get_object(identifier, "metrics", "metric")


def __dir__() -> list[str]:
    return sorted(__all__)
