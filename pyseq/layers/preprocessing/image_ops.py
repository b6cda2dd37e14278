"""Operations on batches of images `(n, height, width, channels)` of floats, in NumPy."""

from __future__ import annotations

import math

import numpy as np

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
FILL_MODES = ("reflect", "wrap", "constant", "nearest")


def _triangle(x):
    return np.maximum(0, 1 - np.abs(x))


def _cubic(x):
    # Keys' kernel with a = -1/2.
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x >= 2, 0, np.where(x >= 1, far, near))


def _lanczos(radius):
    def kernel(x):
        return np.where(np.abs(x) < radius, np.sinc(x) * np.sinc(x / radius), 0)

    return kernel


_KERNELS = {
    "bilinear": _triangle,
    "bicubic": _cubic,
    "lanczos3": _lanczos(3.0),
    "lanczos5": _lanczos(5.0),
}


def _resize_matrix(size, target, interpolation, antialias):
    """`(target, size)` weights along one axis, with pixel centres at half integers."""
    centres = (np.arange(target) + 0.5) * size / target
    if interpolation == "nearest":
        matrix = np.zeros((target, size))
        matrix[np.arange(target), np.floor(centres).astype(int)] = 1
        return matrix
    stretch = max(size / target, 1.0) if antialias else 1.0
    distance = (centres[:, None] - 0.5 - np.arange(size)) / stretch
    weights = _KERNELS[interpolation](distance)
    return weights / weights.sum(axis=1, keepdims=True)


def resize(images, height, width, interpolation="bilinear", antialias=False):
    """Images of another size."""
    rows = _resize_matrix(images.shape[1], height, interpolation, antialias)
    cols = _resize_matrix(images.shape[2], width, interpolation, antialias)
    rows, cols = rows.astype(images.dtype), cols.astype(images.dtype)
    out = np.einsum("hi,nijc->nhjc", rows, images, optimize=True)
    return np.ascontiguousarray(np.einsum("wj,nhjc->nhwc", cols, out, optimize=True))


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


def aspect_crop(images, height, width):
    """The largest centred part of the images with the ratio height : width."""
    top, left, crop_h, crop_w = aspect_crop_box(*images.shape[1:3], height, width)
    return images[:, top : top + crop_h, left : left + crop_w]


def aspect_pad(images, height, width, fill_value):
    """The images with a border that gives them the ratio height : width."""
    top, left = aspect_borders(*images.shape[1:3], height, width)
    pad = ((0, 0), (top, top), (left, left), (0, 0))
    return np.pad(images, pad, constant_values=fill_value)


def _fold_index(index, size, mode):
    """Indices inside [0, size) and whether each is valid."""
    if mode == "constant":
        valid = (index >= 0) & (index < size)
        return np.clip(index, 0, size - 1), valid
    if mode == "wrap":
        return index % size, None
    if mode == "reflect":
        index = index % (2 * size)
        return np.where(index >= size, 2 * size - 1 - index, index), None
    return np.clip(index, 0, size - 1), None


def sample(images, y, x, interpolation="bilinear", fill_mode="reflect", fill_value=0.0):
    """Values of the images at rows `y` and columns `x`, both `(n, h, w)` of floats.

    Outside, `fill_mode` says what there is: the image mirrored about its edge ("reflect"),
    repeated ("wrap"), its border ("nearest"), or `fill_value` ("constant").
    """
    n = np.arange(len(images))[:, None, None]
    height, width = images.shape[1:3]

    def corner(rows, cols):
        i, valid_i = _fold_index(rows, height, fill_mode)
        j, valid_j = _fold_index(cols, width, fill_mode)
        values = images[n, i, j]
        if valid_i is not None:
            inside = (valid_i & valid_j)[..., None]
            values = np.where(inside, values, images.dtype.type(fill_value))
        return values

    if interpolation == "nearest":
        return corner(np.round(y).astype(np.int64), np.round(x).astype(np.int64))
    top, left = np.floor(y), np.floor(x)
    dy = (y - top).astype(images.dtype)[..., None]
    dx = (x - left).astype(images.dtype)[..., None]
    i, j = top.astype(np.int64), left.astype(np.int64)
    above = corner(i, j) * (1 - dx) + corner(i, j + 1) * dx
    below = corner(i + 1, j) * (1 - dx) + corner(i + 1, j + 1) * dx
    return above * (1 - dy) + below * dy


def _grid(images):
    height, width = images.shape[1:3]
    return np.meshgrid(np.arange(height, dtype=float), np.arange(width, dtype=float), indexing="ij")


def affine(images, matrix, interpolation, fill_mode, fill_value):
    """output(x, y) = input(a0 x + a1 y + a2, b0 x + b1 y + b2) for rows (a0 a1 a2 b0 b1 b2 ...)."""
    y, x = _grid(images)
    m = np.asarray(matrix, float)[:, :6, None, None]
    rows = m[:, 3] * x + m[:, 4] * y + m[:, 5]
    cols = m[:, 0] * x + m[:, 1] * y + m[:, 2]
    return sample(images, rows, cols, interpolation, fill_mode, fill_value)


