"""Configurations of users' classes without a `get_config`: what their constructors were called
with."""

from __future__ import annotations

import inspect

from pyseq.registry import serialization


def captured(layer, config):
    """`config`, as far as the constructor of `layer` takes it, and the arguments it was given."""
    signature = inspect.signature(type(layer).__init__)
    args, kwargs = layer._arguments
    bound = signature.bind(layer, *args, **kwargs)
    bound.apply_defaults()
    kinds = {name: parameter.kind for name, parameter in signature.parameters.items()}
    if inspect.Parameter.VAR_KEYWORD not in kinds.values():
        config = {key: value for key, value in config.items() if key in kinds}
    given = {}
    for name, value in list(bound.arguments.items())[1:]:
        if kinds[name] is inspect.Parameter.VAR_KEYWORD:
            given.update(value)
        elif kinds[name] is not inspect.Parameter.VAR_POSITIONAL:
            given[name] = value
    new = {key: value for key, value in given.items() if key not in config}
    return {**config, **serialization.serialize_keras_object(new)}


def restored(config):
    """The arguments that a captured configuration stands for."""
    return {
        key: serialization.deserialize_keras_object(value)
        if isinstance(value, dict) and "class_name" in value and key != "dtype"
        else value
        for key, value in config.items()
    }
