"""Settings of the whole process, with the names of `keras.config`.

No file in the home directory is read or written. `KERAS_MAX_EPOCHS` and
`KERAS_MAX_STEPS_PER_EPOCH` give the starting values of the debugging caps.
"""

from __future__ import annotations

import math
import os

FLOATX_NAMES = ("float16", "bfloat16", "float32", "float64")
DATA_FORMATS = ("channels_first", "channels_last")
MATMUL_PRECISIONS = ("highest", "high", "medium")

_floatx = "float32"
_epsilon = 1e-7
_image_data_format = "channels_last"
_dtype_policy = None
_interactive_logging = True
_traceback_filtering = True


def backend():
    """Return `"pyseq"`.

    >>> backend()
    'pyseq'
    """
    return "pyseq"


def floatx():
    """Return the default float dtype as a string, `"float32"` unless changed.

    >>> floatx()
    'float32'
    """
    return _floatx


def set_floatx(value):
    """Set the default float dtype: `"float16"`, `"bfloat16"`, `"float32"` or `"float64"`.

    The two 16-bit names are kept for configs; arithmetic is then in float32.
    """
    global _floatx
    if value not in FLOATX_NAMES:
        raise ValueError(
            f"set_floatx: expected one of {FLOATX_NAMES}, got {value!r}; pass one of these names"
        )
    _floatx = str(value)


def epsilon():
    """Return the small number that keeps divisions and logarithms finite (1e-07)."""
    return _epsilon


def set_epsilon(value):
    """Set the small number that keeps divisions and logarithms finite; it must be >= 0."""
    global _epsilon
    value = float(value)
    if not (math.isfinite(value) and value >= 0.0):
        raise ValueError(
            f"set_epsilon: expected a finite number >= 0, got {value}; the default is 1e-07"
        )
    _epsilon = value


def image_data_format():
    """Return the default position of the channel axis, `"channels_last"` unless changed."""
    return _image_data_format


def set_image_data_format(data_format):
    """Set the default position of the channel axis: `"channels_last"` or `"channels_first"`."""
    global _image_data_format
    _image_data_format = standardize_data_format(data_format, "set_image_data_format")


def standardize_data_format(data_format, where="data_format"):
    """Return a valid data format; None stands for the default one.

    >>> standardize_data_format("Channels_First")
    'channels_first'
    """
    if data_format is None:
        return _image_data_format
    lowered = str(data_format).lower()
    if lowered not in DATA_FORMATS:
        raise ValueError(
            f"{where}: expected one of {DATA_FORMATS}, got {data_format!r}; pass one of these names"
        )
    return lowered


def dtype_policy():
    """Return the `DTypePolicy` that layers get when they are given none."""
    from pyseq.dtype_policies import DTypePolicy

    return DTypePolicy(_floatx) if _dtype_policy is None else _dtype_policy


def set_dtype_policy(policy):
    """Set the policy that layers get when they are given none.

    Args:
        policy: a `DTypePolicy`, its name, or its config.
    """
    global _dtype_policy
    from pyseq import dtype_policies

    if policy is None:
        raise TypeError(
            "set_dtype_policy: expected a DTypePolicy, its name or its config, got None; "
            "pass 'float32' for the default"
        )
    _dtype_policy = dtype_policies.get(policy)


def reset_dtype_policy():
    """Let the default policy follow `floatx()` again."""
    global _dtype_policy
    _dtype_policy = None


def enable_interactive_logging():
    """Show progress on standard output (the default)."""
    global _interactive_logging
    _interactive_logging = True


def disable_interactive_logging():
    """Send progress to the `logging` module instead of standard output."""
    global _interactive_logging
    _interactive_logging = False


def is_interactive_logging_enabled():
    """Return whether progress goes to standard output."""
    return _interactive_logging


def enable_traceback_filtering():
    """Record that tracebacks may be shortened; pyseq's own are short and shown in full."""
    global _traceback_filtering
    _traceback_filtering = True


def disable_traceback_filtering():
    """Record that tracebacks must not be shortened; pyseq's are shown in full either way."""
    global _traceback_filtering
    _traceback_filtering = False


def is_traceback_filtering_enabled():
    """Return the flag that `enable_traceback_filtering` sets."""
    return _traceback_filtering


