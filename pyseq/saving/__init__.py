"""Saving and loading: object configs, registration of custom objects, model files."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

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
    "load_onnx",
    "load_weights",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]

if TYPE_CHECKING:
    from pyseq.saving.file_editor import KerasFileEditor as KerasFileEditor
    from pyseq.saving.from_onnx.reader import load_onnx as load_onnx
    from pyseq.saving.saving_api import (
        load_model as load_model,
        load_weights as load_weights,
        save_model as save_model,
        save_weights as save_weights,
    )

# Imported when used: they need layers and optimizers, which need this package.
_LAZY = {
    "KerasFileEditor": "pyseq.saving.file_editor",
    "load_model": "pyseq.saving.saving_api",
    "load_onnx": "pyseq.saving.from_onnx.reader",
    "load_weights": "pyseq.saving.saving_api",
    "save_model": "pyseq.saving.saving_api",
    "save_weights": "pyseq.saving.saving_api",
}


if not TYPE_CHECKING:  # checkers know the names from imports

    def __getattr__(name):
        if name not in _LAZY:
            raise AttributeError(f"module 'pyseq.saving' has no attribute {name!r}")
        value = getattr(importlib.import_module(_LAZY[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
