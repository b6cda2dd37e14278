"""Dtype helpers and global names, with the names of `keras.backend`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyseq.config import (
    backend,
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from pyseq.dtypes import (
    DTYPES,
    FLOAT_DTYPES,
    INT_DTYPES,
    compute_dtype,
    is_float_dtype,
    is_int_dtype,
    result_type,
    standardize_dtype,
)
from pyseq.layers.keras_tensor import is_keras_tensor
from pyseq.naming import auto_name, get_uid, reset_uids
from pyseq.utils.session import clear_session

__all__ = [
    "DTYPES",
    "FLOAT_DTYPES",
    "INT_DTYPES",
    "auto_name",
    "backend",
    "clear_session",
    "compute_dtype",
    "epsilon",
    "floatx",
    "get_uid",
    "image_data_format",
    "is_float_dtype",
    "is_int_dtype",
    "is_keras_tensor",
    "reset_uids",
    "result_type",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "standardize_dtype",
]


if not TYPE_CHECKING:  # checkers know the names from imports

    def __getattr__(name):
        if not name.startswith("_"):
            from pyseq.compat import backend as old  # only scripts of Keras 2 need it

            if (found := getattr(old, name, None)) is not None:
                return found
        raise AttributeError(f"module 'pyseq.backend' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
