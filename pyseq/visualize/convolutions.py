"""What a convolution looks for, and what it finds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pyseq.layers import convolution, convolution_depthwise, convolution_transpose
from pyseq.training import inside
from pyseq.visualize import drawing
from pyseq.visualize.drawing import error

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pyseq.layers.base import Layer
    from pyseq.training.model import Model
    from pyseq.types import Data

_DEPTHWISE = tuple(
    getattr(convolution_depthwise, name)
    for name in ("DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D")
)
_TRANSPOSED = (convolution_transpose.Conv1DTranspose, convolution_transpose.Conv2DTranspose)
_PLAIN = (convolution.Conv1D, convolution.Conv2D)


def filters(layer: Layer, n: int = 16, channels: int = 8) -> Figure:
    """The kernels of a convolution over images or steps, as small pictures.

    Kernels of one input channel are shown in red (above 0), white and blue (below), those of three
    as colours around grey. Of more channels each filter is a row with a picture for each of its
    first channels. A filter over steps is a picture of (input channels, steps). Filters that look
    like noise after training have learned little.

    Args:
        layer: a built Conv1D, Conv2D, DepthwiseConv1D, DepthwiseConv2D, SeparableConv1D,
            SeparableConv2D (its depthwise part), Conv1DTranspose or Conv2DTranspose.
        n: how many filters to show at most.
        channels: how many input channels of each to show at most, where there are more than three.

    Returns:
        The matplotlib `Figure`.

    Raises:
        TypeError: another kind of layer.
        ValueError: the layer is not built; n or channels below 1.
        ImportError: matplotlib is not installed.

    >>> from pyseq import layers
    >>> layer = layers.Conv2D(4, 3)
    >>> layer.build((None, 8, 8, 1))
    >>> [axis.get_title() for axis in filters(layer).axes[:4]]
    ['0', '1', '2', '3']
    """
    where = "filters"
    _count(n, "n", where)
    _count(channels, "channels", where)
    kernel = _kernel(layer, where)
    size, depth, most = math.prod(kernel.shape[:-2]), kernel.shape[-2], kernel.shape[-1]
    limit = max(float(np.abs(kernel).max()), 1e-12)
    signed = {"cmap": drawing.SIGNED, "vmin": -limit, "vmax": limit}
    title = f"{layer.name}: {_of(most, n, 'filters')} of {' x '.join(map(str, kernel.shape[:-2]))}"
    shown = min(n, most)
    if kernel.ndim == 3:  # (steps, channels, filters)
        tiles = [(kernel[..., k].T, str(k), signed) for k in range(shown)]
        return _tiles(where, tiles, title, "channel", "step")
    if depth == 3:
        colors = 0.5 + kernel / (2 * limit)
        tiles = [(colors[..., k], str(k), {}) for k in range(shown)]
        return _tiles(where, tiles, f"{title}, grey is 0")
    if depth == 1 or size == 1:
        flat = kernel if depth == 1 else kernel.transpose(2, 0, 1, 3).reshape(depth, 1, 1, -1)
        tiles = [(flat[..., 0, k], str(k), signed) for k in range(shown)]
        if depth > 1:  # 1 x 1: the weights of the channels, one below the other
            title = f"{layer.name}: {_of(most, n, 'filters')} of 1 x 1, channels from top to bottom"
        return _tiles(where, tiles, title)
    wide = min(channels, depth)
    figure = drawing.new_figure(where, 0.9 * wide + 1.6, 0.9 * shown + 0.7)
    panels = drawing.grid(figure, shown * wide, wide)
    for at, axis in enumerate(panels):
        k, channel = divmod(at, wide)
        name = f"channel {channel}" if k == 0 else None
        image = drawing.show(axis, kernel[..., channel, k], name, **signed)
        if channel == 0:
            axis.set_ylabel(k, rotation=0, ha="right", va="center")
    figure.colorbar(image, ax=panels, fraction=0.03, pad=0.02).outline.set_visible(False)
    figure.suptitle(f"{title} x {depth}", fontsize="medium")
    return figure


def activations(model: Model, layer: Layer | str | int, x: Data, n: int = 16) -> Figure:
    """What each channel of a layer answers to one input: its feature maps.

    Bright is a strong answer. Over steps, a picture of (channels, steps). Channels that are the
    same everywhere found nothing in this input; if they never do, they are dead.

    Args:
        model: the `Sequential` that holds the layer.
        layer: a layer of it, of a model within it too, or its name or number.
        x: one input, of the model's shape, with or without the axis of rows.
        n: how many channels to show at most.

    Returns:
        The matplotlib `Figure`. For an image, the first picture is the input.

    Raises:
        ValueError: the layer is not part of the model, its output has no channels over steps or
            an image, or x is not one input.
        ImportError: matplotlib is not installed.

    >>> import pyseq
    >>> model = pyseq.Sequential([pyseq.Input((8, 8, 1)), pyseq.layers.Conv2D(3, 3)])
    >>> figure = activations(model, 0, np.ones((8, 8, 1)))
    >>> [axis.get_title() for axis in figure.axes[:4]]
    ['input', '0', '1', '2']
    """
    where = "activations"
    _count(n, "n", where)
    check_model(model, where)
    layer = _layer(model, layer, where)
    rows = one_input(model, x, where)
    values = inside.layer_output(model, layer, rows)
    if values is None or values.ndim not in (3, 4):
        got = "none" if values is None else f"output of shape {values.shape}"
        raise error(
            where,
            "a layer with channels over steps or an image",
            f"{got} of {layer.name}",
            "take a convolution or a pooling layer",
        )
    values = values[0]
    if getattr(layer, "data_format", None) == "channels_first":
        values = np.moveaxis(values, 0, -1)
    title = f"{layer.name}: {_of(values.shape[-1], n, 'channels')}"
    if values.ndim == 2:
        shown = values[:, :n].T
        figure, axis = drawing.one_axis(where, None, 7.5, 1.2 + 0.18 * len(shown))
        image = axis.imshow(shown, cmap="viridis", aspect="auto", interpolation="nearest")
        axis.set_xlabel("step")
        axis.set_ylabel("channel")
        drawing.whole_ticks(axis)
        drawing.whole_ticks(axis, "y")
        axis.set_title(title)
        figure.colorbar(image, ax=axis, pad=0.02).outline.set_visible(False)
        return figure
    options = {"cmap": "viridis", "vmin": float(values.min()), "vmax": float(values.max())}
    tiles = [(values[..., k], str(k), options) for k in range(min(n, values.shape[-1]))]
    if rows.ndim == 4 and rows.dtype.kind in "fiub":
        picture, look = drawing.as_picture(rows[0])
        tiles.insert(0, (picture, "input", look))
    return _tiles(where, tiles, title)


def check_model(model, where):
    """Raise a TypeError if the model is no Sequential."""
    if not hasattr(model, "_stack"):
        raise error(
            where,
            "a Sequential model",
            type(model).__name__,
            "pass the model whose layers are run one after the other",
            TypeError,
        )


def one_input(model, x, where):
    """One input with the axis of rows, as the program of the model takes it."""
    check_model(model, where)
    shape = model._input_batch_shape
    x = np.asarray(x.numpy() if hasattr(x, "numpy") else x)
    if shape is not None and x.ndim == len(shape) - 1:
        x = x[None]
    if len(x) != 1 if x.ndim else True:
        what = f"shape {x.shape}" if shape is None else f"shape {x.shape} for a model of {shape}"
        raise error(where, "x to be one input", what, "pass x[i] of the rows that you have")
    return inside.entered(model, x, f"visualize.{where}: x")


def _layer(model, layer, where):
    if isinstance(layer, bool) or not isinstance(layer, (int, np.integer, str)):
        if layer in _within(model):
            return layer
        name = getattr(layer, "name", repr(layer))
        raise error(where, "a layer of the model", name, f"choose one of {_names(model)}")
    if isinstance(layer, str):
        for part in _within(model):
            if part.name == layer:
                return part
        raise error(
            where, "the name of a layer of the model", repr(layer), f"choose one of {_names(model)}"
        )
    if not -len(model.layers) <= layer < len(model.layers):
        raise error(where, f"a number below {len(model.layers)}", str(layer), "count layers from 0")
    return model.layers[layer]


def _within(model):
    found = []
    for part in getattr(model, "layers", ()):
        found += [part, *_within(part)]
    return found


def _names(model):
    return [part.name for part in _within(model)]


def _kernel(layer, where):
    """(..., channels, filters) of a layer."""
    known = (*_PLAIN, *_DEPTHWISE, *_TRANSPOSED)
    if not isinstance(layer, known):
        what = getattr(layer, "name", None)
        raise error(
            where,
            "a convolution over steps or images, such as Conv2D",
            f"{what} ({type(layer).__name__})" if what else type(layer).__name__,
            "pass one, as model.layers[0]",
            TypeError,
        )
    if not layer.built:
        raise error(
            where,
            "a layer with weights",
            f"{layer.name}, which is not built",
            "call it or the model once",
        )
    kernel = getattr(layer, "depthwise_kernel", None)
    kernel = np.asarray((layer.kernel if kernel is None else kernel).numpy(), "float64")
    if isinstance(layer, _DEPTHWISE):
        return kernel.reshape(*kernel.shape[:-2], 1, -1)
    return kernel.swapaxes(-1, -2) if isinstance(layer, _TRANSPOSED) else kernel


def _count(value, name, where):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise error(where, f"{name} of 1 or more", repr(value), "leave it out for the usual number")


def _of(count, most, what):
    return f"{count} {what}" if count <= most else f"{most} of {count} {what}"


def _tiles(where, tiles, title, y=None, x=None):
    """A figure of small pictures `(array, title, options of imshow)`."""
    # As few empty places as can be, in as few rows.
    columns = min(
        range(min(8, len(tiles)), min(4, len(tiles) - 1), -1), key=lambda c: -len(tiles) % c
    )
    rows = -(-len(tiles) // columns)
    high = max(1.0, min(2.0, tiles[-1][0].shape[0] / tiles[-1][0].shape[1]))
    width = max(1.05 * columns + 0.6, 3.6)
    figure = drawing.new_figure(where, width, 1.25 * rows * high + 0.5)
    panels = drawing.grid(figure, len(tiles), columns)
    last = None
    for axis, (picture, name, options) in zip(panels, tiles):
        image = drawing.show(axis, picture, name, **options)
        last = image if name != "input" and "vmin" in options else last
    if y:
        panels[0].set_ylabel(y)
        panels[0].set_xlabel(x)
    if last is not None:
        figure.colorbar(last, ax=panels, fraction=0.03, pad=0.02).outline.set_visible(False)
    figure.suptitle(title, fontsize="medium")
    return figure
