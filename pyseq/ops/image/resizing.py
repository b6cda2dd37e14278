"""Images of another size: resizing, scaling and shifting along axes."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, hooks, symbolic
from pyseq.ops.image.layout import (
    as_floats,
    channels_back,
    channels_last,
    check_one_of,
    check_rank,
    integers,
    is_channels_first,
    saturated,
)
from pyseq.ops.promotion import convert_to_tensor, fractional, operation

if TYPE_CHECKING:
    from pyseq.types import DataFormat, Tensor


def triangle(x):
    """1 - |x|, and 0 beyond 1."""
    return np.maximum(0, 1 - np.abs(x))


def keys_cubic(x):
    """Keys' cubic kernel with a = -1/2 (Keys 1981)."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x >= 2, 0, np.where(x >= 1, far, near))


def lanczos(radius, x):
    """sinc(x) sinc(x / radius), and 0 beyond the radius."""
    return np.where(np.abs(x) < radius, np.sinc(x) * np.sinc(x / radius), 0)


KERNELS = {
    "bilinear": triangle,
    "bicubic": keys_cubic,
    "lanczos3": functools.partial(lanczos, 3.0),
    "lanczos5": functools.partial(lanczos, 5.0),
}
INTERPOLATIONS = ("nearest", *KERNELS)
_METHODS = {
    **dict.fromkeys(("linear", "bilinear", "trilinear"), triangle),
    **dict.fromkeys(("cubic", "bicubic", "tricubic"), keys_cubic),
    "lanczos3": KERNELS["lanczos3"],
    "lanczos5": KERNELS["lanczos5"],
}


def kernel_weights(length, target, kernel, antialias=False):
    """Weights `(target, length)` of one axis; pixel centres lie at halves."""
    stretch = max(length / target, 1.0) if antialias else 1.0
    centres = (np.arange(target) + 0.5) * length / target - 0.5
    weights = kernel((centres[:, None] - np.arange(length)) / stretch)
    total = weights.sum(axis=1, keepdims=True)
    return weights / np.where(total == 0, 1, total)


def nearest_indices(length, target):
    """The pixel of an axis that each of `target` pixels takes."""
    return np.floor((np.arange(target) + 0.5) * length / target).astype("int64")


def along_axis(x, weights, axis):
    """The array with weights `(target, length)` applied along one axis."""
    return np.moveaxis(np.tensordot(x, weights.astype(x.dtype), axes=(axis, 1)), -1, axis)


def resized(x, height, width, interpolation, antialias=False):
    """Images of floats `(..., h, w, c)` in another size."""
    if symbolic.is_traced(x):
        return hooks.ask("resize", x, (height, width), interpolation, antialias)
    for axis, target in ((-3, height), (-2, width)):
        length = x.shape[axis]
        if length == target:
            continue
        if interpolation == "nearest":
            x = np.take(x, nearest_indices(length, target), axis=axis)
        else:
            weights = kernel_weights(length, target, KERNELS[interpolation], antialias)
            x = along_axis(x, weights, axis)
    return np.ascontiguousarray(x)


def aspect_crop_box(h, w, height, width):
    """(top, left, height, width) of the largest centred part of h x w with a target's ratio."""
    crop_h = max(min(h, int(w * height / width)), 1)
    crop_w = max(min(w, int(h * width / height)), 1)
    return (h - crop_h) // 2, (w - crop_w) // 2, crop_h, crop_w


def aspect_borders(h, w, height, width):
    """Rows above and below, and columns left and right, that give h x w the ratio of a target."""
    return (
        (max(h, int(w * height / width)) - h) // 2,
        (max(w, int(h * width / height)) - w) // 2,
    )


def aspect_crop(x, height, width):
    """The largest centred part of images `(..., h, w, c)` with the ratio height : width."""
    top, left, crop_h, crop_w = aspect_crop_box(*x.shape[-3:-1], height, width)
    return x[..., top : top + crop_h, left : left + crop_w, :]


def aspect_pad(x, height, width, fill_value):
    """Images `(..., h, w, c)` with a border that gives them the ratio height : width."""
    top, left = aspect_borders(*x.shape[-3:-1], height, width)
    if not top and not left:
        return x
    widths = [(0, 0)] * (x.ndim - 3) + [(top, top), (left, left), (0, 0)]
    return np.pad(x, widths, constant_values=fill_value)


