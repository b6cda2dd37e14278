"""Losses with the names, defaults and results of `keras.losses`, in NumPy.

A built-in loss also runs in the compiled core: `lower()` gives its kind and attributes. A custom
one (a function or a subclass of `Loss`) is called with arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyseq.losses.base import Loss, LossFunctionWrapper
from pyseq.losses.crossentropy import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_generalized_cross_entropy,
    sparse_categorical_crossentropy,
)
from pyseq.losses.divergence import KLDivergence, Poisson, kl_divergence, poisson
from pyseq.losses.margin import (
    CategoricalHinge,
    Hinge,
    SquaredHinge,
    categorical_hinge,
    hinge,
    squared_hinge,
)
from pyseq.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    cosine_similarity,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)
from pyseq.losses.structured import CTC, Circle, Dice, Tversky, circle, ctc, dice, tversky
from pyseq.registry import registration
from pyseq.registry.serialization import (
    deserialize_keras_object,
    get_object,
    serialize_keras_object,
)

if TYPE_CHECKING:
    from pyseq.types import Config, CustomObjects

__all__ = [
    "CTC",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "Circle",
    "CosineSimilarity",
    "Dice",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "LossFunctionWrapper",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
    "as_loss",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "circle",
    "cosine_similarity",
    "ctc",
    "deserialize",
    "dice",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
    "tversky",
]


def serialize(loss: Any) -> Config:
    """Return the config dict of a loss, or the description of a function.

    >>> serialize(mean_squared_error)["config"]
    'mean_squared_error'
    """
    return serialize_keras_object(loss)


def deserialize(name: str, custom_objects: CustomObjects = None) -> Any:
    """Return the loss or function that a config dict or a name describes."""
    if isinstance(name, str):
        return get_object(name, "losses", "loss", custom_objects)
    return deserialize_keras_object(name, custom_objects, family="losses")


def get(identifier: Any) -> Any:
    """Return a loss or a function from None, a name, config dict, class, instance or function.

    >>> get("mse").__name__, get("Huber").delta
    ('mean_squared_error', 1.0)
    """
    return get_object(identifier, "losses", "loss")


def as_loss(identifier: Any) -> Loss | None:
    """Return a `Loss` from whatever `get` takes; functions are wrapped under the name given.

    >>> as_loss("mse").lower()
    ('mean_squared_error', {})
    """
    loss = get(identifier)
    if loss is None or isinstance(loss, Loss):
        return loss
    if isinstance(identifier, str):
        name = identifier
    else:
        name = getattr(loss, "name", None) or registration.to_snake_case(
            getattr(loss, "__name__", type(loss).__name__)
        )
    return LossFunctionWrapper(loss, name=name)


def __dir__() -> list[str]:
    return sorted(__all__)
