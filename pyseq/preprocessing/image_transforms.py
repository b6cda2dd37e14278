"""Transformations of one image: of its colours, and random ones that draw from `numpy.random`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, settings
from pyseq.preprocessing.affine import apply_affine_transform

if TYPE_CHECKING:
    from pyseq.types import Array, Axis, Tensor


def flip_axis(x: Tensor, axis: Axis) -> Array:
    """Return x with the order along one axis reversed.

    >>> flip_axis(np.array([[1, 2]]), 1).tolist()
    [[2, 1]]
    """
    return np.flip(np.asarray(x), axis)


def apply_channel_shift(x: Tensor, intensity: Any, channel_axis: Any = 0) -> Array:
    """Return `x + intensity`, cut off to the smallest and largest value of x.

    Args:
        x: one image.
        channel_axis: axis of the channels, which all get the same shift.

    >>> apply_channel_shift(np.array([[[0.0, 1.0, 3.0]]]), 1.0).tolist()
    [[[1.0, 2.0, 3.0]]]
    """
    x = np.asarray(x)
    if x.ndim != 3 or not -3 <= channel_axis < 3:
        raise ValueError(
            f"apply_channel_shift: expected one image with channels on axis {channel_axis}, got "
            f"shape {x.shape}"
        )
    return np.clip(x + intensity, x.min(), x.max()) if x.size else x


def apply_brightness_shift(x: Tensor, brightness: Any, scale: bool = True) -> Array:
    """Return an image times `brightness`, with whole values in [0, 255].

    Args:
        x: `(H, W, C)` with C = 1, 3 or 4; the fourth channel is kept as it is.
        brightness: 0 for black, 1 for no change.
        scale: stretch the values of x to [0, 255] first. Else this is done only for values outside
            of [0, 255], and undone afterwards.

    >>> apply_brightness_shift(np.array([[[0.0], [100.0], [200.0]]]), 0.5, scale=False).ravel()
    array([  0.,  50., 100.], dtype=float32)
    """
    return brighten(x, brightness, scale, settings.image_data_format)


def brighten(x, brightness, scale, data_format):
    """`apply_brightness_shift` for a given data format."""
    where = "apply_brightness_shift"
    given = np.asarray(x)
    x = given.astype(dtypes.compute_dtype(settings.floatx))
    channels = 0 if data_format == "channels_first" else -1
    if x.ndim != 3 or x.shape[channels] not in (1, 3, 4):
        raise ValueError(
            f"{where}: expected one {data_format} image with 1, 3 or 4 channels, got shape "
            f"{x.shape}"
        )
    if not x.size:
        return x
    low, high = given.min(), given.max()
    outside = bool(low < 0 or high > 255)
    pixels = x
    if scale or outside:
        pixels = x - x.min()
        largest = pixels.max()
        pixels = (pixels / largest if largest != 0 else pixels) * 255
    # Single precision and whole values, as Pillow computes them.
    pixels = np.trunc(pixels).astype(np.float32)
    y = np.clip(np.trunc(np.float32(brightness) * pixels), 0, 255).astype(x.dtype)
    if x.shape[channels] == 4:
        alpha = (3,) if data_format == "channels_first" else (..., 3)
        y[alpha] = pixels[alpha]
    if outside and not scale:
        y = y / 255 * (high - low) + low
    return y


def _pair(values, where, argument):
    if not isinstance(values, (tuple, list, np.ndarray)) or len(values) != 2:
        raise ValueError(f"{where}({argument}): expected two numbers, got {values!r}")
    return values


def random_rotation(
    x: Tensor,
    rg: Any,
    row_axis: Any = 1,
    col_axis: Any = 2,
    channel_axis: Any = 0,
    fill_mode: str = "nearest",
    cval: Any = 0.0,
    interpolation_order: Any = 1,
) -> Array:
    """Return an image that is rotated by up to `rg` degrees either way.

    The other arguments are those of `apply_affine_transform`.

    >>> random_rotation(np.ones((3, 4, 4)), 20).shape
    (3, 4, 4)
    """
    theta = np.random.uniform(-rg, rg)
    return apply_affine_transform(
        x,
        theta=theta,
        row_axis=row_axis,
        col_axis=col_axis,
        channel_axis=channel_axis,
        fill_mode=fill_mode,
        cval=cval,
        order=interpolation_order,
    )


def random_shift(
    x: Tensor,
    wrg: Any,
    hrg: Any,
    row_axis: Any = 1,
    col_axis: Any = 2,
    channel_axis: Any = 0,
    fill_mode: str = "nearest",
    cval: Any = 0.0,
    interpolation_order: Any = 1,
) -> Array:
    """Return an image that is shifted by up to a share of its size, either way.

    Args:
        wrg, hrg: `ty` is up to `wrg` times the width, `tx` up to `hrg` times the height.

    The other arguments are those of `apply_affine_transform`.

    >>> random_shift(np.ones((3, 4, 4)), 0.1, 0.1).shape
    (3, 4, 4)
    """
    x = np.asarray(x)
    tx = np.random.uniform(-hrg, hrg) * x.shape[row_axis]
    ty = np.random.uniform(-wrg, wrg) * x.shape[col_axis]
    return apply_affine_transform(
        x,
        tx=tx,
        ty=ty,
        row_axis=row_axis,
        col_axis=col_axis,
        channel_axis=channel_axis,
        fill_mode=fill_mode,
        cval=cval,
        order=interpolation_order,
    )


def random_shear(
    x: Tensor,
    intensity: Any,
    row_axis: Any = 1,
    col_axis: Any = 2,
    channel_axis: Any = 0,
    fill_mode: str = "nearest",
    cval: Any = 0.0,
    interpolation_order: Any = 1,
) -> Array:
    """Return an image that is sheared by up to `intensity` degrees either way.

    The other arguments are those of `apply_affine_transform`.

    >>> random_shear(np.ones((3, 4, 4)), 20).shape
    (3, 4, 4)
    """
    shear = np.random.uniform(-intensity, intensity)
    return apply_affine_transform(
        x,
        shear=shear,
        row_axis=row_axis,
        col_axis=col_axis,
        channel_axis=channel_axis,
        fill_mode=fill_mode,
        cval=cval,
        order=interpolation_order,
    )


def random_zoom(
    x: Tensor,
    zoom_range: Any,
    row_axis: Any = 1,
    col_axis: Any = 2,
    channel_axis: Any = 0,
    fill_mode: str = "nearest",
    cval: Any = 0.0,
    interpolation_order: Any = 1,
) -> Array:
    """Return an image whose rows and columns are zoomed, each by a factor within `zoom_range`.

    The other arguments are those of `apply_affine_transform`.

    >>> random_zoom(np.ones((3, 4, 4)), (0.8, 1.2)).shape
    (3, 4, 4)
    """
    low, high = _pair(zoom_range, "random_zoom", "zoom_range")
    zx, zy = (1, 1) if low == high == 1 else np.random.uniform(low, high, 2)
    return apply_affine_transform(
        x,
        zx=zx,
        zy=zy,
        row_axis=row_axis,
        col_axis=col_axis,
        channel_axis=channel_axis,
        fill_mode=fill_mode,
        cval=cval,
        order=interpolation_order,
    )


def random_channel_shift(x: Tensor, intensity_range: Any, channel_axis: Any = 0) -> Array:
    """Return an image with all channels shifted by up to `intensity_range`, up or down.

    >>> random_channel_shift(np.ones((3, 4, 4)), 0.1).shape
    (3, 4, 4)
    """
    intensity = np.random.uniform(-intensity_range, intensity_range)
    return apply_channel_shift(x, intensity, channel_axis=channel_axis)


def random_brightness(x: Tensor, brightness_range: Any, scale: bool = True) -> Array:
    """Return an image times a factor within `brightness_range`; see `apply_brightness_shift`.

    >>> random_brightness(np.ones((4, 4, 3)), (0.5, 1.5)).shape
    (4, 4, 3)
    """
    low, high = _pair(brightness_range, "random_brightness", "brightness_range")
    return apply_brightness_shift(x, np.random.uniform(low, high), scale)