@operation()
def resize(
    images: Tensor,
    size: Any,
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: Any = 0.0,
    data_format: DataFormat = None,
) -> Tensor:
    """Return images resized to `size`.

    Args:
        images: `(height, width, channels)` or `(n, height, width, channels)`.
        size: `(height, width)`, integers of at least 1.
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"` (Keys 1981, a = -1/2), `"lanczos3"`
            or `"lanczos5"`; pixel centres lie at halves, weights at the border sum to 1.
        antialias: blur when shrinking.
        crop_to_aspect_ratio: cut the images to the ratio of `size` first.
        pad_to_aspect_ratio: pad them to it first, with `fill_value`.
        fill_mode: `"constant"`.
        data_format: `"channels_last"` or `"channels_first"`; None for the default.

    Integers are rounded and limited to their dtype.

    >>> resize(np.array([[[0.0], [1.0]]]), (1, 4))[0, :, 0].tolist()
    [0.0, 0.25, 0.75, 1.0]
    """
    where = "resize"
    if len(size) != 2 or size[0] <= 0 or size[1] <= 0:
        raise ValueError(
            f"{where}(size): expected (height, width), each at least 1, got {size!r}"
        )
    height, width = integers(where, "size", size, 2)
    check_rank(where, images.shape)
    if pad_to_aspect_ratio and crop_to_aspect_ratio:
        raise ValueError(
            f"{where}: expected one of crop_to_aspect_ratio and pad_to_aspect_ratio, got both"
        )
    check_one_of(where, "interpolation", interpolation, INTERPOLATIONS)
    check_one_of(where, "fill_mode", fill_mode, ("constant",))
    first = is_channels_first(where, data_format)
    x = channels_last(images, first)
    if 0 in x.shape[-3:-1]:
        raise ValueError(
            f"{where}: expected images of at least one pixel, got shape {images.shape}"
        )
    x = x if interpolation == "nearest" and not pad_to_aspect_ratio else as_floats(x)
    if crop_to_aspect_ratio:
        x = aspect_crop(x, height, width)
    elif pad_to_aspect_ratio:
        x = aspect_pad(x, height, width, fill_value)
    x = channels_back(resized(x, height, width, interpolation, antialias), first)
    return x if x.dtype == images.dtype else saturated(x, images.dtype)


def _shifted_weights(length, target, scale, translation, kernel, antialias):
    """Weights `(target, length)` of pixels at (o + 1/2 - translation) / scale - 1/2."""
    kind = scale.dtype
    inverse = 1 / scale
    stretch = np.maximum(inverse, 1) if antialias else kind.type(1)
    at = (np.arange(target, dtype=kind) + kind.type(0.5)) * inverse
    at = at - translation * inverse - kind.type(0.5)
    weights = kernel((at[:, None] - np.arange(length, dtype=kind)) / stretch)
    total = weights.sum(axis=1, keepdims=True)
    usable = np.abs(total) > 1000 * np.finfo(np.float32).eps
    inside = (at >= -0.5) & (at <= length - 0.5)
    return np.where(usable & inside[:, None], weights / np.where(usable, total, 1), 0)


@operation()
def scale_and_translate(
    images: Tensor,
    output_shape: Any,
    scale: Any,
    translation: Any,
    spatial_dims: Any,
    method: str,
    antialias: bool = True,
) -> Tensor:
    """Return images scaled and shifted along some axes; what lies outside is 0.

    Args:
        images: array of any rank.
        output_shape: its shape afterwards.
        scale, translation: one number for each axis of `spatial_dims`: pixel i comes to
            (i + 1/2) scale + translation - 1/2.
        spatial_dims: the axes.
        method: `"linear"`, `"bilinear"`, `"trilinear"`, `"cubic"`, `"bicubic"`, `"tricubic"`,
            `"lanczos3"` or `"lanczos5"`.
        antialias: blur when shrinking.

    Integers are rounded and stay between the smallest and largest of `images`.

    >>> scale_and_translate(np.ones((2, 2)), (2, 4), [2.0], [0.0], (1,), "linear").shape
    (2, 4)
    """
    where = "scale_and_translate"
    check_one_of(where, "method", method, _METHODS)
    given = [np.atleast_1d(np.asarray(convert_to_tensor(v))) for v in (scale, translation)]
    kind = dtypes.compute_dtype(fractional(*(v.dtype.name for v in given)))
    scales, shifts = (v.astype(kind) for v in given)
    dims = [int(d) for d in spatial_dims]
    if len(output_shape) != images.ndim or not len(dims) == len(scales) == len(shifts):
        raise ValueError(
            f"{where}: expected output_shape of rank {images.ndim}, and a scale and a translation "
            f"for each of spatial_dims, got {tuple(output_shape)}, {scale!r}, {translation!r} and "
            f"{tuple(spatial_dims)}"
        )
    if not dims:
        return images
    x = as_floats(images)
    for d, s, t in zip(dims, scales, shifts, strict=True):
        if not -x.ndim <= d < x.ndim:
            raise ValueError(f"{where}(spatial_dims): expected axes of {images.shape}, got {dims}")
        d %= x.ndim
        size = int(output_shape[d])
        weights = _shifted_weights(x.shape[d], size, s, t, _METHODS[method], antialias)
        x = along_axis(x, weights, d)
    if images.dtype.kind in "iu" and images.size:
        x = np.clip(np.round(x), np.min(images), np.max(images)).astype(images.dtype)
    return x
