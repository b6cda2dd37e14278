"""Borders and parts of images: padding, cropping, patches."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq.ops.image.layout import check_one_of, check_rank, integers, is_channels_first
from pyseq.ops.promotion import convert_to_tensor

if TYPE_CHECKING:
    from pyseq.types import DataFormat, Size, Tensor


def _solved(where, names, given, length, sign):
    """(before, behind, target) of one axis, of which one is None.

    They obey target = length + sign (before + behind).
    """
    if sum(v is None for v in given) != 1:
        raise ValueError(f"{where}: expected exactly two of {names}, got {tuple(given)}")
    try:
        given = [None if v is None else operator.index(v) for v in given]
    except TypeError:
        raise TypeError(f"{where}: expected integers for {names}, got {tuple(given)}") from None
    _check_not_negative(where, names, given)
    if length is None:
        raise ValueError(
            f"{where}: expected images of known height and width, got an unknown one; give sizes"
        )
    before, behind, target = given
    if target is None:
        target = length + sign * (before + behind)
    elif before is None:
        before = sign * (target - length) - behind
    else:
        behind = sign * (target - length) - before
    solved = before, behind, target
    _check_not_negative(where, names, solved, f" for a length of {length}")
    return solved


def _check_not_negative(where, names, values, more=""):
    for name, value in zip(names, values, strict=True):
        if value is not None and value < 0:
            raise ValueError(f"{where}({name}): expected a number >= 0, got {value}{more}")


def _frame(where, kind, images, ends, targets, data_format, sign):
    """The array, and (before, behind) for each of its axes."""
    top, left, bottom, right = ends
    first = is_channels_first(where, data_format)
    shape = images.shape if hasattr(images, "shape") else np.shape(images)
    check_rank(where, shape)
    height, width = shape[-2:] if first else shape[-3:-1]
    sides = []
    for ends, target, names, length in (
        ((top, bottom), targets[0], ("top", "bottom", "height"), height),
        ((left, right), targets[1], ("left", "right", "width"), width),
    ):
        names = (f"{names[0]}_{kind}", f"{names[1]}_{kind}", f"target_{names[2]}")
        sides.append(_solved(where, names, (*ends, target), length, sign)[:2])
    channels = [(0, 0)]
    sides = channels + sides if first else sides + channels
    return convert_to_tensor(images), [(0, 0)] * (len(shape) - 3) + sides


def pad_images(
    images: Tensor,
    top_padding: Any = None,
    left_padding: Any = None,
    bottom_padding: Any = None,
    right_padding: Any = None,
    target_height: Any = None,
    target_width: Any = None,
    data_format: DataFormat = None,
) -> Tensor:
    """Return images with zeros around them.

    Args:
        images: `(height, width, channels)` or `(n, height, width, channels)`.
        top_padding, bottom_padding, target_height: two of them, integers >= 0.
        left_padding, right_padding, target_width: two of them, integers >= 0.
        data_format: `"channels_last"` or `"channels_first"`; None for the default.

    >>> pad_images(np.ones((2, 2, 1)), 1, 0, target_height=4, target_width=3).shape
    (4, 3, 1)
    """
    ends = top_padding, left_padding, bottom_padding, right_padding
    targets = target_height, target_width
    x, widths = _frame("pad_images", "padding", images, ends, targets, data_format, 1)
    return np.pad(x, widths)


def crop_images(
    images: Tensor,
    top_cropping: Any = None,
    left_cropping: Any = None,
    bottom_cropping: Any = None,
    right_cropping: Any = None,
    target_height: Any = None,
    target_width: Any = None,
    data_format: DataFormat = None,
) -> Tensor:
    """Return a part of images.

    Args:
        images: `(height, width, channels)` or `(n, height, width, channels)`.
        top_cropping, bottom_cropping, target_height: two of them, integers >= 0.
        left_cropping, right_cropping, target_width: two of them, integers >= 0.
        data_format: `"channels_last"` or `"channels_first"`; None for the default.

    >>> crop_images(np.ones((4, 4, 1)), 1, 0, target_height=2, target_width=3).shape
    (2, 3, 1)
    """
    ends = top_cropping, left_cropping, bottom_cropping, right_cropping
    targets = target_height, target_width
    x, widths = _frame("crop_images", "cropping", images, ends, targets, data_format, -1)
    keys = [
        slice(None) if (begin, end) == (0, 0) else slice(begin, size - end)
        for (begin, end), size in zip(widths, x.shape, strict=True)
    ]
    return x[tuple(keys)]


def _patches(where, x, size, strides, dilation_rate, padding, data_format):
    rank = len(size)
    size = integers(where, "size", size, rank)
    strides = integers(where, "strides", strides or size, rank)
    rates = integers(where, "dilation_rate", dilation_rate, rank)
    check_one_of(where, "padding", str(padding).lower(), ("valid", "same"))
    same = str(padding).lower() == "same"
    first = is_channels_first(where, data_format)
    x = convert_to_tensor(x)
    lead = x.ndim - rank - 1
    if lead not in (0, 1):
        raise ValueError(
            f"{where}: expected an array of rank {rank + 1} or {rank + 2} for patches of {size}, "
            f"got shape {x.shape}"
        )
    x = np.moveaxis(x, -rank - 1, -1) if first else x
    widths, indices = [(0, 0)] * x.ndim, []
    for axis, k, stride, rate in zip(range(lead, lead + rank), size, strides, rates):
        length, reach = x.shape[axis], rate * (k - 1) + 1
        if same:
            count = -(-length // stride)
            missing = max((count - 1) * stride + reach - length, 0)
            widths[axis] = (missing // 2, missing - missing // 2)
        else:
            count = (length - reach) // stride + 1
        if count < 1:
            raise ValueError(
                f"{where}: expected patches that fit, got {size} with dilation_rate {rates} for "
                f"shape {x.shape}"
            )
        indices.append(stride * np.arange(count)[:, None] + rate * np.arange(k))
    if any(map(any, widths)):
        x = np.pad(x, widths)
    # From behind, so that the axes in front keep their places.
    for axis in reversed(range(rank)):
        x = np.take(x, indices[axis], axis=lead + axis)
    counts = range(lead, lead + 2 * rank, 2)
    offsets = range(lead + 1, lead + 2 * rank, 2)
    x = np.transpose(x, (*range(lead), *counts, *offsets, lead + 2 * rank))
    front = x.shape[: lead + rank]
    x = np.reshape(x, (*front, int(np.prod(x.shape[lead + rank :]))))
    return np.moveaxis(x, -1, -rank - 1) if first else x


def extract_patches(
    images: Tensor,
    size: Any,
    strides: Any = None,
    dilation_rate: Size = 1,
    padding: str = "valid",
    data_format: DataFormat = None,
) -> Tensor:
    """Return the patches of images, each as a row of numbers in the place of the channels.

    Args:
        images: `(height, width, channels)` or `(n, height, width, channels)`; volumes
            `(depth, height, width, channels)` or batches of them for a `size` of three.
        size: size of the patches, an integer or two; three for volumes.
        strides: steps between them, an integer or one for each axis; `size` when None.
        dilation_rate: steps between the pixels of a patch.
        padding: `"valid"`, or `"same"` for zeros around the images.
        data_format: `"channels_last"` or `"channels_first"`; None for the default.

    Output `(..., rows, columns, size[0] * size[1] * channels)`.

    >>> extract_patches(np.zeros((2, 20, 20, 3)), (5, 5)).shape
    (2, 4, 4, 75)
    """
    if not isinstance(size, int):
        if not isinstance(size, (tuple, list)):
            raise TypeError(
                f"extract_patches(size): expected an integer or a tuple, got {size!r}"
            )
        if len(size) not in (2, 3):
            raise ValueError(
                f"extract_patches(size): expected an integer, two or three, got {size!r}"
            )
        if len(size) == 3:
            return extract_patches_3d(images, size, strides, dilation_rate, padding, data_format)
    size = (size, size) if isinstance(size, int) else tuple(size)
    return _patches("extract_patches", images, size, strides, dilation_rate, padding, data_format)


def extract_patches_3d(
    volumes: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Size = 1,
    padding: str = "valid",
    data_format: DataFormat = None,
) -> Tensor:
    """Return the patches of volumes, each as a row of numbers in the place of the channels.

    Args:
        volumes: `(depth, height, width, channels)` or `(n, depth, height, width, channels)`.
        size: size of the patches, an integer or three.
        strides: steps between them, an integer or three; `size` when None.
        dilation_rate: steps between the elements of a patch.
        padding: `"valid"`, or `"same"` for zeros around the volumes.
        data_format: `"channels_last"` or `"channels_first"`; None for the default.

    >>> extract_patches_3d(np.zeros((1, 4, 6, 8, 2)), 2).shape
    (1, 2, 3, 4, 16)
    """
    if isinstance(size, int):
        size = (size,) * 3
    if not isinstance(size, (tuple, list)) or len(size) != 3:
        raise TypeError(f"extract_patches_3d(size): expected an integer or three, got {size!r}")
    return _patches(
        "extract_patches_3d", volumes, tuple(size), strides, dilation_rate, padding, data_format
    )
