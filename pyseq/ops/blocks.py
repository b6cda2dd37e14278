"""Images taken apart into blocks, and put together again."""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import symbolic
from pyseq.ops.patches import is_first, pad, rows, spread, taps
from pyseq.ops.placeholders import infers_shapes
from pyseq.ops.promotion import counted, operation, own
from pyseq.spatial import tuple_of

if TYPE_CHECKING:
    from pyseq.types import DataFormat, Size, Tensor

__all__ = ["depth_to_space", "fold", "space_to_depth", "unfold"]


@operation(own)
def unfold(
    x: Tensor, kernel_size: Any, dilation: Size = 1, padding: Any = 0, stride: Size = 1
) -> Tensor:
    """What each window of images sees, as columns.

    Args:
        x: `(n, c, h, w)`.
        kernel_size, dilation, padding, stride: an integer, or one for height and one for width.

    Returns:
        `(n, c kh kw, windows)`.

    >>> unfold(np.ones((1, 2, 4, 4)), 3).shape
    (1, 18, 4)
    """
    x = symbolic.as_array(x)
    if x.ndim != 4:
        raise ValueError(f"unfold: expected an input (n, c, h, w), got shape {tuple(x.shape)}")
    windows = _Grid("unfold", x.shape[2:], kernel_size, dilation, padding, stride)
    parts = windows.parts(pad(x, 2, windows.padding, windows.padding))
    y = np.stack([part for _, part in parts], axis=2)
    return np.reshape(y, (rows(y), x.shape[1] * windows.taps, windows.count))


