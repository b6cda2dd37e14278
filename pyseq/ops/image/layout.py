"""What functions on images share: ranks, data formats, choices by name, integers."""

from __future__ import annotations

import operator

import numpy as np

from pyseq import settings


def check_rank(where, shape):
    """Raise a ValueError unless `shape` is that of an image or of a batch of images."""
    if len(shape) not in (3, 4):
        raise ValueError(
            f"{where}: expected images (height, width, channels) or a batch of them, got shape "
            f"{tuple(shape)}"
        )


def check_one_of(where, name, value, known):
    """Raise a ValueError unless `value` is one of the known names."""
    if value not in known:
        raise ValueError(f"{where}({name}): expected one of {tuple(known)}, got {value!r}")


def is_channels_first(where, data_format):
    """True if the channels stand before the height; None is the default of the settings."""
    return settings.standardize_data_format(data_format, where) == "channels_first"


def channels_last(x, first):
    """Images with their channels at the end, where the channels of `x` may come `first`."""
    return np.moveaxis(x, -3, -1) if first else x


def channels_back(x, first):
    """What `channels_last` gave, in the order that it was given in."""
    return np.moveaxis(x, -1, -3) if first else x


def integers(where, name, value, count, least=1):
    """Return `count` integers from one integer or a sequence of them."""
    given = value if isinstance(value, (tuple, list, np.ndarray)) else (value,) * count
    try:
        given = [operator.index(v) for v in given]
    except TypeError:
        raise TypeError(
            f"{where}({name}): expected an integer or {count} integers, got {value!r}"
        ) from None
    if len(given) != count or min(given) < least:
        raise ValueError(
            f"{where}({name}): expected {count} integers of at least {least}, got {value!r}"
        )
    return tuple(given)


def is_float(x):
    """True for floats, bfloat16 among them, whose kind is not NumPy's."""
    return x.dtype.kind not in "iub"


def as_floats(x):
    """Integers and bools as `floatx()`; floats as they are."""
    return x if is_float(x) else x.astype(settings.floatx)


def saturated(x, dtype):
    """Return floats as `dtype`: for integers rounded and kept within its bounds."""
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        low, high = (float(v) for v in (np.iinfo(dtype).min, np.iinfo(dtype).max))
        if isinstance(x, (np.ndarray, np.generic)):
            x = x.astype("float64")
            # The largest integers of 64 bits have no float of their own: the next one is too large.
            high = high if int(high) <= np.iinfo(dtype).max else np.nextafter(high, 0)
        x = np.clip(np.round(x), low, high)
    return x.astype(dtype)