def homography(start_points, end_points):
    """The 8 numbers of the projective maps that take end points to start points, `(n, 4, 2)`."""
    start, end = np.asarray(start_points, float), np.asarray(end_points, float)
    n = len(start)
    system = np.zeros((n, 8, 8))
    for k in range(4):
        x, y = end[:, k, 0], end[:, k, 1]
        u, v = start[:, k, 0], start[:, k, 1]
        system[:, 2 * k, :3] = np.stack([x, y, np.ones(n)], axis=-1)
        system[:, 2 * k, 6:] = np.stack([-u * x, -u * y], axis=-1)
        system[:, 2 * k + 1, 3:6] = system[:, 2 * k, :3]
        system[:, 2 * k + 1, 6:] = np.stack([-v * x, -v * y], axis=-1)
    return np.linalg.solve(system, start.reshape(n, 8, 1))[..., 0]


def perspective(images, start_points, end_points, interpolation, fill_value):
    """The images seen so that the start points lie where the end points are."""
    y, x = _grid(images)
    m = homography(start_points, end_points)[:, :, None, None]
    scale = m[:, 6] * x + m[:, 7] * y + 1
    cols = (m[:, 0] * x + m[:, 1] * y + m[:, 2]) / scale
    rows = (m[:, 3] * x + m[:, 4] * y + m[:, 5]) / scale
    return sample(images, rows, cols, interpolation, "constant", fill_value)


def gaussian_blur(images, kernel_size, sigma):
    """Blur with a normal kernel of `kernel_size` (x, y) and standard deviations `sigma` (x, y).

    Outside the image there is 0.
    """
    out = images
    for axis, size, deviation in ((2, kernel_size[0], sigma[0]), (1, kernel_size[1], sigma[1])):
        x = np.arange(size) - (size - 1) / 2
        kernel = np.exp(-0.5 * (x / deviation) ** 2)
        kernel = (kernel / kernel.sum()).astype(images.dtype)
        pad = [(0, 0)] * 4
        pad[axis] = ((size - 1) // 2, size - 1 - (size - 1) // 2)
        padded = np.pad(out, pad)
        length = out.shape[axis]
        parts = (
            kernel[k] * np.take(padded, np.arange(k, k + length), axis=axis) for k in range(size)
        )
        out = sum(parts)
    return out


def grayscale(images):
    """The luma of RGB images, with one channel."""
    weights = np.array([0.2989, 0.5870, 0.1140], images.dtype)
    return (images @ weights)[..., None]


def rgb_to_hsv(images):
    """Hue, saturation and value of RGB images, each in [0, 1] if the images are."""
    images = np.where(np.abs(images) < np.finfo(images.dtype).eps, 0, images)
    r, g, b = np.moveaxis(images, -1, 0)
    value, low = images.max(axis=-1), images.min(axis=-1)
    spread = value - low
    saturation = np.where(value > 0, spread / np.where(value > 0, value, 1), 0)
    norm = 1 / (6 * np.where(spread > 0, spread, 1))
    hue = np.where(value == g, norm * (b - r) + 2 / 6, norm * (r - g) + 4 / 6)
    hue = np.where(value == r, norm * (g - b), hue)
    hue = np.where(spread > 0, hue, 0) + (hue < 0)
    return np.stack([hue, saturation, value], axis=-1).astype(images.dtype)


def hsv_to_rgb(images):
    """The inverse of `rgb_to_hsv`."""
    images = np.where(np.abs(images) < np.finfo(images.dtype).eps, 0, images)
    hue, saturation, value = np.moveaxis(images, -1, 0)
    hue = hue % 1
    high = 6 * hue
    r = np.clip(np.abs(high - 3) - 1, 0, 1)
    g = np.clip(2 - np.abs(high - 2), 0, 1)
    b = np.clip(2 - np.abs(high - 4), 0, 1)
    rest = 1 - saturation
    planes = [(rest + saturation * plane) * value for plane in (r, g, b)]
    return np.stack(planes, axis=-1).astype(images.dtype)


def change_range(images, source, target):
    """Values of the range `source` mapped linearly to `target`."""
    if tuple(source) == tuple(target):
        return images
    scale = (target[1] - target[0]) / (source[1] - source[0])
    return ((images - source[0]) * scale + target[0]).astype(images.dtype)


def rotation_matrix(degrees, height, width):
    """Rows for `affine` that turn images about their centre by `degrees`, an array."""
    angle = np.asarray(degrees, float) * math.pi / 180
    cx, cy = 0.5 * (width - 1), 0.5 * (height - 1)
    cos, sin = np.cos(angle), np.sin(angle)
    rows = [cos, -sin, cx - cx * cos + cy * sin, sin, cos, cy - cx * sin - cy * cos]
    return np.stack(rows, axis=-1)
