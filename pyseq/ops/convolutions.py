"""Convolutions: plain, depthwise, separable and transposed, in one to three dimensions.

In a trace, a kernel that is a weight or a constant gives the op of the core; with any other, and on
arrays, a convolution is a sum of matrix products, one for each entry of the window.
"""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import hooks, symbolic
from pyseq.ops.patches import is_first, pad, rows, spatial_rank, spread, taps, tensors
from pyseq.ops.promotion import counted, operation
from pyseq.spatial import padding_of, transposed_window, tuple_of, window_output, window_pads

if TYPE_CHECKING:
    from pyseq.types import DataFormat, Size, Tensor

__all__ = ["conv", "conv_transpose", "depthwise_conv", "separable_conv"]


@operation(counted, tensors=2)
def conv(
    inputs: Tensor,
    kernel: Tensor,
    strides: Size = 1,
    padding: str = "valid",
    data_format: DataFormat = None,
    dilation_rate: Size = 1,
) -> Tensor:
    """Convolution: y[t, f] = sum_{i, c} x[s t + d i - left, c] kernel[i, c, f].

    Args:
        inputs: `(n, ..., c)` of one to three spatial axes, or `(n, c, ...)`.
        kernel: `(sizes..., c / groups, filters)`; group j of the filters sees group j of channels.
        strides, dilation_rate: an integer, or one for each spatial axis.
        padding: `"valid"`, or `"same"` for `ceil(length / stride)` outputs.
        data_format: `"channels_last"` or `"channels_first"`; the configured one when None.

    Raises:
        ValueError: shapes or arguments do not fit together.

    >>> conv(np.ones((1, 4, 1)), np.ones((2, 1, 3)), strides=2).shape
    (1, 2, 3)
    """
    windows = _Windows("conv", inputs, kernel, strides, padding, data_format, dilation_rate)
    x, kernel = windows.x, windows.kernel
    channels, (part, filters) = x.shape[-1], kernel.shape[-2:]
    if not part or channels % part or filters % (channels // part):
        raise ValueError(
            f"conv: expected a kernel (..., c / groups, groups * n) for {channels} channels, got "
            f"shape {tuple(kernel.shape)}; groups is the quotient of the two numbers of channels"
        )
    groups = channels // part
    y = windows.core("conv", filters, groups=groups)
    if y is None:
        y = windows.sum(lambda x, w: _grouped(x, w, groups))
    return windows.finish(y)


@operation(counted, tensors=2)
def depthwise_conv(
    inputs: Tensor,
    kernel: Tensor,
    strides: Size = 1,
    padding: str = "valid",
    data_format: DataFormat = None,
    dilation_rate: Size = 1,
) -> Tensor:
    """Convolution of each channel by itself; output channel c m + j is filter j of channel c.

    Args as for `conv`; `kernel` is `(sizes..., c, m)`.

    >>> depthwise_conv(np.ones((1, 4, 2)), np.ones((3, 2, 2))).shape
    (1, 2, 4)
    """
    windows = _Windows(
        "depthwise_conv", inputs, kernel, strides, padding, data_format, dilation_rate
    )
    channels, many = windows.kernel.shape[-2:]
    windows.check_channels(channels)
    y = windows.core("depthwise_conv", channels * many)
    if y is None:
        y = windows.sum(lambda x, w: _merged(np.expand_dims(x, -1) * w, channels * many))
    return windows.finish(y)


@operation(counted, tensors=3)
def separable_conv(
    inputs: Tensor,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Size = 1,
    padding: str = "valid",
    data_format: DataFormat = None,
    dilation_rate: Size = 1,
) -> Tensor:
    """`depthwise_conv`, then a `conv` whose windows hold one entry.

    Args as for `conv`; kernels `(sizes..., c, m)` and `(1..., c m, filters)`.

    >>> separable_conv(np.ones((1, 4, 2)), np.ones((3, 2, 2)), np.ones((1, 4, 5))).shape
    (1, 2, 5)
    """
    y = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(y, pointwise_kernel, data_format=data_format)


@operation(counted, tensors=2)
def conv_transpose(
    inputs: Tensor,
    kernel: Tensor,
    strides: Size = 1,
    padding: str = "valid",
    output_padding: Any = None,
    data_format: DataFormat = None,
    dilation_rate: Size = 1,
) -> Tensor:
    """Transposed convolution: each x[t] adds x[t] kernel[i] to y[s t + d i - cut].

    Args as for `conv`; `kernel` is `(sizes..., filters, c)`.

    Args:
        padding: `"valid"` keeps everything that is reached, `"same"` gives `length * stride`.
        output_padding: moves the end of the output; None derives it.

    >>> conv_transpose(np.ones((1, 4, 1)), np.ones((3, 2, 1)), strides=2).shape
    (1, 9, 2)
    """
    where = "conv_transpose"
    windows = _Windows(
        where, inputs, kernel, strides, padding, data_format, dilation_rate, transposed=True
    )
    filters, channels = windows.kernel.shape[-2:]
    windows.check_channels(channels)
    rank, sizes = windows.rank, windows.sizes
    if output_padding is None:
        output_padding = (None,) * rank
    else:
        output_padding = tuple_of(where, "output_padding", output_padding, rank, least=0)
    axes = [
        transposed_window(*given)
        for given in zip(
            windows.x.shape[1:-1],
            sizes,
            windows.strides,
            windows.dilations,
            [windows.padding] * rank,
            output_padding,
        )
    ]
    windows.counts, cuts = ([pair[i] for pair in axes] for i in (0, 1))
    if min(windows.counts) < 1:
        raise ValueError(
            f"{where}: expected an output of at least 1 along each spatial axis, got "
            f"{tuple(windows.counts)}; use a larger input, stride or output_padding"
        )
    y = windows.core("conv_transpose", filters, pads=cuts, output=windows.counts)
    if y is None:
        y = _from_spread(windows, cuts)
    return windows.finish(y)


def _from_spread(windows, cuts):
    """A transposed convolution as one of stride 1 over entries with zeros between them."""
    reaches = [(k - 1) * d for k, d in zip(windows.sizes, windows.dilations)]
    x = spread(windows.x, 1, windows.strides)
    begin = [reach - cut for reach, cut in zip(reaches, cuts)]
    end = [
        out + reach - before - length
        for out, reach, before, length in zip(windows.counts, reaches, begin, x.shape[1:-1])
    ]
    windows.x, windows.begin, windows.end = x, begin, end
    windows.strides = (1,) * windows.rank
    backwards = (slice(None, None, -1),) * windows.rank
    windows.kernel = np.swapaxes(windows.kernel[backwards], -1, -2)
    return windows.sum(np.matmul)


class _Windows:
    """The arguments of a convolution, checked, with the channels last."""

    def __init__(
        self, where, x, kernel, strides, padding, data_format, dilation_rate, transposed=False
    ):
        x, self.kernel = tensors(x, kernel)
        self.where, self.first = where, is_first(where, data_format)
        self.rank = spatial_rank(where, x)
        if self.kernel.ndim != self.rank + 2:
            raise ValueError(
                f"{where}: expected a kernel of {self.rank + 2} dimensions for an input of "
                f"shape {tuple(x.shape)}, got shape {tuple(self.kernel.shape)}"
            )
        self.x = np.moveaxis(x, 1, -1) if self.first else x
        self.sizes = tuple(self.kernel.shape[:-2])
        self.strides = tuple_of(where, "strides", strides, self.rank)
        self.dilations = tuple_of(where, "dilation_rate", dilation_rate, self.rank)
        self.padding = padding_of(where, padding)
        if transposed:
            return
        axes = list(zip(self.x.shape[1:-1], self.sizes, self.strides, self.dilations))
        self.counts = [window_output(where, *a, self.padding, i) for i, a in enumerate(axes)]
        self.begin, self.end = zip(*(window_pads(*a, self.padding) for a in axes))

    def check_channels(self, channels):
        if self.x.shape[-1] != channels:
            raise ValueError(
                f"{self.where}: expected as many channels as the kernel takes, {channels} of shape "
                f"{tuple(self.kernel.shape)}, got {self.x.shape[-1]}; data_format says where they "
                "stand"
            )

    def core(self, kind, filters, **attrs):
        """The op of the core in a trace, or None where it has none."""
        if not symbolic.is_traced(self.x):
            return None
        attrs = {"strides": self.strides, "dilations": self.dilations, **attrs}
        if kind != "conv_transpose":
            attrs.update(pads_begin=self.begin, pads_end=self.end)
        return hooks.ask(
            "window_op", self.x, kind, (*self.counts, filters), kernel=self.kernel, **attrs
        )

    def sum(self, product):
        """The sum of products of what each entry of the windows sees and its part of the kernel."""
        x = pad(self.x, 1, self.begin, self.end)
        parts = taps(x, 1, self.sizes, self.strides, self.dilations, self.counts)
        return functools.reduce(operator.add, (product(part, self.kernel[o]) for o, part in parts))

    def finish(self, y):
        return np.moveaxis(y, -1, 1) if self.first else y


def _grouped(x, w, groups):
    """Matrix products of groups of channels with groups of filters."""
    if groups == 1:
        return np.matmul(x, w)
    *lengths, channels = x.shape[1:]
    part, filters = w.shape
    # (n, groups, pixels, part) @ (groups, part, filters of a group)
    x = np.reshape(x, (rows(x), int(np.prod(lengths)), groups, channels // groups))
    w = np.swapaxes(np.reshape(w, (part, groups, filters // groups)), 0, 1)
    y = np.swapaxes(np.matmul(np.swapaxes(x, 1, 2), w), 1, 2)
    return np.reshape(y, (rows(y), *lengths, filters))


def _merged(y, channels):
    return np.reshape(y, (rows(y), *y.shape[1:-2], channels))
