"""Settings of the process as plain data. `pyseq.config` is their public face.

Code reads them as `settings.floatx`; `change` writes them and tells those who subscribed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyseq.types import DataFormat

DATA_FORMATS = ("channels_first", "channels_last")

floatx = "float32"
epsilon = 1e-7
image_data_format = "channels_last"
dtype_policy = None  # a `DTypePolicy`, or None: it follows `floatx`
interactive_logging = True
traceback_filtering = True
fusion = os.environ.get("PYSEQ_FUSION", "1") != "0"  # whether ops are put together
compat_notices = os.environ.get("PYSEQ_COMPAT_NOTICES", "1") != "0"  # of old spellings
group = None  # the processes that train together, see `pyseq.distribution`; None: this one alone
device = os.environ.get("PYSEQ_DEVICE") or "cpu"
# Codes of checks, or how they begin, whose warnings nobody wants.
silenced = tuple(os.environ.get("PYSEQ_SILENCE", "").replace(",", " ").split())


def is_first_process():
    """Whether this process writes files and shows progress, of those that train together."""
    return group is None or group.rank == 0


def _cap_from_environment(variable):
    text = os.environ.get(variable)
    if not text:
        return None
    try:
        value = int(text)
    except ValueError as error:
        raise ValueError(f"{variable}: expected a positive integer, got {text!r}") from error
    return checked_cap(value, variable)


def checked_cap(value, where):
    """Return `value` if it is None or an integer >= 1, else raise an error that names `where`."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{where}: expected a positive integer or None, got {value!r}")
    if value < 1:
        raise ValueError(f"{where}: expected a positive integer or None, got {value}")
    return value


# Caps for debugging, or None.
max_epochs = _cap_from_environment("KERAS_MAX_EPOCHS")
max_steps_per_epoch = _cap_from_environment("KERAS_MAX_STEPS_PER_EPOCH")

_subscribers = {}


def subscribe(name, function):
    """Have `function()` called after each change of the setting `name`."""
    _subscribers.setdefault(name, []).append(function)


def change(name, value):
    """Set the setting `name`, which has been checked, and tell its subscribers."""
    globals()[name] = value
    for function in _subscribers.get(name, ()):
        function()


def standardize_data_format(data_format: DataFormat, where: str = "data_format") -> Any:
    """Return a valid data format; None stands for the default one.

    >>> standardize_data_format("Channels_First")
    'channels_first'
    """
    if data_format is None:
        return image_data_format
    lowered = str(data_format).lower()
    if lowered not in DATA_FORMATS:
        raise ValueError(
            f"{where}: expected one of {DATA_FORMATS}, got {data_format!r}; pass one of these names"
        )
    return lowered
