"""Predictions beside the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from pyseq.visualize import arrays, drawing
from pyseq.visualize.drawing import error

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pyseq.types import Data, Names

_WHERE = "predictions"


def predictions(
    y_true: Data,
    y_pred: Data,
    kind: Literal["scatter", "series"] = "scatter",
    labels: Names = None,
    ax: Axes | None = None,
) -> Figure:
    """Predicted numbers beside the true ones.

    "scatter" sets each prediction against its truth: on the dotted line it is right. A panel beside
    it shows the residuals, predicted - true, over the prediction: they should look alike
    everywhere. The title has R^2 = 1 - sum (t - p)^2 / sum (t - mean t)^2 and the mean absolute
    error. "series" draws both as lines over the steps, a panel for each output.

    Args:
        y_true, y_pred: (n,) or (n, outputs) numbers.
        kind: "scatter" or "series".
        labels: names of the outputs.
        ax: axes to draw into, without residuals; for a series, of one output.

    Returns:
        The matplotlib `Figure`.

    Raises:
        ValueError: shapes differ, numbers are not finite, `kind` is unknown, a series of several
            outputs for one `ax`.
        TypeError: the data are no numbers.
        ImportError: matplotlib is not installed.

    >>> figure = predictions([1.0, 2.0, 3.0], [[1.1], [2.0], [2.7]])
    >>> figure.axes[0].get_title()
    'R² 0.950, mean absolute error 0.133'
    >>> [line.get_label() for line in predictions([1, 2], [2, 2], "series").axes[0].lines]
    ['true', 'predicted']
    """
    truth, guess = (
        arrays.column(arrays.numbers(v, name, _WHERE))
        for v, name in ((y_true, "y_true"), (y_pred, "y_pred"))
    )
    if truth.shape != guess.shape or truth.ndim > 2:
        raise error(
            _WHERE,
            "y_true and y_pred of one shape, (n,) or (n, outputs)",
            f"{np.shape(y_true)} and {np.shape(y_pred)}",
            "pass the answers to the same rows",
        )
    truth, guess = truth.reshape(len(truth), -1), guess.reshape(len(guess), -1)
    count = truth.shape[1]
    names = [f"output {k}" for k in range(count)] if labels is None else [str(s) for s in labels]
    if len(names) != count:
        raise error(
            _WHERE, f"a label for each of {count} outputs", f"{len(names)}", "add the others"
        )
    if kind == "series":
        return _series(truth, guess, names, labels is not None, ax)
    if kind != "scatter":
        raise error(_WHERE, 'kind "scatter" or "series"', repr(kind), "choose one")
    return _scatter(truth, guess, names, ax)


def _series(truth, guess, names, named, ax):
    count = len(names)
    if ax is not None and count > 1:
        raise error(
            _WHERE, "one output for ax", str(count), "pass y_true[:, 0] and y_pred[:, 0], or no ax"
        )
    if ax is None:
        figure = drawing.new_figure(_WHERE, 8, 0.8 + 2 * count)
        panels = list(np.ravel(figure.subplots(count, 1, sharex=True)))
    else:
        figure, axis = drawing.one_axis(_WHERE, ax)
        panels = [axis]
    for k, axis in enumerate(panels):
        axis.plot(truth[:, k], color="#4D4D4D", linewidth=1.4, label="true")
        axis.plot(guess[:, k], "--", color=drawing.COLORS[1], linewidth=1.4, label="predicted")
        drawing.tidy(
            axis,
            "step" if k == count - 1 else None,
            names[k] if count > 1 or named else "value",
            _quality(truth[:, k], guess[:, k]),
        )
    drawing.legend(panels[0], 2)
    return figure


def _scatter(truth, guess, names, ax):
    beside = None
    if ax is None:
        figure = drawing.new_figure(_WHERE, 8.6, 3.9)
        axis, beside = figure.subplots(1, 2)
    else:
        figure, axis = drawing.one_axis(_WHERE, ax)
    ends = [min(truth.min(), guess.min()), max(truth.max(), guess.max())]
    # Many points lie on each other: the fainter, the more of them there are.
    alpha = float(np.clip(30 / np.sqrt(len(truth)), 0.15, 0.8))
    marks = "osD^vP*"
    axis.plot(ends, ends, ":", color="black", linewidth=1.2, zorder=3)
    for k, name in enumerate(names):
        look = {"color": drawing.COLORS[k % len(drawing.COLORS)], "alpha": alpha, "linewidths": 0}
        look |= {"s": 18, "marker": marks[k % len(marks)], "label": name}
        axis.scatter(truth[:, k], guess[:, k], **look)
        if beside is not None:
            beside.scatter(guess[:, k], guess[:, k] - truth[:, k], **look)
    drawing.tidy(axis, "true", "predicted", _quality(truth, guess))
    if len(names) > 1:
        drawing.legend(axis, len(names))
    if beside is not None:
        beside.axhline(0, color="black", linestyle=":", linewidth=1.2)
        drawing.tidy(beside, "predicted", "predicted - true", "residuals")
    return figure


def _quality(truth, guess):
    spread = np.sum((truth - truth.mean(axis=0)) ** 2)
    miss = np.abs(guess - truth).mean()
    text = f"mean absolute error {miss:.3g}"
    return f"R² {1 - np.sum((truth - guess) ** 2) / spread:.3f}, {text}" if spread else text