@operation(counted)
def fold(
    x: Tensor,
    output_size: Size,
    kernel_size: Any,
    dilation: Size = 1,
    padding: Any = 0,
    stride: Size = 1,
) -> Tensor:
    """The sum of windows, as `unfold` gives them, at their places in images.

    Args:
        x: `(n, c kh kw, windows)`.
        output_size: height and width of the images.
        kernel_size, dilation, padding, stride: as for `unfold`.

    Returns:
        `(n, c, *output_size)`.

    >>> fold(np.ones((1, 4, 4)), 4, 2, stride=2).shape
    (1, 1, 4, 4)
    """
    x = symbolic.as_array(x)
    if x.ndim != 3:
        raise ValueError(f"fold: expected an input (n, c kh kw, windows), got {tuple(x.shape)}")
    size = tuple_of("fold", "output_size", output_size, 2)
    windows = _Grid("fold", size, kernel_size, dilation, padding, stride)
    if x.shape[1] % windows.taps or x.shape[2] != windows.count:
        raise ValueError(
            f"fold: expected an input (n, {windows.taps} c, {windows.count}) for images of {size} "
            f"and these windows, got shape {tuple(x.shape)}"
        )
    shape = (rows(x), x.shape[1] // windows.taps, windows.taps, *windows.counts)
    x = np.reshape(x, shape)
    y = functools.reduce(operator.add, map(windows.place, range(windows.taps), _along(x, 2)))
    padding = [-p for p in windows.padding]
    return pad(y, 2, padding, padding)


def _along(x, axis):
    return [x[(*[slice(None)] * axis, i)] for i in range(x.shape[axis])]


class _Grid:
    """Windows over images of a size."""

    def __init__(self, where, size, kernel_size, dilation, padding, stride):
        self.sizes = tuple_of(where, "kernel_size", kernel_size, 2)
        self.dilations = tuple_of(where, "dilation", dilation, 2)
        self.padding = tuple_of(where, "padding", padding, 2, least=0)
        self.strides = tuple_of(where, "stride", stride, 2)
        self.taps = self.sizes[0] * self.sizes[1]
        self.padded = [n + 2 * p for n, p in zip(size, self.padding)]
        self.counts = [
            (n - d * (k - 1) - 1) // s + 1
            for n, d, k, s in zip(self.padded, self.dilations, self.sizes, self.strides)
        ]
        if min(self.counts) < 1:
            raise ValueError(
                f"{where}: expected windows that fit into images of {tuple(size)}, got "
                f"kernel_size={self.sizes}, dilation={self.dilations}, padding={self.padding}"
            )
        self.count = self.counts[0] * self.counts[1]

    def parts(self, x):
        return taps(x, 2, self.sizes, self.strides, self.dilations, self.counts)

    def place(self, tap, part):
        """What entry `tap` of all windows holds, at its places in the padded images."""
        part = spread(part, 2, self.strides)
        offset = divmod(tap, self.sizes[1])
        begin = [o * d for o, d in zip(offset, self.dilations)]
        end = [n - b - d for n, b, d in zip(self.padded, begin, part.shape[2:])]
        return pad(part, 2, begin, end)


@infers_shapes
def depth_to_space(x: Tensor, block_size: Any, data_format: DataFormat = "channels_last") -> Tensor:
    """Blocks of `block_size` squared pixels from the channels of one pixel.

    Args:
        x: `(n, h, w, b b c)`, or `(n, c b b, h, w)` for `"channels_first"`.

    Returns:
        `(n, h b, w b, c)`, or `(n, c, h b, w b)`.

    >>> depth_to_space(np.arange(4.0).reshape(1, 1, 1, 4), 2)[0, :, :, 0].tolist()
    [[0.0, 1.0], [2.0, 3.0]]
    """
    where = "depth_to_space"
    x, first, b = _blocks(where, x, block_size, data_format)
    channels = x.shape[1 if first else 3]
    if channels % b**2:
        raise ValueError(
            f"{where}: expected channels divisible by {b**2}, got shape {tuple(x.shape)}"
        )
    c = channels // b**2
    if first:
        h, w = x.shape[2:]
        y = np.transpose(np.reshape(x, (rows(x), c, b, b, h, w)), (0, 1, 4, 2, 5, 3))
        return np.reshape(y, (rows(x), c, h * b, w * b))
    h, w = x.shape[1:3]
    y = np.transpose(np.reshape(x, (rows(x), h, w, b, b, c)), (0, 1, 3, 2, 4, 5))
    return np.reshape(y, (rows(x), h * b, w * b, c))


@infers_shapes
def space_to_depth(x: Tensor, block_size: Any, data_format: DataFormat = "channels_last") -> Tensor:
    """The channels of one pixel from blocks of pixels; undoes `depth_to_space`.

    >>> space_to_depth(np.arange(4.0).reshape(1, 2, 2, 1), 2).ravel().tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    where = "space_to_depth"
    x, first, b = _blocks(where, x, block_size, data_format)
    h, w = x.shape[2:] if first else x.shape[1:3]
    if h % b or w % b:
        raise ValueError(
            f"{where}: expected height and width divisible by {b}, got shape {tuple(x.shape)}"
        )
    h, w = h // b, w // b
    if first:
        c = x.shape[1]
        y = np.transpose(np.reshape(x, (rows(x), c, h, b, w, b)), (0, 1, 3, 5, 2, 4))
        return np.reshape(y, (rows(x), c * b**2, h, w))
    c = x.shape[3]
    y = np.transpose(np.reshape(x, (rows(x), h, b, w, b, c)), (0, 1, 3, 2, 4, 5))
    return np.reshape(y, (rows(x), h, w, c * b**2))


def _blocks(where, x, block_size, data_format):
    """The input, whether its channels stand first, and the size of a block."""
    if not hasattr(block_size, "__index__") or block_size < 2:
        raise ValueError(
            f"{where}: expected `block_size` to be an integer >= 2, got {block_size!r}"
        )
    first = is_first(where, data_format)
    x = symbolic.as_array(x)
    if x.ndim != 4:
        raise ValueError(f"{where}: expected images of 4 dimensions, got shape {tuple(x.shape)}")
    return x, first, block_size.__index__()