def _cap(value, where):
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{where}: expected a positive integer or None, got {value!r}")
    if value < 1:
        raise ValueError(f"{where}: expected a positive integer or None, got {value}")
    return value


def _cap_from_environment(variable):
    text = os.environ.get(variable)
    if not text:
        return None
    try:
        value = int(text)
    except ValueError as error:
        raise ValueError(f"{variable}: expected a positive integer, got {text!r}") from error
    return _cap(value, variable)


_max_epochs = _cap_from_environment("KERAS_MAX_EPOCHS")
_max_steps_per_epoch = _cap_from_environment("KERAS_MAX_STEPS_PER_EPOCH")


def max_epochs():
    """Return the cap on the epochs of any `fit`, or None."""
    return _max_epochs


def set_max_epochs(value):
    """Cap the epochs of any `fit`, for debugging; None removes the cap."""
    global _max_epochs
    _max_epochs = _cap(value, "set_max_epochs")


def max_steps_per_epoch():
    """Return the cap on the steps of an epoch, or None."""
    return _max_steps_per_epoch


def set_max_steps_per_epoch(value):
    """Cap the steps of an epoch of `fit`, `evaluate` and `predict`; None removes the cap."""
    global _max_steps_per_epoch
    _max_steps_per_epoch = _cap(value, "set_max_steps_per_epoch")


def enable_unsafe_deserialization():
    """Refuse: pyseq has no mode in which a file runs code.

    Raises:
        ValueError: always.
    """
    raise ValueError(
        "enable_unsafe_deserialization: expected no unsafe loading, which pyseq does not have; "
        "register custom objects with pyseq.saving.register_keras_serializable() or pass "
        "custom_objects to the loader"
    )


_device = None


def current_device():
    """Return where models compute: `"cpu"`, `"cuda"` or `"cuda:1"`.

    The first value is that of the environment variable `PYSEQ_DEVICE`, else `"cpu"`.
    """
    return _device or os.environ.get("PYSEQ_DEVICE") or "cpu"


def set_device(name):
    """Choose where models compute from now on; their weights move by themselves.

    Args:
        name: `"cpu"`, `"cuda"` (the first GPU) or `"cuda:1"` (the second).

    Raises:
        ValueError: there is no such device; the message says what is missing.

    >>> set_device("cpu")
    """
    global _device
    from pyseq import _core, lowering

    _core.set_device(str(name))
    _device = str(name)
    lowering.touch()


def list_devices():
    """Return the devices that can be used, as a list of `(name, description)`.

    >>> list_devices()[0][0]
    'cpu'
    """
    from pyseq import _core

    return _core.list_devices()


class device:
    """Context manager: models compute on a device within, and where they did before after it.

    >>> with device("cpu"):
    ...     current_device()
    'cpu'
    """

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        self.before = current_device()
        set_device(self.name)
        return self

    def __exit__(self, *error):
        set_device(self.before)


def num_threads():
    """Return how many threads compute."""
    from pyseq import _core

    return _core.num_threads()


def set_num_threads(count):
    """Set how many threads compute. Results do not depend on the number.

    Args:
        count: integer >= 1.
    """
    if isinstance(count, bool) or not hasattr(count, "__index__"):
        raise TypeError(f"set_num_threads: expected an integer >= 1, got {count!r}")
    count = count.__index__()
    if count < 1:
        raise ValueError(f"set_num_threads: expected an integer >= 1, got {count}")
    from pyseq import _core

    _core.set_num_threads(count)


def float32_matmul_precision():
    """Return `"highest"`, `"high"` or `"medium"`."""
    from pyseq import _core

    return _core.matmul_precision()


def set_float32_matmul_precision(precision):
    """Set how exactly float32 matrix products are computed on CPUs with bfloat16 tiles and GPUs.

    Args:
        precision: `"highest"` (float32-accurate, three bfloat16 parts), `"high"` (two parts,
            error about 4e-6 of the largest value) or `"medium"` (plain bfloat16). On a GPU:
            float32, TF32, bfloat16.
    """
    if precision not in MATMUL_PRECISIONS:
        raise ValueError(
            f"set_float32_matmul_precision: expected one of {MATMUL_PRECISIONS}, "
            f"got {precision!r}; pass one of these names"
        )
    from pyseq import _core

    _core.set_matmul_precision(precision)
