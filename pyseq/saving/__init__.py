"""Saving and loading: object configs, registration of custom objects, model files."""

from __future__ import annotations

import importlib

from pyseq.registry.registration import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from pyseq.registry.serialization import (
    deserialize_keras_object,
    serialize_keras_object,
)

__all__ = [
    "CustomObjectScope",
    "KerasFileEditor",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "load_weights",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]

# Imported when used: they need layers and optimizers, which need this package.
_LAZY = {
    "KerasFileEditor": "pyseq.saving.file_editor",
    "load_model": "pyseq.saving.saving_api",
    "load_weights": "pyseq.saving.saving_api",
    "save_model": "pyseq.saving.saving_api",
    "save_weights": "pyseq.saving.saving_api",
}


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module 'pyseq.saving' has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value
