"""Colors of images: gray, and hue, saturation and value."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from pyseq import dtypes
from pyseq.ops.image.layout import (
    as_floats,
    channels_back,
    channels_last,
    check_rank,
    is_channels_first,
)
from pyseq.ops.promotion import dtype_of, operation

if TYPE_CHECKING:
    from pyseq.types import DataFormat, Tensor

# Share of red, green and blue in the luma of ITU-R BT.601.
_LUMA = (0.2989, 0.5870, 0.1140)
# NumPy itself does not know this one.
_BFLOAT16_EPSILON = 2.0**-7


@operation()
def rgb_to_grayscale(images: Tensor, data_format: DataFormat = None) -> Tensor:
    """Return the luma of RGB images as images of one channel, which gray images keep.

    Args:
        images: `(height, width, 3)` or `(n, height, width, 3)`, or with 1 channel.
        data_format: `"channels_last"` or `"channels_first"`; None for the default.

    Integers are rounded towards 0.

    >>> rgb_to_grayscale(np.array([[[0, 255, 0]]], "uint8")).tolist()
    [[[149]]]
    """
    where = "rgb_to_grayscale"
    first = is_channels_first(where, data_format)
    check_rank(where, images.shape)
    x = channels_last(images, first)
    if x.shape[-1] not in (1, 3):
        raise ValueError(f"{where}: expected 1 or 3 channels, got images of shape {images.shape}")
    if x.shape[-1] == 1:
        return np.copy(images)
    x = as_floats(x)
    gray = sum(share * x[..., i] for i, share in enumerate(_LUMA))
    return channels_back(gray[..., None], first).astype(images.dtype)


def _epsilon(x):
    name = dtype_of(x)
    return _BFLOAT16_EPSILON if name == "bfloat16" else float(np.finfo(name).eps)


def _of_three_planes(function):
    """A function of three planes of floats and the epsilon of their dtype, as one of images."""
    where = function.__name__

    @functools.wraps(function, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
    def call(images: Tensor, data_format: DataFormat = None) -> Tensor:
        name = dtype_of(images)
        if name is not float and name not in dtypes.FLOAT_DTYPES:
            raise ValueError(
                f"{where}: expected images of floats, got {name}; convert and scale them first"
            )
        return converted(images, _epsilon(images), data_format)

    @operation()
    def converted(images, epsilon, data_format):
        first = is_channels_first(where, data_format)
        check_rank(where, images.shape)
        x = channels_last(images, first)
        if x.shape[-1] != 3:
            raise ValueError(f"{where}: expected 3 channels, got images of shape {images.shape}")
        planes = function(x[..., 0], x[..., 1], x[..., 2], epsilon)
        return channels_back(np.stack(planes, axis=-1), first)

    del call.__wrapped__
    return call


@_of_three_planes
def rgb_to_hsv(r, g, b, epsilon):
    """Return hue, saturation and value of RGB images, each in [0, 1] if the images are.

    Args:
        images: floats `(height, width, 3)` or `(n, height, width, 3)`.
        data_format: `"channels_last"` or `"channels_first"`; None for the default.

    >>> rgb_to_hsv(np.array([[[0.0, 0.5, 0.0]]], "float32")).round(3).tolist()
    [[[0.3330000042915344, 1.0, 0.5]]]
    """
    r, g, b = (np.where(np.abs(plane) < epsilon, 0.0, plane) for plane in (r, g, b))
    value = np.maximum(np.maximum(r, g), b)
    spread = value - np.minimum(np.minimum(r, g), b)
    saturation = np.where(value > 0, spread / np.where(value > 0, value, 1.0), 0.0)
    norm = 1.0 / (6.0 * np.where(spread > 0, spread, 1.0))
    hue = np.where(value == g, norm * (b - r) + 2 / 6, norm * (r - g) + 4 / 6)
    hue = np.where(value == r, norm * (g - b), hue)
    return np.where(spread > 0, hue, 0.0) + (hue < 0), saturation, value


@_of_three_planes
def hsv_to_rgb(hue, saturation, value, epsilon):
    """Return RGB images of hue, saturation and value: the inverse of `rgb_to_hsv`.

    Args:
        images: floats `(height, width, 3)` or `(n, height, width, 3)`.
        data_format: `"channels_last"` or `"channels_first"`; None for the default.

    >>> hsv_to_rgb(np.array([[[0.5, 1.0, 0.5]]], "float32")).tolist()
    [[[0.0, 0.5, 0.5]]]
    """
    high = np.mod(hue, 1.0) * 6.0
    r = np.clip(np.abs(high - 3.0) - 1.0, 0.0, 1.0)
    g = np.clip(2.0 - np.abs(high - 2.0), 0.0, 1.0)
    b = np.clip(2.0 - np.abs(high - 4.0), 0.0, 1.0)
    return tuple(value * (1.0 - saturation + saturation * plane) for plane in (r, g, b))
