"""Filters of images, and what compares images through them: blur, edges, similarity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq.ops.image.layout import (
    as_floats,
    channels_back,
    channels_last,
    check_rank,
    integers,
    is_channels_first,
    saturated,
)
from pyseq.ops.promotion import convert_to_tensor, dtype_of, fractional, operation, rounded

if TYPE_CHECKING:
    from pyseq.types import DataFormat, Tensor


def normal_kernel(size, deviation):
    """`size` samples of a normal density around 0 that sum to 1."""
    x = np.arange(size) - (size - 1) / 2
    kernel = np.exp(-0.5 * (x / deviation) ** 2)
    return kernel / kernel.sum()


def _padded(x, axis, before, behind):
    widths = [(0, 0)] * x.ndim
    widths[axis] = (before, behind)
    return np.pad(x, widths) if before or behind else x


def _correlated(x, kernel, axis):
    """sum over k of kernel[k] x[i + k] along one axis, where all of the kernel fits."""
    keys = [slice(None)] * x.ndim
    length = x.shape[axis] - len(kernel) + 1
    parts = []
    for k, weight in enumerate(kernel):
        keys[axis] = slice(k, k + length)
        if weight:
            parts.append(weight * x[tuple(keys)])
    return sum(parts[1:], parts[0])


def blurred(x, kernel_size, sigma):
    """Floats `(..., h, w, c)` blurred by normal kernels (across, down); outside is 0."""
    for axis, size, deviation in zip((-2, -3), kernel_size, sigma, strict=True):
        kernel = normal_kernel(size, deviation).tolist()
        x = _correlated(_padded(x, axis, (size - 1) // 2, size // 2), kernel, axis)
    return x


@operation()
def gaussian_blur(
    images: Tensor,
    kernel_size: Any = (3, 3),
    sigma: Any = (1.0, 1.0),
    data_format: DataFormat = None,
) -> Tensor:
    """Return images blurred with a normal kernel; outside of them there is 0.

    Args:
        images: `(height, width, channels)` or `(n, height, width, channels)`.
        kernel_size: size of the kernel (across, down).
        sigma: standard deviations (across, down), in pixels.
        data_format: `"channels_last"` or `"channels_first"`; None for the default.

    Integers are rounded.

    >>> gaussian_blur(np.ones((3, 3, 1), "float32"))[1, 1].round(3).tolist()
    [1.0]
    """
    where = "gaussian_blur"
    first = is_channels_first(where, data_format)
    check_rank(where, images.shape)
    kernel_size = integers(where, "kernel_size", kernel_size, 2)
    sigma = np.asarray(convert_to_tensor(sigma), "float64")
    if sigma.shape != (2,) or not (sigma > 0).all():
        raise ValueError(f"{where}(sigma): expected two numbers above 0, got {sigma.tolist()}")
    x = blurred(channels_last(as_floats(images), first), kernel_size, sigma)
    return saturated(channels_back(x, first), images.dtype)


@operation()
def sobel_edges(images: Tensor, data_format: DataFormat = None) -> Tensor:
    """Return the gradients of images down and across, estimated by Sobel's kernels.

    Args:
        images: `(n, height, width, channels)`.
        data_format: `"channels_last"` or `"channels_first"`; None for the default.

    Output: the shape of `images` with an axis (down, across) behind it. Outside of the images
    there is 0.

    >>> ramp = np.arange(3.0).reshape(1, 1, 3, 1) + np.zeros((1, 3, 3, 1))
    >>> sobel_edges(ramp)[0, 1, 1, 0].tolist()
    [0.0, 8.0]
    """
    where = "sobel_edges"
    first = is_channels_first(where, data_format)
    if len(images.shape) != 4:
        raise ValueError(
            f"{where}: expected images (n, height, width, channels), got shape {images.shape}"
        )
    # Small integers wrap around at the end only, as in a sum of their own dtype.
    x = images.astype("int64") if images.dtype.kind in "iu" else images
    x = _padded(_padded(channels_last(x, first), -3, 1, 1), -2, 1, 1)
    smooth, slope = (1, 2, 1), (-1, 0, 1)
    down = _correlated(_correlated(x, slope, -3), smooth, -2)
    across = _correlated(_correlated(x, smooth, -3), slope, -2)
    return np.stack([channels_back(down, first), channels_back(across, first)], axis=-1)


def ssim(
    image1: Any,
    image2: Any,
    max_val: Any = 1.0,
    filter_size: Any = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    data_format: DataFormat = None,
) -> Tensor:
    """Return the structural similarity of images, 1 for equal ones (Wang et al. 2004).

    Args:
        image1, image2: `(height, width, channels)` or `(n, height, width, channels)`.
        max_val: span of the values, such as 255.
        filter_size, filter_sigma: size and standard deviation of the normal window.
        k1, k2: constants that keep the quotient stable.
        data_format: `"channels_last"` or `"channels_first"`; None for the default.

    Output: a number, or one for each image of the batch, in the dtype of `image1`.

    >>> float(ssim(np.ones((12, 12, 1), "float32"), np.ones((12, 12, 1), "float32")))
    1.0
    """
    where = "ssim"
    images = []
    for image in (image1, image2):
        image = convert_to_tensor(image)
        check_rank(where, image.shape)
        images.append(image)
    if images[0].shape != images[1].shape:
        raise ValueError(
            f"{where}: expected images of one shape, got {images[0].shape} and {images[1].shape}"
        )
    first = is_channels_first(where, data_format)
    (size,) = integers(where, "filter_size", filter_size, 1)
    height, width = images[0].shape[-2:] if first else images[0].shape[-3:-1]
    if size > min(height, width):
        raise ValueError(
            f"{where}: expected images of at least filter_size {size}, got {height} x {width}"
        )
    kernel = normal_kernel(size, filter_sigma).tolist()
    bounds = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    return rounded(_similarity(*images, kernel, bounds, first), dtype_of(images[0]))


@operation(lambda a, b: fractional(a), tensors=2)
def _similarity(a, b, kernel, bounds, first):
    def local_mean(x):
        return _correlated(_correlated(x, kernel, -3), kernel, -2)

    a, b = channels_last(a, first), channels_last(b, first)
    mean_a, mean_b = local_mean(a), local_mean(b)
    variance_a = local_mean(a * a) - mean_a * mean_a
    variance_b = local_mean(b * b) - mean_b * mean_b
    covariance = local_mean(a * b) - mean_a * mean_b
    top = (2 * mean_a * mean_b + bounds[0]) * (2 * covariance + bounds[1])
    bottom = (mean_a * mean_a + mean_b * mean_b + bounds[0]) * (
        variance_a + variance_b + bounds[1]
    )
    return np.mean(top / bottom, axis=(-3, -2, -1))
