"""The images that a model gets wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pyseq.visualize import arrays, drawing
from pyseq.visualize.drawing import error

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pyseq.types import Data, Names

_WHERE = "error_gallery"


def error_gallery(x: Data, y: Data, predictions: Data, n: int = 12, labels: Names = None) -> Figure:
    """The images with the most confident mistakes, the surest first.

    They show what a model cannot see, and which labels are wrong. Each title says what the model
    took the image for, how sure it was, and what it is.

    Args:
        x: images (n, H, W) or (n, H, W, channels), of any range.
        y: (n,) ids or names of classes, or (n, classes) one-hot.
        predictions: what `predict` gave for x: (n, classes), or (n,) or (n, 1) probabilities of
            class 1.
        n: how many to show at most.
        labels: names of the classes in the order of the outputs.

    Returns:
        The matplotlib `Figure`.

    Raises:
        ValueError: x holds no images, rows differ in number, classes do not match the outputs.
        ImportError: matplotlib is not installed.

    >>> images = np.zeros((3, 8, 8))
    >>> figure = error_gallery(images, [0, 1, 1], [[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]], n=1)
    >>> figure.axes[0].get_title()
    '0 (80%)\\nis 1'
    """
    images = arrays.numbers(x, "x", _WHERE)
    if images.ndim not in (3, 4):
        raise error(
            _WHERE,
            "x of images (n, H, W) or (n, H, W, channels)",
            f"shape {images.shape}",
            "reshape it, or leave out what is no image",
        )
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise error(_WHERE, "n of 1 or more", repr(n), "12 fit well")
    prob = arrays.column(arrays.numbers(predictions, "predictions", _WHERE))
    found = arrays.scores(y, prob, labels, _WHERE, alone=True)
    arrays.same_rows(_WHERE, x=images, predictions=prob)
    if len(found) == 1:
        prob = prob if prob.ndim == 1 else prob[:, 1]
        prob = np.stack([1 - prob, prob], axis=1)
        truth = found[0][1].astype(int)
    else:
        truth = np.stack([t for _, t, _ in found], axis=1).argmax(axis=1)
    names = [str(k) for k in range(prob.shape[1])] if labels is None else list(map(str, labels))
    guess = prob.argmax(axis=1)
    wrong = np.flatnonzero(guess != truth)
    wrong = wrong[np.argsort(-prob[wrong, guess[wrong]], kind="stable")][:n]
    if not len(wrong):
        figure, axis = drawing.one_axis(_WHERE, None, 4, 1)
        axis.set_axis_off()
        axis.text(0.5, 0.5, f"no mistakes in {len(images)} images", ha="center", va="center")
        return figure
    columns = min(6, len(wrong))
    rows = -(-len(wrong) // columns)
    figure = drawing.new_figure(_WHERE, max(1.5 * columns, 2.4), 1.85 * rows + 0.4)
    for axis, i in zip(drawing.grid(figure, len(wrong), columns), wrong):
        picture, options = drawing.as_picture(images[i])
        sure = f" ({prob[i, guess[i]]:.0%})" if 0 <= prob[i].min() and prob[i].max() <= 1 else ""
        drawing.show(axis, picture, f"{names[guess[i]]}{sure}\nis {names[truth[i]]}", **options)
    count = np.count_nonzero(guess != truth)
    figure.suptitle(f"{count} of {len(images)} wrong", fontsize="medium")
    return figure
