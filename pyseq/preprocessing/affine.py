"""Affine transformations of one image: rotation, shift, shear and zoom about its centre."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pyseq.types import Array, Tensor

# Of these NumPy alone computes orders 0 and 1, to the last bit what `scipy.ndimage` gives.
FILL_MODES = ("nearest", "constant", "reflect", "wrap", "mirror")
_SCIPY_MODES = ("grid-wrap", "grid-mirror", "grid-constant")


def _inside(c, length, mode):
    """Map coordinates to those of the image; -1 marks what lies outside for "constant"."""
    if mode == "nearest":
        return c  # pixels beyond the border count as those on it
    end = length - 1
    low, high = c < 0, c > end
    if mode == "constant":
        return np.where(low | high, -1.0, c)
    if length == 1:
        return np.zeros_like(c)
    # As scipy.ndimage: of "wrap" first and last pixel share one place, of "reflect" the mirror
    # stands half a pixel outside, so that values in (-1, 0) and (end, end + 1) stay.
    if mode == "wrap":
        below = c + end * (np.trunc(-c / end) + 1)
        above = c - end * np.trunc(c / end)
    elif mode == "mirror":
        period = 2 * end
        below = c + period * np.trunc(-c / period)
        below = np.where(below <= -end, below + period, -below)
        above = c - period * np.trunc(c / period)
        above = np.where(above >= length, period - above, above)
    else:
        period = 2 * length
        below = np.where(c < -period, c + period * np.trunc(-c / period), c)
        mirrored = np.where(below > -1e-15, 1e-15, -below) - 1
        below = np.where(below < -length, below + period, mirrored)
        above = c - period * np.trunc(c / period)
        above = np.where(above >= length, period - above - 1, above)
    return np.where(low, below, np.where(high, above, c))


def _to_dtype(values, dtype):
    """Cast doubles as scipy.ndimage does: integers are rounded and cut off, halves go up."""
    if dtype.kind not in "iu":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    values = np.trunc(values + np.where(values > 0, 0.5, -0.5))
    return np.clip(values, limits.min, limits.max).astype(dtype)


def _interpolate(x, matrix, offset, order, mode, cval):
    """x (H, W, C) -> y (H, W, C): y[i] = x[matrix i + offset], of order 0 or 1."""
    height, width = x.shape[:2]
    rows = np.arange(height, dtype=np.float64)[:, None]
    cols = np.arange(width, dtype=np.float64)
    # Sums in this order: at the border the last bit decides what lies outside.
    r = _inside((offset[0] + matrix[0, 0] * rows) + matrix[0, 1] * cols, height, mode)
    c = _inside((offset[1] + matrix[1, 0] * rows) + matrix[1, 1] * cols, width, mode)

    def index(i, length):
        if mode == "mirror":
            i = np.where(i >= length, 2 * (length - 1) - i, i)
        return np.clip(i, 0, length - 1).astype(np.intp)

    def pixels(i, j):
        return x[index(i, height), index(j, width)].astype(np.float64)

    if order == 0:
        y = pixels(np.floor(r + 0.5), np.floor(c + 0.5))
    else:
        r0, c0 = np.floor(r), np.floor(c)
        top, left = (1 - (r - r0))[..., None], (1 - (c - c0))[..., None]
        bottom, right = 1 - top, 1 - left
        y = pixels(r0, c0) * top * left
        y += pixels(r0, c0 + 1) * top * right
        y += pixels(r0 + 1, c0) * bottom * left
        y += pixels(r0 + 1, c0 + 1) * bottom * right
    if mode == "constant":
        y[(r == -1) | (c == -1)] = cval
    return _to_dtype(y, x.dtype)


def _with_scipy(x, matrix, offset, order, mode, cval):
    """The same with `scipy.ndimage`, for every order and its other modes."""
    where = "apply_affine_transform"
    if mode not in (*FILL_MODES, *_SCIPY_MODES):
        raise ValueError(
            f"{where}(fill_mode): expected one of {(*FILL_MODES, *_SCIPY_MODES)}, got {mode!r}"
        )
    if order not in range(6):
        raise ValueError(f"{where}(order): expected an integer from 0 to 5, got {order!r}")
    try:
        from scipy import ndimage
    except ImportError as error:
        raise ImportError(
            f"{where}: expected the package SciPy for order={order!r} and fill_mode={mode!r}, "
            f"which is not installed; run pip install scipy, or use order 0 or 1 and one of "
            f"{FILL_MODES}"
        ) from error
    channels = [
        ndimage.affine_transform(x[..., channel], matrix, offset, order=order, mode=mode, cval=cval)
        for channel in range(x.shape[-1])
    ]
    return np.stack(channels, axis=-1)


def _matrix(theta, tx, ty, shear, zx, zy):
    """Product of rotation, shift, shear and zoom in homogeneous (x, y); None for the identity."""
    parts = []
    if theta != 0:
        a = np.deg2rad(theta)
        parts.append([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    if tx != 0 or ty != 0:
        parts.append([[1, 0, tx], [0, 1, ty], [0, 0, 1]])
    if shear != 0:
        a = np.deg2rad(shear)
        parts.append([[1, -np.sin(a), 0], [0, np.cos(a), 0], [0, 0, 1]])
    if zx != 1 or zy != 1:
        parts.append([[zx, 0, 0], [0, zy, 0], [0, 0, 1]])
    if not parts:
        return None
    matrix = np.array(parts[0], dtype=np.float64)
    for part in parts[1:]:
        matrix = matrix @ np.array(part, dtype=np.float64)
    return matrix


def _check_axes(x, row_axis, col_axis, channel_axis, where):
    """Check that the three axes name those of one image, with the channels at an end."""
    if x.ndim != 3:
        raise ValueError(
            f"{where}: expected one image with channels, got shape {x.shape}; pass one of a batch"
        )
    axes = (row_axis, col_axis, channel_axis)
    if sorted(axes) != [0, 1, 2] or channel_axis == 1:
        raise ValueError(
            f"{where}: expected row_axis, col_axis and channel_axis to be 0, 1 and 2 in some order "
            f"with the channels first or last, got {axes}"
        )


def apply_affine_transform(
    x: Tensor,
    theta: Any = 0,
    tx: Any = 0,
    ty: Any = 0,
    shear: Any = 0,
    zx: Any = 1,
    zy: Any = 1,
    row_axis: Any = 1,
    col_axis: Any = 2,
    channel_axis: Any = 0,
    fill_mode: str = "nearest",
    cval: Any = 0.0,
    order: Any = 1,
) -> Array:
    """Return an image that is rotated, shifted, sheared and zoomed about its centre.

    Args:
        x: `(C, H, W)`, or as the axes say.
        theta: rotation in degrees.
        tx, ty: shift of where pixels are taken from, along the columns and the rows, in pixels;
            where `col_axis < row_axis` along the rows and the columns.
        shear: in degrees.
        zx, zy: zoom of the same axes; below 1 the image grows.
        row_axis, col_axis, channel_axis: axes of rows, columns and channels.
        fill_mode: what lies outside: `"nearest"`, `"constant"` (with `cval`), `"reflect"`,
            `"wrap"`, or another mode of `scipy.ndimage`.
        order: of the spline between pixels; above 1 needs SciPy.

    Returns:
        An array of the shape and dtype of x.

    >>> image = np.arange(3.0).reshape(1, 1, 3)
    >>> apply_affine_transform(image, tx=1).tolist()
    [[[1.0, 2.0, 2.0]]]
    """
    x = np.asarray(x)
    _check_axes(x, row_axis, col_axis, channel_axis, "apply_affine_transform")
    matrix = _matrix(theta, tx, ty, shear, zx, zy)
    if matrix is None:
        return x
    if not np.isfinite(matrix).all():
        raise ValueError(
            f"apply_affine_transform: expected finite parameters, got theta={theta}, tx={tx}, "
            f"ty={ty}, shear={shear}, zx={zx}, zy={zy}"
        )
    centre_x, centre_y = x.shape[row_axis] / 2 - 0.5, x.shape[col_axis] / 2 - 0.5
    to_centre = np.array([[1, 0, centre_x], [0, 1, centre_y], [0, 0, 1]])
    from_centre = np.array([[1, 0, -centre_x], [0, 1, -centre_y], [0, 0, 1]])
    matrix = to_centre @ matrix @ from_centre
    axes = (row_axis, col_axis, channel_axis)
    if col_axis > row_axis:
        # As in Keras, so that tx moves along the columns.
        matrix = matrix[[1, 0, 2]][:, [1, 0, 2]]
    else:
        axes = (col_axis, row_axis, channel_axis)
    own = order in (0, 1) and fill_mode in FILL_MODES
    interpolate = _interpolate if own else _with_scipy
    y = interpolate(x.transpose(axes), matrix[:2, :2], matrix[:2, 2], order, fill_mode, cval)
    return np.ascontiguousarray(y.transpose(np.argsort(axes)))
