"""Tools around training, with the names of `keras.utils`. Each is imported when it is used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

_MODULES = {
    "pyseq.dtypes": ("standardize_dtype",),
    "pyseq.layers.keras_tensor": ("is_keras_tensor",),
    "pyseq.config": (
        "disable_interactive_logging",
        "enable_interactive_logging",
        "is_interactive_logging_enabled",
    ),
    "pyseq.saving": (
        "CustomObjectScope",
        "custom_object_scope",
        "deserialize_keras_object",
        "get_custom_objects",
        "get_registered_name",
        "get_registered_object",
        "register_keras_serializable",
        "serialize_keras_object",
    ),
    "pyseq.utils.arrays": ("normalize", "pad_sequences", "to_categorical"),
    "pyseq.utils.config": ("Config",),
    "pyseq.utils.datasets": (
        "PyDataset",
        "Sequence",
        "pack_x_y_sample_weight",
        "timeseries_dataset_from_array",
        "unpack_x_y_sample_weight",
    ),
    "pyseq.utils.directories": (
        "audio_dataset_from_directory",
        "image_dataset_from_directory",
        "text_dataset_from_directory",
    ),
    "pyseq.utils.feature_space": ("FeatureSpace",),
    "pyseq.utils.files": ("get_file",),
    "pyseq.utils.graphs": ("model_to_dot", "model_to_text", "plot_model"),
    "pyseq.utils.images": ("array_to_img", "img_to_array", "load_img", "save_img"),
    "pyseq.callbacks.progbar": ("Progbar",),
    "pyseq.utils.seed": ("set_random_seed",),
    "pyseq.utils.splitting": ("split_dataset",),
    "pyseq.utils.session": ("clear_session", "version"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}
_NAMESPACES = ("bounding_boxes",)

__all__ = [
    "Config",
    "CustomObjectScope",
    "FeatureSpace",
    "Progbar",
    "PyDataset",
    "Sequence",
    "array_to_img",
    "audio_dataset_from_directory",
    "bounding_boxes",
    "clear_session",
    "custom_object_scope",
    "deserialize_keras_object",
    "disable_interactive_logging",
    "enable_interactive_logging",
    "get_custom_objects",
    "get_file",
    "get_registered_name",
    "get_registered_object",
    "image_dataset_from_directory",
    "img_to_array",
    "is_interactive_logging_enabled",
    "is_keras_tensor",
    "load_img",
    "model_to_dot",
    "model_to_text",
    "normalize",
    "pack_x_y_sample_weight",
    "pad_sequences",
    "plot_model",
    "register_keras_serializable",
    "save_img",
    "serialize_keras_object",
    "set_random_seed",
    "split_dataset",
    "standardize_dtype",
    "text_dataset_from_directory",
    "timeseries_dataset_from_array",
    "to_categorical",
    "unpack_x_y_sample_weight",
    "version",
]

if TYPE_CHECKING:
    from pyseq.callbacks.progbar import Progbar as Progbar
    from pyseq.config import (
        disable_interactive_logging as disable_interactive_logging,
        enable_interactive_logging as enable_interactive_logging,
        is_interactive_logging_enabled as is_interactive_logging_enabled,
    )
    from pyseq.dtypes import standardize_dtype as standardize_dtype
    from pyseq.layers.keras_tensor import is_keras_tensor as is_keras_tensor
    from pyseq.saving import (
        CustomObjectScope as CustomObjectScope,
        custom_object_scope as custom_object_scope,
        deserialize_keras_object as deserialize_keras_object,
        get_custom_objects as get_custom_objects,
        get_registered_name as get_registered_name,
        get_registered_object as get_registered_object,
        register_keras_serializable as register_keras_serializable,
        serialize_keras_object as serialize_keras_object,
    )
    from pyseq.utils import bounding_boxes as bounding_boxes
    from pyseq.utils.arrays import (
        normalize as normalize,
        pad_sequences as pad_sequences,
        to_categorical as to_categorical,
    )
    from pyseq.utils.config import Config as Config
    from pyseq.utils.datasets import (
        PyDataset as PyDataset,
        Sequence as Sequence,
        pack_x_y_sample_weight as pack_x_y_sample_weight,
        timeseries_dataset_from_array as timeseries_dataset_from_array,
        unpack_x_y_sample_weight as unpack_x_y_sample_weight,
    )
    from pyseq.utils.directories import (
        audio_dataset_from_directory as audio_dataset_from_directory,
        image_dataset_from_directory as image_dataset_from_directory,
        text_dataset_from_directory as text_dataset_from_directory,
    )
    from pyseq.utils.feature_space import FeatureSpace as FeatureSpace
    from pyseq.utils.files import get_file as get_file
    from pyseq.utils.graphs import (
        model_to_dot as model_to_dot,
        model_to_text as model_to_text,
        plot_model as plot_model,
    )
    from pyseq.utils.images import (
        array_to_img as array_to_img,
        img_to_array as img_to_array,
        load_img as load_img,
        save_img as save_img,
    )
    from pyseq.utils.seed import set_random_seed as set_random_seed
    from pyseq.utils.session import clear_session as clear_session, version as version
    from pyseq.utils.splitting import split_dataset as split_dataset


if not TYPE_CHECKING:  # checkers know the names from imports

    def __getattr__(name):
        if name in _NAMESPACES:
            return importlib.import_module(f"pyseq.utils.{name}")
        if name not in _HOMES:
            raise AttributeError(f"module 'pyseq.utils' has no attribute {name!r}")
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
