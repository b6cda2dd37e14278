"""Which numbers of an input matter to an output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pyseq.training import inside
from pyseq.visualize import drawing
from pyseq.visualize.convolutions import one_input
from pyseq.visualize.drawing import error

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pyseq.training.model import Model
    from pyseq.types import Array, Data, Names


def input_gradients(model: Model, x: Data, target: int | None = None, scores: bool = True) -> Array:
    """d output[target] / d x: how much the output grows for a little more of each number of x.

    Exact (reverse mode, in the model's dtype), and for the model as in `predict`: without dropout,
    with moving averages.

    Args:
        model: a built `Sequential` with one output.
        x: one input, of the model's shape, with or without the axis of rows.
        target: which number of the output, counted through all its axes; by default the largest.
        scores: take the score before a last softmax or sigmoid, as the source does: where a model
            is sure, the probability itself is flat. False for the output itself.

    Returns:
        An array of the shape of one input.

    Raises:
        ValueError: x is not one input, the output has no such number, or the model reads ids.
        TypeError: the model is no Sequential.

    Source: Simonyan, Vedaldi & Zisserman, "Deep inside convolutional networks" (2014), section 3.

    >>> import pyseq
    >>> model = pyseq.Sequential([pyseq.Input((3,)), pyseq.layers.Dense(1, use_bias=False)])
    >>> model.set_weights([np.array([[1.0], [-2.0], [0.5]])])
    >>> input_gradients(model, [4.0, 4.0, 4.0]).tolist()
    [1.0, -2.0, 0.5]
    """
    return _gradients(model, x, target, scores, "input_gradients")[0]


def _gradients(model, x, target, scores, where):
    """(gradients, the input, target, its output, number of outputs)."""
    rows = one_input(model, x, where)
    chosen = []

    def weights(outputs):
        size = outputs.shape[1]
        if target is None:
            k = int(outputs[0].argmax())
        elif isinstance(target, bool) or not isinstance(target, (int, np.integer)):
            raise error(
                where,
                "target to be a whole number",
                repr(target),
                "number outputs from 0",
                TypeError,
            )
        elif not -size <= target < size:
            raise error(where, f"a target below {size}", str(target), "number outputs from 0")
        else:
            k = int(target) % size
        chosen.append(k)
        return np.eye(size)[k : k + 1]

    found, outputs = inside.input_gradients(model, rows, weights, scores, f"visualize.{where}")
    return found[0], rows[0], chosen[0], outputs[0, chosen[0]], outputs.shape[1]


def saliency(
    model: Model,
    x: Data,
    target: int | None = None,
    scores: bool = True,
    labels: Names = None,
    ax: Axes | None = None,
) -> Figure:
    """Where a model looks: the gradient of an output with respect to one input.

    For an image, the input and beside it the largest absolute gradient among the channels of each
    pixel: a change at bright pixels changes the output most. For a series (steps, features) the
    signed gradients as a picture, for a vector as bars, those of the 20 features that matter most.

    Args:
        model: a built `Sequential` with one output.
        x: one input, of the model's shape, with or without the axis of rows.
        target: which number of the output, such as a class; by default the largest.
        scores: take the score before a last softmax or sigmoid; see `input_gradients`.
        labels: names of the features of a vector or a series.
        ax: axes to draw into; of an image, the gradients alone.

    Returns:
        The matplotlib `Figure`.

    Raises:
        ValueError: as `input_gradients`; labels that are not one for each feature.
        TypeError: the model is no Sequential.
        ImportError: matplotlib is not installed.

    Source: Simonyan, Vedaldi & Zisserman, "Deep inside convolutional networks" (2014), section 3.

    >>> import pyseq
    >>> model = pyseq.Sequential([pyseq.Input((2,)), pyseq.layers.Dense(1, use_bias=False)])
    >>> model.set_weights([np.array([[1.0], [-2.0]])])
    >>> figure = saliency(model, [1.0, 1.0], labels=["age", "weight"])
    >>> [float(bar.get_width()) for bar in figure.axes[0].patches]
    [-2.0, 1.0]
    """
    where = "saliency"
    slopes, shown, k, value, count = _gradients(model, x, target, scores, where)
    names = None if labels is None else [str(name) for name in labels]
    if names is not None and slopes.ndim < 3 and len(names) != slopes.shape[-1]:
        raise error(
            where,
            f"a label for each of {slopes.shape[-1]} features",
            f"{len(names)}",
            "add the others",
        )
    title = f"output {k}: {value:.3g}" if count > 1 else f"output {value:.3g}"
    if slopes.ndim == 3:
        return _image(where, slopes, shown, title, ax)
    if slopes.ndim == 2:
        return _series(where, slopes, title, names, ax)
    return _bars(where, slopes.reshape(-1), title, names, ax)


def _image(where, slopes, shown, title, ax):
    strength = np.abs(slopes).max(axis=-1)
    if ax is None:
        figure = drawing.new_figure(where, 6.6, 3.2)
        first, axis = figure.subplots(1, 2)
        picture, options = drawing.as_picture(shown)
        drawing.show(first, picture, "input", **options)
    else:
        figure, axis = drawing.one_axis(where, ax)
    image = drawing.show(axis, strength, title, cmap="magma", vmin=0)
    bar = figure.colorbar(image, ax=axis, fraction=0.046, pad=0.04)
    bar.set_label("|gradient|")
    bar.outline.set_visible(False)
    return figure


def _series(where, slopes, title, names, ax):
    figure, axis = drawing.one_axis(where, ax, 7.5, 1.6 + min(0.22 * slopes.shape[1], 6))
    limit = max(float(np.abs(slopes).max()), 1e-12)
    image = axis.imshow(
        slopes.T,
        cmap=drawing.SIGNED,
        vmin=-limit,
        vmax=limit,
        aspect="auto",
        interpolation="nearest",
    )
    axis.set_xlabel("step")
    axis.set_title(title)
    drawing.whole_ticks(axis)
    if names is None:
        axis.set_ylabel("feature")
        drawing.whole_ticks(axis, "y")
    else:
        axis.set_yticks(range(len(names)), names)
    bar = figure.colorbar(image, ax=axis, pad=0.02)
    bar.set_label("gradient")
    bar.outline.set_visible(False)
    return figure


def _bars(where, slopes, title, names, ax):
    order = np.argsort(-np.abs(slopes), kind="stable")[:20]
    figure, axis = drawing.one_axis(where, ax, 5.2, 1.2 + 0.25 * len(order))
    colors = [drawing.COLORS[0] if slopes[i] >= 0 else drawing.COLORS[1] for i in order]
    axis.barh(range(len(order)), slopes[order], color=colors)
    axis.set_yticks(range(len(order)), [names[i] if names else f"feature {i}" for i in order])
    axis.invert_yaxis()
    axis.axvline(0, color="black", linewidth=0.8)
    more = "" if len(order) == len(slopes) else f" ({len(order)} of {len(slopes)} features)"
    drawing.tidy(axis, "gradient", None, title + more)
    axis.tick_params(axis="y", length=0)
    return figure
