"""Models with new weights from those that exist: `keras.models.clone_model`."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from pyseq.layers.core import InputLayer
from pyseq.layers.keras_tensor import KerasTensor
from pyseq.registry import lambdas, serialization
from pyseq.sequential import FeatureExtractor, Sequential
from pyseq.training.model import Model

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Unpack

    from pyseq.types import CloneArguments, M


def clone_model(
    model: M,
    input_tensors: Any = None,
    clone_function: Callable[[Any], Any] | None = None,
    call_function: Any = None,
    recursive: bool = False,
    **kwargs: Unpack[CloneArguments],
) -> M:
    """Return a model of the same architecture with new weights.

    Args:
        model: a Sequential, or a Model of one's own with `get_config`.
        input_tensors: what `Input` returned, for the input of the copy; for a Sequential only.
        clone_function: called with each layer (without the InputLayer) to make its copy; for a
            Sequential only.
        recursive: for nested Sequentials call `clone_function` with each of their layers rather
            than with the model.

    Raises:
        ValueError: an argument of the wrong kind, or one that is not for this kind of model.

    >>> import pyseq
    >>> model = pyseq.Sequential([pyseq.Input((4,)), pyseq.layers.Dense(3)])
    >>> clone_model(model).output_shape
    (None, 3)
    """
    copies = kwargs.pop("cache", None)
    if kwargs:
        raise ValueError(f"clone_model: got unknown arguments {sorted(kwargs)}")
    if not isinstance(model, Model):
        raise ValueError(f"clone_model: expected a model, got {type(model).__name__}")
    if call_function is not None:
        raise ValueError(
            "clone_model: expected no `call_function`, got one; a Sequential calls its layers one "
            "after the other, and a Model of your own calls them itself"
        )
    if isinstance(model, Sequential):
        clone_function = _copy_of_layer if clone_function is None else clone_function
        return _clone_sequential(
            model, input_tensors, clone_function, recursive, {} if copies is None else copies
        )
    if clone_function is not None or input_tensors is not None:
        raise ValueError(
            "clone_model: expected `clone_function` and `input_tensors` for a Sequential only, got "
            f"{type(model).__name__}; give its `get_config` what `__init__` needs instead"
        )
    with lambdas.kept():
        config = serialization.serialize_keras_object(model)
    return serialization.deserialize_keras_object(config, {type(model).__name__: type(model)})


def _copy_of_layer(layer):
    with lambdas.kept():
        return type(layer).from_config(copy.deepcopy(layer.get_config()))


def _clone_sequential(model, input_tensors, clone_function, recursive, copies):
    if not callable(clone_function):
        raise ValueError(
            f"clone_model: expected `clone_function` to be callable, got {clone_function!r}"
        )

    def copy_of(layer):
        # A layer that stands in two places is one in the copy, too.
        if id(layer) not in copies:
            nested = recursive and isinstance(layer, Sequential)
            copies[id(layer)] = (
                _clone_sequential(layer, None, clone_function, True, copies)
                if nested
                else clone_function(layer)
            )
        return copies[id(layer)]

    stack = [copy_of(layer) for layer in model._stack]
    first = model._layers[0] if model._layers else None
    if input_tensors is not None:
        stack.insert(0, _only_input(input_tensors))
    elif isinstance(first, InputLayer):
        stack.insert(0, InputLayer.from_config(first.get_config()))
    if isinstance(model, FeatureExtractor):
        new = FeatureExtractor(stack, model._taps, name=model.name)
    else:
        new = Sequential(stack, trainable=model.trainable, name=model.name)
    new._counts_input = model._counts_input
    if model.compiled:
        new.compile_like(model)
    return new


def _only_input(tensors):
    tensors = list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]
    if len(tensors) != 1 or not isinstance(tensors[0], KerasTensor):
        raise ValueError(
            "clone_model: expected `input_tensors` to be one tensor that Input() returned, got "
            f"{serialization.short(tensors)}"
        )
    return tensors[0]
