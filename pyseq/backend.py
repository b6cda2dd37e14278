"""Dtype helpers and global names, with the names of `keras.backend`."""

from __future__ import annotations

from pyseq.config import (  # noqa: F401  (re-exported under keras.backend's names)
    backend,
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from pyseq.dtypes import (  # noqa: F401
    DTYPES,
    FLOAT_DTYPES,
    INT_DTYPES,
    compute_dtype,
    is_float_dtype,
    is_int_dtype,
    result_type,
    standardize_dtype,
)
from pyseq.layers.keras_tensor import is_keras_tensor  # noqa: F401
from pyseq.naming import auto_name, get_uid, reset_uids  # noqa: F401
from pyseq.utils.session import clear_session  # noqa: F401


def __getattr__(name):
    if not name.startswith("_"):
        from pyseq.compat import backend as old  # only scripts of Keras 2 need it

        if (found := getattr(old, name, None)) is not None:
            return found
    raise AttributeError(f"module 'pyseq.backend' has no attribute {name!r}")
