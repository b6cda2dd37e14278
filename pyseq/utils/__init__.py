"""Tools around training, with the names of `keras.utils`. Each is imported when it is used."""

from __future__ import annotations

import importlib

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

__all__ = sorted((*_HOMES, *_NAMESPACES))


def __getattr__(name):
    if name in _NAMESPACES:
        return importlib.import_module(f"pyseq.utils.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'pyseq.utils' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})
