"""Optimizers with the names, arguments and updates of `keras.optimizers`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyseq import naming
from pyseq.optimizers import schedules
from pyseq.optimizers.adam import Adam, Adamax, AdamW, Lamb, Nadam, ScheduleFreeAdamW
from pyseq.optimizers.adaptive import Adadelta, Adafactor, Adagrad, Ftrl, RMSprop
from pyseq.optimizers.loss_scale_optimizer import LossScaleOptimizer
from pyseq.optimizers.multi_optimizer import MultiOptimizer, OptimizerMap
from pyseq.optimizers.muon import Muon
from pyseq.optimizers.optimizer import Optimizer
from pyseq.optimizers.sgd import SGD, Lion
from pyseq.registry.serialization import deserialize_keras_object, serialize_keras_object

if TYPE_CHECKING:
    from pyseq.types import CustomObjects, OptimizerLike

__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "LossScaleOptimizer",
    "MultiOptimizer",
    "Muon",
    "Nadam",
    "Optimizer",
    "OptimizerMap",
    "RMSprop",
    "ScheduleFreeAdamW",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]

_CLASSES = [SGD, Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Ftrl, Lamb, Lion, Muon, Nadam]
_CLASSES += [RMSprop, ScheduleFreeAdamW, LossScaleOptimizer, MultiOptimizer, OptimizerMap]
_BY_NAME = {c.__name__.lower(): c for c in _CLASSES}
_NEED_ARGUMENTS = ("lossscaleoptimizer", "multioptimizer", "optimizermap")


def serialize(optimizer: OptimizerLike) -> Any:
    """Return the config dict of an optimizer."""
    return serialize_keras_object(optimizer)


def deserialize(config: Any, custom_objects: CustomObjects = None) -> Any:
    """Return the optimizer that a config dict describes; built-in names match in any case."""
    if isinstance(config, dict):
        known = _BY_NAME.get(str(config.get("class_name")).lower())
        if known is not None:
            config = dict(config, class_name=known.__name__)
    return deserialize_keras_object(config, custom_objects, family="optimizers")


def get(identifier: Any) -> Any:
    """Return an optimizer from None, a name in any case, a config dict, a class or an instance.

    >>> type(get("adamw")).__name__
    'AdamW'
    """
    if identifier is None or isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, dict):
        identifier = deserialize(identifier)
    elif isinstance(identifier, str):
        name = identifier.lower()
        if name not in _BY_NAME or name in _NEED_ARGUMENTS:
            names = sorted(set(_BY_NAME) - set(_NEED_ARGUMENTS))
            hint = naming.did_you_mean(name, names) or f"known names are {', '.join(names)}"
            raise ValueError(
                f"optimizers.get: expected the name of an optimizer, got {identifier!r}; {hint}"
            )
        identifier = _BY_NAME[name]()
    elif isinstance(identifier, type) and issubclass(identifier, Optimizer):
        identifier = identifier()
    if not isinstance(identifier, Optimizer):
        raise ValueError(
            f"optimizers.get: expected an optimizer (a name, config dict, class or instance), got "
            f"{identifier!r}"
        )
    return identifier


def __dir__() -> list[str]:
    return sorted(__all__)
