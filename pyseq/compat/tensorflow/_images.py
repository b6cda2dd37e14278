"""Functions of `tf.image` on arrays `(H, W, C)` or `(N, H, W, C)`."""

from __future__ import annotations

import numpy as np

from pyseq import ops, random, symbolic
from pyseq.compat.tensorflow._arrays import _given, _sizes, cast
from pyseq.compat.tensorflow._tensors import as_dtype
from pyseq.utils import images

_METHODS = ("bilinear", "bicubic", "lanczos3", "lanczos5", "nearest")


class ResizeMethod:
    """Names of the methods of `resize`."""

    AREA = "area"
    BICUBIC = "bicubic"
    BILINEAR = "bilinear"
    GAUSSIAN = "gaussian"
    LANCZOS3 = "lanczos3"
    LANCZOS5 = "lanczos5"
    MITCHELLCUBIC = "mitchellcubic"
    NEAREST_NEIGHBOR = "nearest"


def _images(image, where):
    x = _given(image)
    if x.ndim not in (3, 4):
        raise ValueError(
            f"tf.image.{where}: expected an image (H, W, C) or a batch of them, got the shape "
            f"{tuple(x.shape)}; add an axis by tf.expand_dims"
        )
    return x


def resize(
    images_, size, method="bilinear", preserve_aspect_ratio=False, antialias=False, name=None
):
    """Return images in another size, as float32; with the method `nearest` in their own dtype.

    Raises:
        ValueError: `antialias` is asked for with a method that cannot have it.
    """
    x = _images(images_, "resize")
    height, width = _sizes(size)
    if preserve_aspect_ratio:
        scale = min(height / x.shape[-3], width / x.shape[-2])
        height, width = (max(1, round(n * scale)) for n in x.shape[-3:-1])
    if method in _METHODS:
        x = x if method == "nearest" else cast(x, "float32")
        return ops.image.resize(x, (height, width), method, antialias, data_format="channels_last")
    if antialias or symbolic.is_traced(x):
        raise ValueError(
            f"tf.image.resize: expected one of {_METHODS} with antialias, or in a layer, got "
            f"{method!r}"
        )
    return images.resize(x, (height, width), method)


def resize_with_pad(image, target_height, target_width, method="bilinear", antialias=False):
    """Return images in another size with black borders, which keep what they show in shape."""
    x = _images(image, "resize_with_pad")
    scale = min(target_height / x.shape[-3], target_width / x.shape[-2])
    height, width = (max(1, int(n * scale)) for n in x.shape[-3:-1])
    made = resize(x, (height, width), method, antialias=antialias)
    top, left = (target_height - height) // 2, (target_width - width) // 2
    return pad_to_bounding_box(made, top, left, target_height, target_width)


def resize_with_crop_or_pad(image, target_height, target_width):
    """Return images cut off or with black borders around their middle."""
    x = _images(image, "resize_with_crop_or_pad")
    height, width = x.shape[-3:-1]
    top, left = max(height - target_height, 0) // 2, max(width - target_width, 0) // 2
    x = crop_to_bounding_box(x, top, left, min(height, target_height), min(width, target_width))
    top, left = max(target_height - height, 0) // 2, max(target_width - width, 0) // 2
    return pad_to_bounding_box(x, top, left, target_height, target_width)


def crop_to_bounding_box(image, offset_height, offset_width, target_height, target_width):
    """Return a part of the images."""
    x = _images(image, "crop_to_bounding_box")
    bottom, right = offset_height + target_height, offset_width + target_width
    if min(offset_height, offset_width) < 0 or bottom > x.shape[-3] or right > x.shape[-2]:
        raise ValueError(
            f"tf.image.crop_to_bounding_box: expected a box within {tuple(x.shape[-3:-1])}, got "
            f"rows {offset_height} to {bottom} and columns {offset_width} to {right}"
        )
    return x[..., offset_height:bottom, offset_width:right, :]


def pad_to_bounding_box(image, offset_height, offset_width, target_height, target_width):
    """Return the images at a place of larger black ones."""
    x = _images(image, "pad_to_bounding_box")
    below = target_height - offset_height - x.shape[-3]
    beside = target_width - offset_width - x.shape[-2]
    if min(offset_height, offset_width, below, beside) < 0:
        raise ValueError(
            f"tf.image.pad_to_bounding_box: expected a size that holds {tuple(x.shape[-3:-1])} at "
            f"({offset_height}, {offset_width}), got ({target_height}, {target_width})"
        )
    widths = [(offset_height, below), (offset_width, beside), (0, 0)]
    return np.pad(x, [(0, 0)] * (x.ndim - 3) + widths)


def central_crop(image, central_fraction):
    """Return the middle of the images."""
    x = _images(image, "central_crop")
    top, left = (int((n - n * central_fraction) / 2) for n in x.shape[-3:-1])
    return x[..., top : x.shape[-3] - top, left : x.shape[-2] - left, :]


def random_crop(value, size, seed=None, name=None):
    """Return a part of a size at a random place, -1 for all of an axis."""
    x = _given(value)
    sizes = [n if s == -1 else s for s, n in zip(_sizes(size), x.shape)]
    if len(sizes) != x.ndim or any(s > n for s, n in zip(sizes, x.shape)):
        raise ValueError(
            f"tf.image.random_crop: expected a size within {tuple(x.shape)}, got {tuple(sizes)}"
        )
    starts = [int(random.randint((), 0, n - s + 1, seed=seed)) for s, n in zip(sizes, x.shape)]
    return x[tuple(slice(b, b + s) for b, s in zip(starts, sizes))]


def flip_left_right(image):
    """Return images with their columns in reverse order."""
    return np.flip(_images(image, "flip_left_right"), -2)


