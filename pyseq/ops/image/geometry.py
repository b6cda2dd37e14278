"""Images read at computed places: maps of the plane, and random ones."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import random, symbolic
from pyseq.ops.image.filters import blurred
from pyseq.ops.image.layout import (
    channels_back,
    channels_last,
    check_one_of,
    check_rank,
    is_channels_first,
    is_float,
    saturated,
)
from pyseq.ops.promotion import convert_to_tensor, operation

if TYPE_CHECKING:
    from pyseq.types import DataFormat, Seed, Tensor

FILL_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")
INTERPOLATIONS = ("nearest", "bilinear")


def _folded(index, size, mode):
    """Indices inside [0, size), and where they were inside for "constant", else None."""
    if mode == "constant":
        return np.clip(index, 0, size - 1), (index >= 0) & (index < size)
    if mode == "wrap":
        return index % size, None
    if mode == "reflect":
        index = index % (2 * size)
        return np.where(index >= size, 2 * size - 1 - index, index), None
    if mode == "mirror":
        return np.abs((index + size - 1) % max(2 * size - 2, 1) - size + 1), None
    return np.clip(index, 0, size - 1), None


def _nodes(at, size, interpolation, fill_mode, kind):
    """(indices, where they are inside, weights) of the neighbours of positions on one axis."""
    if at.dtype.kind in "iu" or interpolation == "nearest":
        return [(*_folded(np.round(at).astype("int64"), size, fill_mode), None)]
    lower = np.floor(at)
    share = (at - lower).astype(kind)
    lower = lower.astype("int64")
    return [
        (*_folded(lower, size, fill_mode), 1 - share),
        (*_folded(lower + 1, size, fill_mode), share),
    ]


def sample(x, places, interpolation="bilinear", fill_mode="constant", fill_value=0.0):
    """Values of an array at places between its elements.

    Args:
        x: array whose first axes are the ones of `places`.
        places: arrays of positions, one for each of these axes, which broadcast.
        interpolation: `"nearest"` or `"bilinear"`.
        fill_mode: what lies outside: the array mirrored about its edge (`"reflect"`) or about its
            last element (`"mirror"`), repeated (`"wrap"`), its border (`"nearest"`), or
            `fill_value` (`"constant"`).

    Integers are rounded.
    """
    exact = interpolation == "nearest"
    kind = x.dtype if is_float(x) else np.dtype("float32")
    fill = np.asarray(fill_value if is_float(x) else int(fill_value)).astype(x.dtype)
    axes = zip(places, x.shape)
    nodes = [_nodes(at, size, interpolation, fill_mode, kind) for at, size in axes]
    behind = (1,) * (x.ndim - len(places))
    total = None
    for corner in itertools.product(*nodes):
        values = x[tuple(index for index, _, _ in corner)]
        for _, inside, _ in corner:
            if inside is not None:
                values = np.where(inside.reshape(inside.shape + behind), values, fill)
        for _, _, weight in corner:
            if weight is not None:
                values = values * weight.reshape(weight.shape + behind)
        total = values if total is None else total + values
    return total if exact else saturated(total, x.dtype)


def _array(x):
    """An argument as an array; tensors of a trace, whose values come later, raise an error."""
    x = np.asarray(symbolic.as_array(convert_to_tensor(x)))
    return x.astype("float32") if x.dtype.name in ("bfloat16", "float16") else x


@operation()
def map_coordinates(
    inputs: Tensor, coordinates: Any, order: Any, fill_mode: str = "constant", fill_value: Any = 0
) -> Tensor:
    """Return values of an array at places between its elements.

    Args:
        inputs: array of any rank r.
        coordinates: `(r, ...)`, positions along each axis.
        order: 0 for the nearest element, 1 for linear interpolation.
        fill_mode: what lies outside: `"constant"` (`fill_value`), `"nearest"` (the border),
            `"wrap"` (repeated), `"reflect"` and `"mirror"` (mirrored about the edge, and about
            the last element).

    Output `(...)`, in the dtype of `inputs`; integers are rounded.

    >>> map_coordinates(np.array([0.0, 1.0, 4.0]), [[0.5, 1.5]], order=1).tolist()
    [0.5, 2.5]
    """
    where = "map_coordinates"
    x = _array(inputs)
    if len(coordinates) != x.ndim or not x.ndim:
        raise ValueError(
            f"{where}: expected one row of coordinates for each axis of {x.shape}, got "
            f"{len(coordinates)}"
        )
    places = [_array(c) for c in coordinates]
    if not places[0].ndim:
        raise ValueError(f"{where}: expected coordinates of rank 2 or more, got rank 1")
    check_one_of(where, "fill_mode", fill_mode, FILL_MODES)
    check_one_of(where, "order", order, (0, 1))
    if not x.size:
        raise ValueError(f"{where}: expected inputs with elements, got shape {x.shape}")
    return sample(x, places, INTERPOLATIONS[order], fill_mode, fill_value)


def _grid(x):
    """Rows and columns `(h, w)` of the pixels of images `(n, h, w, c)`."""
    height, width = x.shape[1:3]
    return np.meshgrid(np.arange(height, dtype=float), np.arange(width, dtype=float), indexing="ij")


def sample_pixels(x, rows, columns, interpolation, fill_mode, fill_value):
    """Images `(n, h, w, c)` at rows and columns `(n or 1, h, w)`."""
    n = np.arange(len(x))[:, None, None]
    return sample(x, (n, rows, columns), interpolation, fill_mode, fill_value)


def affine(x, matrix, interpolation, fill_mode, fill_value):
    """output(x, y) = input(a0 x + a1 y + a2, b0 x + b1 y + b2) for rows (a0 a1 a2 b0 b1 b2 ...)."""
    down, across = _grid(x)
    m = np.asarray(matrix, float)[:, :6, None, None]
    rows = m[:, 3] * across + m[:, 4] * down + m[:, 5]
    columns = m[:, 0] * across + m[:, 1] * down + m[:, 2]
    return sample_pixels(x, rows, columns, interpolation, fill_mode, fill_value)


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


def perspective(x, start_points, end_points, interpolation, fill_value):
    """The images seen so that the start points lie where the end points are."""
    down, across = _grid(x)
    m = homography(start_points, end_points)[:, :, None, None]
    scale = m[:, 6] * across + m[:, 7] * down + 1
    columns = (m[:, 0] * across + m[:, 1] * down + m[:, 2]) / scale
    rows = (m[:, 3] * across + m[:, 4] * down + m[:, 5]) / scale
    return sample_pixels(x, rows, columns, interpolation, "constant", fill_value)


def smooth_noise(rng, shape, sigma):
    """Normal noise `(n, h, w)` of deviation `sigma`, blurred by as much."""
    noise = rng.normal(size=shape) * sigma
    size = int(6 * sigma) | 1
    # A vanishing deviation would divide by zero; its kernel is a point.
    deviation = max(sigma, 1e-6)
    return blurred(noise[..., None], (size, size), (deviation, deviation))[..., 0]


def displaced(x, across, down, interpolation, fill_mode, fill_value):
    """Images `(n, h, w, c)` whose pixels come from `across` and `down` `(n, h, w)` further on."""
    rows, columns = _grid(x)
    return sample_pixels(x, rows + down, columns + across, interpolation, fill_mode, fill_value)


def _mapped(where, images, data_format, function):
    """`function` of the images as a batch `(n, h, w, c)`."""
    first = is_channels_first(where, data_format)
    check_rank(where, images.shape)
    x = channels_last(_array(images), first)
    y = function(x) if x.ndim == 4 else function(x[None])[0]
    return channels_back(y, first)


def _for_each(where, name, values, n):
    """`values`, which stand for all images or for each of n."""
    if len(values) not in (1, n):
        raise ValueError(
            f"{where}({name}): expected one for all images or one for each of {n}, got "
            f"{len(values)}"
        )
    return values


@operation()
def affine_transform(
    images: Tensor,
    transform: Any,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: Any = 0,
    data_format: DataFormat = None,
) -> Tensor:
    """Return images whose pixels come from places that an affine map gives.

    Args:
        images: `(height, width, channels)` or `(n, height, width, channels)`.
        transform: `(8,)` or `(n, 8)` of numbers (a0, a1, a2, b0, b1, b2, c0, c1): pixel (x, y) is
            that at (a0 x + a1 y + a2, b0 x + b1 y + b2); c0 and c1 count as 0.
        interpolation: `"nearest"` or `"bilinear"`.
        fill_mode, fill_value: as of `map_coordinates`.
        data_format: `"channels_last"` or `"channels_first"`; None for the default.

    >>> shift = [1, 0, 1, 0, 1, 0, 0, 0]
    >>> affine_transform(np.array([[[1.0], [2.0]]]), shift).ravel().tolist()
    [2.0, 0.0]
    """
    where = "affine_transform"
    check_one_of(where, "interpolation", interpolation, INTERPOLATIONS)
    check_one_of(where, "fill_mode", fill_mode, FILL_MODES)
    check_rank(where, images.shape)
    matrix = _array(transform)
    if matrix.ndim not in (1, 2) or matrix.shape[-1] != 8:
        raise ValueError(f"{where}(transform): expected shape (8,) or (n, 8), got {matrix.shape}")

    def moved(x):
        rows = _for_each(where, "transform", matrix.reshape(-1, 8), len(x))
        return affine(x, rows, interpolation, fill_mode, fill_value)

    return _mapped(where, images, data_format, moved)


@operation()
def perspective_transform(
    images: Tensor,
    start_points: Any,
    end_points: Any,
    interpolation: str = "bilinear",
    fill_value: Any = 0,
    data_format: DataFormat = None,
) -> Tensor:
    """Return images seen so that the start points lie where the end points are.

    Args:
        images: `(height, width, channels)` or `(n, height, width, channels)`.
        start_points, end_points: `(4, 2)` or `(n, 4, 2)` of positions (x, y): top left, top
            right, bottom left, bottom right.
        interpolation: `"nearest"` or `"bilinear"`.
        fill_value: what lies outside.
        data_format: `"channels_last"` or `"channels_first"`; None for the default.

    >>> corners = [[0, 0], [1, 0], [0, 1], [1, 1]]
    >>> flipped = [[1, 0], [0, 0], [1, 1], [0, 1]]
    >>> x = np.array([[[1.0], [2.0]], [[3.0], [4.0]]])
    >>> perspective_transform(x, corners, flipped, "nearest").ravel().tolist()
    [2.0, 1.0, 4.0, 3.0]
    """
    where = "perspective_transform"
    check_one_of(where, "interpolation", interpolation, INTERPOLATIONS)
    check_rank(where, images.shape)
    start, end = _array(start_points), _array(end_points)
    for name, points in (("start_points", start), ("end_points", end)):
        if points.ndim not in (2, 3) or points.shape[-2:] != (4, 2):
            raise ValueError(
                f"{where}({name}): expected shape (4, 2) or (n, 4, 2), got {points.shape}"
            )
    if start.shape != end.shape:
        raise ValueError(
            f"{where}: expected start_points and end_points of one shape, got {start.shape} and "
            f"{end.shape}"
        )

    def seen(x):
        pairs = _for_each(where, "start_points", start.reshape(-1, 4, 2), len(x))
        return perspective(x, pairs, end.reshape(-1, 4, 2), interpolation, fill_value)

    try:
        return _mapped(where, images, data_format, seen)
    except np.linalg.LinAlgError:
        raise ValueError(
            f"{where}: expected points of which no three lie on a line, got {start.tolist()} and "
            f"{end.tolist()}"
        ) from None


@operation()
def elastic_transform(
    images: Tensor,
    alpha: Any = 20.0,
    sigma: Any = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: Any = 0.0,
    seed: Seed = None,
    data_format: DataFormat = None,
) -> Tensor:
    """Return images whose pixels are shifted by smoothed noise.

    Args:
        images: `(height, width, channels)` or `(n, height, width, channels)`.
        alpha: strength of the shifts.
        sigma: deviation of the noise, and of what smooths it, in pixels.
        interpolation: `"nearest"` or `"bilinear"`.
        fill_mode, fill_value: as of `map_coordinates`.
        seed: integer, `SeedGenerator` or None for the global one.
        data_format: `"channels_last"` or `"channels_first"`; None for the default.

    >>> elastic_transform(np.ones((4, 4, 1)), seed=1)[0, 0].round(6).tolist()
    [1.0]
    """
    where = "elastic_transform"
    check_one_of(where, "interpolation", interpolation, INTERPOLATIONS)
    check_one_of(where, "fill_mode", fill_mode, FILL_MODES)
    check_rank(where, images.shape)
    alpha, sigma = float(_array(alpha)), float(_array(sigma))
    if not 0 <= sigma < np.inf:
        raise ValueError(f"{where}(sigma): expected a number >= 0, got {sigma}")

    def shifted(x):
        rng = np.random.default_rng(random.seed_state(seed))
        across, down = (alpha * smooth_noise(rng, x.shape[:3], sigma) for _ in range(2))
        return displaced(x, across, down, interpolation, fill_mode, fill_value)

    return _mapped(where, images, data_format, shifted)
