"""Images to and from arrays, through Pillow, which is imported when it is used."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, settings
from pyseq.ops.image import resizing

if TYPE_CHECKING:
    from pyseq.types import Array, DataFormat, DTypeLike, Tensor

COLOR_MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}
_GRAY_MODES = ("L", "I;16", "I")
_PILLOW_METHODS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")


def pillow(where):
    """Return `PIL.Image`, or raise an ImportError that says how to get it."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            f"{where}: expected the package Pillow, which is not installed; run pip install pillow"
        ) from error
    return Image


def _dtype(dtype):
    return dtypes.compute_dtype(settings.floatx if dtype is None else dtype)


def array_to_img(
    x: Tensor, data_format: DataFormat = None, scale: bool = True, dtype: DTypeLike = None
) -> Any:
    """Return a Pillow image of an array `(H, W, C)`, C = 1, 3 or 4.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
        scale: stretch the values to [0, 255].
        dtype: of the computation.
    """
    image = pillow("array_to_img")
    data_format = settings.standardize_data_format(data_format, "array_to_img")
    x = np.asarray(x, dtype=_dtype(dtype))
    if x.ndim != 3:
        raise ValueError(
            f"array_to_img: expected one image (H, W, C), got shape {x.shape}; pass one of a batch"
        )
    if data_format == "channels_first":
        x = x.transpose(1, 2, 0)
    if scale:
        x = x - x.min()
        largest = x.max()
        x = (x / largest if largest != 0 else x) * 255
    channels = x.shape[2]
    if channels in (3, 4):
        return image.fromarray(np.ascontiguousarray(x.astype(np.uint8)))
    if channels == 1:
        deep = x.max() > 255
        return image.fromarray(np.ascontiguousarray(x[:, :, 0].astype(np.int32 if deep else "u1")))
    raise ValueError(f"array_to_img: expected 1, 3 or 4 channels, got {channels}")


def img_to_array(img: Any, data_format: DataFormat = None, dtype: DTypeLike = None) -> Array:
    """Return a Pillow image as an array `(H, W, C)`, or `(C, H, W)` for channels_first.

    >>> img_to_array(np.zeros((2, 3))).shape
    (2, 3, 1)
    """
    data_format = settings.standardize_data_format(data_format, "img_to_array")
    x = np.array(img, dtype=_dtype(dtype))
    if x.ndim == 2:
        x = x[:, :, None]
    if x.ndim != 3:
        raise ValueError(f"img_to_array: expected an image, got shape {x.shape}")
    return x.transpose(2, 0, 1) if data_format == "channels_first" else x