def flip_up_down(image):
    """Return images with their rows in reverse order."""
    return np.flip(_images(image, "flip_up_down"), -3)


def _sometimes(x, changed, seed):
    shape = (len(x), 1, 1, 1) if x.ndim == 4 else ()
    return np.where(random.uniform(shape, seed=seed) < 0.5, changed, x)


def random_flip_left_right(image, seed=None):
    """Return each image as it is or flipped, equally often."""
    x = _images(image, "random_flip_left_right")
    return _sometimes(x, np.flip(x, -2), seed)


def random_flip_up_down(image, seed=None):
    """Return each image as it is or flipped, equally often."""
    x = _images(image, "random_flip_up_down")
    return _sometimes(x, np.flip(x, -3), seed)


def rot90(image, k=1, name=None):
    """Return images turned counter-clockwise by `k` quarters."""
    return np.rot90(_images(image, "rot90"), k, axes=(-3, -2))


def transpose(image, name=None):
    """Return images with rows and columns exchanged."""
    return np.swapaxes(_images(image, "transpose"), -3, -2)


def convert_image_dtype(image, dtype, saturate=False, name=None):
    """Return images in another dtype: floats are in [0, 1], integers use their whole range."""
    x, kind = _given(image), as_dtype(dtype)
    if x.dtype == kind.dtype:
        return x
    if kind.is_floating:
        return cast(x, kind) if x.dtype.kind == "f" else cast(x, kind) / _largest(x.dtype)
    if x.dtype.kind == "f":
        scaled = x * (_largest(kind.dtype) + 0.5)
        return cast(np.clip(scaled, kind.min, kind.max) if saturate else scaled, kind)
    return cast(x.astype("float64") * ((_largest(kind.dtype) + 1) / (_largest(x.dtype) + 1)), kind)


def _largest(dtype):
    return np.iinfo(dtype).max


def _as_floats(image, change):
    """What `change` makes of the images as floats in [0, 1], in their own dtype."""
    x = _given(image)
    made = change(convert_image_dtype(x, "float32") if x.dtype.kind != "f" else x)
    return convert_image_dtype(made, x.dtype, saturate=True)


def adjust_brightness(image, delta):
    """Return images with a number added, of which 1 is the whole range."""
    return _as_floats(image, lambda x: x + np.asarray(delta, x.dtype))


def adjust_contrast(images, contrast_factor):
    """Return images whose distances from the mean of each channel are multiplied."""

    def change(x):
        mean = np.mean(x, axis=(-3, -2), keepdims=True)
        return (x - mean) * np.asarray(contrast_factor, x.dtype) + mean

    return _as_floats(images, change)


def adjust_saturation(image, saturation_factor, name=None):
    """Return RGB images whose saturation is multiplied."""

    def change(x):
        hsv = ops.image.rgb_to_hsv(x)
        hsv[..., 1] = np.clip(hsv[..., 1] * saturation_factor, 0, 1)
        return ops.image.hsv_to_rgb(hsv)

    return _as_floats(image, change)


def adjust_hue(image, delta, name=None):
    """Return RGB images whose hue is turned by a share of the circle."""

    def change(x):
        hsv = ops.image.rgb_to_hsv(x)
        hsv[..., 0] = (hsv[..., 0] + delta) % 1
        return ops.image.hsv_to_rgb(hsv)

    return _as_floats(image, change)


def _drawn(low, high, seed):
    return float(random.uniform((), low, high, seed=seed))


def random_brightness(image, max_delta, seed=None):
    """Return images with a number of [-max_delta, max_delta) added."""
    return adjust_brightness(image, _drawn(-max_delta, max_delta, seed))


def random_contrast(image, lower, upper, seed=None):
    """Return images whose contrast is multiplied by a number of [lower, upper)."""
    return adjust_contrast(image, _drawn(lower, upper, seed))


def random_saturation(image, lower, upper, seed=None):
    """Return images whose saturation is multiplied by a number of [lower, upper)."""
    return adjust_saturation(image, _drawn(lower, upper, seed))


def random_hue(image, max_delta, seed=None):
    """Return images whose hue is turned by a number of [-max_delta, max_delta)."""
    return adjust_hue(image, _drawn(-max_delta, max_delta, seed))


def rgb_to_hsv(images, name=None):
    """Return hue, saturation and value of RGB images in [0, 1]."""
    return ops.image.rgb_to_hsv(_given(images))


def hsv_to_rgb(images, name=None):
    """Return RGB images of hue, saturation and value."""
    return ops.image.hsv_to_rgb(_given(images))


def rgb_to_grayscale(images, name=None):
    """Return gray images `(..., 1)` of RGB ones, in their dtype."""
    weights = np.float32([0.2989, 0.5870, 0.1140])

    def change(x):
        return np.sum(x * weights.astype(x.dtype), axis=-1, keepdims=True)

    x = _given(images)
    return change(x) if symbolic.is_traced(x) else _as_floats(x, change)


def grayscale_to_rgb(images, name=None):
    """Return gray images `(..., 1)` with their channel three times."""
    x = _given(images)
    return np.concatenate([x, x, x], axis=-1)


def per_image_standardization(image):
    """Return images of mean 0 and variance 1, as floats; even ones are 0."""
    x = _images(image, "per_image_standardization")
    x = x if x.dtype.kind == "f" else cast(x, "float32")
    axes = (-3, -2, -1)
    count = np.float32(np.prod(x.shape[-3:]))
    spread = np.maximum(np.std(x, axis=axes, keepdims=True), 1 / np.sqrt(count))
    return (x - np.mean(x, axis=axes, keepdims=True)) / spread