def save_img(
    path: Any,
    x: Tensor,
    data_format: DataFormat = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Write an array `(H, W, C)` as an image file.

    Args:
        path: path or open file.
        file_format: name of the format; the ending of `path` when None.
        data_format, scale: as in `array_to_img`.
        kwargs: for Pillow's `save`.
    """
    if file_format is None and isinstance(path, (str, Path)):
        file_format = Path(path).suffix[1:].lower()
    if file_format and file_format.lower() == "jpg":
        file_format = "jpeg"
    img = array_to_img(x, data_format=data_format, scale=scale)
    if img.mode == "RGBA" and file_format == "jpeg":
        warnings.warn(
            "save_img: expected 1 or 3 channels for JPEG, got 4; the last one is dropped",
            stacklevel=2,
        )
        img = img.convert("RGB")
    img.save(path, format=file_format, **kwargs)


def load_img(
    path: Any,
    color_mode: str = "rgb",
    target_size: Any = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Any:
    """Return an image file as a Pillow image.

    Args:
        path: path, or `io.BytesIO`.
        color_mode: `"grayscale"`, `"rgb"` or `"rgba"`.
        target_size: `(height, width)` to resize to, or None.
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"`, `"hamming"`, `"box"`, `"lanczos"`.
        keep_aspect_ratio: cut to the shape of `target_size` first.

    Gray images of 16 and 32 bits stay so in mode `"grayscale"`; in the others Pillow cuts off what
    is above 255.

    Raises:
        PIL.UnidentifiedImageError: the file is no image, or only a part of one.
    """
    image = pillow("load_img")
    if not isinstance(path, (io.BytesIO, str, bytes, os.PathLike)):
        raise TypeError(f"load_img(path): expected a path or io.BytesIO, got {type(path).__name__}")
    img = to_color_mode(open_img(path, "load_img"), color_mode, "load_img")
    if target_size is None:
        return img
    size = (target_size[1], target_size[0])
    if img.size == size:
        return img
    if interpolation not in _PILLOW_METHODS:
        raise ValueError(
            f"load_img(interpolation): expected one of {_PILLOW_METHODS}, got {interpolation!r}"
        )
    method = getattr(image.Resampling, interpolation.upper())
    box = None
    if keep_aspect_ratio:
        width, height = img.size
        crop_height = min(height, (width * size[1]) // size[0])
        crop_width = min(width, (height * size[0]) // size[1])
        top, left = (height - crop_height) // 2, (width - crop_width) // 2
        box = (left, top, left + crop_width, top + crop_height)
    return img.resize(size, method, box=box)


def open_img(path, where):
    """Return the Pillow image of a file or `io.BytesIO`, decoded; errors name the file."""
    image = pillow(where)
    if isinstance(path, io.BytesIO):
        data = path
    else:
        with open(path, "rb") as file:
            data = io.BytesIO(file.read())
    try:
        img = image.open(data)
        img.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise image.UnidentifiedImageError(
            f"{where}: expected an image in {path}, got {error}; mend or remove the file"
        ) from error
    return img


def eight_bits(img):
    """Return a Pillow image with samples of 8 bits: of deeper integers the upper byte of 16.

    Pillow itself cuts everything above 255 off.
    """
    if not img.mode.startswith("I"):
        return img
    x = np.clip(np.asarray(img) >> 8, 0, 255).astype(np.uint8)
    return pillow("eight_bits").fromarray(x)


def to_color_mode(img, color_mode, where):
    """Return a Pillow image converted to `"grayscale"`, `"rgb"` or `"rgba"`."""
    if color_mode not in COLOR_MODES:
        raise ValueError(
            f"{where}(color_mode): expected one of {tuple(COLOR_MODES)}, got {color_mode!r}"
        )
    mode = COLOR_MODES[color_mode]
    keeps = img.mode in _GRAY_MODES if color_mode == "grayscale" else img.mode == mode
    if keeps:
        return img
    if img.mode == "P" and isinstance(img.info.get("transparency"), bytes):
        # Pillow warns where it drops the transparency of a palette at once.
        img = img.convert("RGBA")
    return img.convert(mode)


def _mitchell_cubic(x):
    """The cubic of Mitchell and Netravali (1988), b = c = 1/3."""
    x = np.abs(x)
    near = 7 * x**3 - 12 * x**2 + 16 / 3
    far = -7 / 3 * x**3 + 12 * x**2 - 20 * x + 32 / 3
    return np.where(x < 1, near, np.where(x < 2, far, 0)) / 6


_KERNELS = {
    **resizing.KERNELS,
    "gaussian": lambda x: np.where(np.abs(x) < 1.5, np.exp(-2 * x**2), 0),
    "mitchellcubic": _mitchell_cubic,
}
INTERPOLATIONS = ("nearest", "area", *_KERNELS)


def _area_weights(length, target):
    """Weights `(target, length)` of one axis: the share of each pixel that an area covers."""
    edges = np.arange(target + 1) * (length / target)
    pixels = np.arange(length)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights = np.maximum(overlap, 0)
    return weights / weights.sum(axis=1, keepdims=True)


def resize(x, size, interpolation="bilinear"):
    """Return images `(..., H, W, C)` resized to `size`, without antialiasing, as float32.

    >>> resize(np.array([[[0.0], [1.0]]]), (1, 4))[0, :, 0].tolist()
    [0.0, 0.25, 0.75, 1.0]
    """
    if interpolation not in INTERPOLATIONS:
        raise ValueError(
            f"resize(interpolation): expected one of {INTERPOLATIONS}, got {interpolation!r}"
        )
    x = np.asarray(x, dtype=np.float32)
    for axis, target in ((-3, size[0]), (-2, size[1])):
        length = x.shape[axis]
        if length == target:
            continue
        if interpolation == "nearest":
            x = np.take(x, resizing.nearest_indices(length, target), axis=axis)
        elif interpolation == "area":
            x = resizing.along_axis(x, _area_weights(length, target), axis)
        else:
            weights = resizing.kernel_weights(length, target, _KERNELS[interpolation])
            x = resizing.along_axis(x, weights, axis)
    return np.ascontiguousarray(x)


def pad_to_aspect(x, size):
    """Return `(..., H, W, C)` with black borders, in the aspect ratio of `size`."""
    height, width = x.shape[-3], x.shape[-2]
    padded_height = max(height, int(float(width * size[0]) / size[1]))
    padded_width = max(width, int(float(height * size[1]) / size[0]))
    top, left = int((padded_height - height) / 2), int((padded_width - width) / 2)
    widths = [(0, 0)] * (x.ndim - 3)
    widths += [
        (top, padded_height - height - top),
        (left, padded_width - width - left),
        (0, 0),
    ]
    return np.pad(x, widths)


def smart_resize(
    x: Tensor, size: Any, interpolation: str = "bilinear", data_format: DataFormat = "channels_last"
) -> Array:
    """Return images resized without distortion: cut to the aspect ratio of `size` first.

    Args:
        x: `(H, W, C)` or `(N, H, W, C)`; channels in front for channels_first.
        size: `(height, width)`.
        interpolation: `"bilinear"`, `"nearest"`, `"bicubic"`, `"lanczos3"`, `"lanczos5"`.

    >>> smart_resize(np.zeros((340, 500, 3)), (20, 20)).shape
    (20, 20, 3)
    """
    if len(size) != 2:
        raise ValueError(f"smart_resize(size): expected (height, width), got {size!r}")
    x = np.asarray(x)
    if x.ndim not in (3, 4):
        raise ValueError(
            f"smart_resize: expected images (H, W, C) or (N, H, W, C), got shape {x.shape}"
        )
    first = settings.standardize_data_format(data_format, "smart_resize") == "channels_first"
    if first:
        x = np.moveaxis(x, -3, -1)
    x = resize(resizing.aspect_crop(x, *size), size, interpolation)
    return np.moveaxis(x, -1, -3) if first else x
