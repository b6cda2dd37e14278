"""Confusion matrices and the curves of classifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from pyseq.visualize import arrays, drawing, points
from pyseq.visualize.drawing import error

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pyseq.types import Data, Names

_MOST_TEXTS = 25  # classes whose cells still have room for numbers


def confusion_matrix(
    y_true: Data,
    y_pred: Data,
    labels: Names = None,
    normalize: Literal["true", "pred", "all"] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """How often each class (rows) was taken for each (columns); right answers are the diagonal.

    Args:
        y_true: (n,) ids or names of classes, or (n, classes) one-hot.
        y_pred: the same, or what `predict` gave: (n, classes), or (n,) or (n, 1) probabilities of
            class 1, which count as class 1 above 0.5.
        labels: names of classes 0, 1, ...; for classes that are names, their order.
        normalize: None for counts, "true" for shares of each row, "pred" of each column, "all" of
            all rows of data.
        ax: axes to draw into.

    Returns:
        The matplotlib `Figure`.

    Raises:
        ValueError: rows differ in number, a class has no label, `normalize` is unknown.
        TypeError: the data are neither numbers nor names.
        ImportError: matplotlib is not installed.

    >>> figure = confusion_matrix([0, 1, 1, 1], [0, 1, 1, 0], labels=["cat", "dog"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['1', '0', '1', '2']
    """
    where = "confusion_matrix"
    truth, guess = (
        arrays.classes(v, name, where) for v, name in ((y_true, "y_true"), (y_pred, "y_pred"))
    )
    arrays.same_rows(where, y_true=truth, y_pred=guess)
    names, truth, guess = _numbered(truth, guess, labels, np.shape(y_pred), where)
    size = len(names)
    counts = np.bincount(truth * size + guess, minlength=size * size).reshape(size, size)
    shares = {None: None, "true": 1, "pred": 0, "all": (0, 1)}
    if not isinstance(normalize, (str, type(None))) or normalize not in shares:
        raise error(where, 'normalize None, "true", "pred" or "all"', repr(normalize), "choose one")
    cells = counts
    if normalize is not None:
        total = counts.sum(axis=shares[normalize], keepdims=True)
        cells = counts / np.maximum(total, 1)
    side = min(max(3.4, 1.6 + 0.55 * size), 11)
    figure, axis = drawing.one_axis(where, ax, side + 0.7, side)
    top = 1.0 if normalize in ("true", "pred") else max(cells.max(), 1e-12)
    image = axis.imshow(cells, cmap=drawing.AMOUNTS, vmin=0, vmax=top)
    _write_cells(axis, image, cells, normalize, size)
    bar = figure.colorbar(image, ax=axis, fraction=0.046, pad=0.04)
    bar.set_label(
        {None: "rows of data", "all": "share of all"}.get(
            normalize, f"share of {'row' if normalize == 'true' else 'column'}"
        )
    )
    bar.outline.set_visible(False)
    slanted = max(map(len, names)) > 3 and size > 2
    axis.set_xticks(
        range(size),
        names,
        rotation=40 if slanted else 0,
        ha="right" if slanted else "center",
        rotation_mode="anchor" if slanted else None,
    )
    axis.set_yticks(range(size), names)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.set_xlabel("predicted")
    axis.set_ylabel("true")
    axis.set_title(f"accuracy {np.trace(counts) / len(truth):.1%}")
    return figure


def _write_cells(axis, image, cells, normalize, size):
    if size > _MOST_TEXTS:
        return
    for (row, column), value in np.ndenumerate(cells):
        text = str(value) if normalize is None else f"{value:.2f}"
        if size > 6 and value == 0:
            text = ""  # most cells of a good classifier
        axis.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            color=drawing.text_color(image, value),
            fontsize=10 if size <= 10 else 7,
        )


def _numbered(truth, guess, labels, shape, where):
    """Names of the classes, and both arrays as ids of them."""
    if truth.dtype.kind in "US" or guess.dtype.kind in "US":
        if truth.dtype.kind != guess.dtype.kind:
            if labels is None or truth.dtype.kind not in "US":
                raise error(
                    where,
                    "both as names or both as ids",
                    f"{truth.dtype} and {guess.dtype}",
                    "pass labels=[...] in the order of the outputs",
                    TypeError,
                )
            guess = _named(guess, labels, where)
        both = np.unique(np.concatenate([truth.astype(str), guess.astype(str)]))
        names = both.tolist() if labels is None else [str(n) for n in labels]
        missing = sorted(set(both.tolist()) - set(names))
        if missing:
            raise error(
                where, "a label for each class", f"none for {missing[0]!r}", "add it to labels"
            )
        at = {name: i for i, name in enumerate(names)}
        return names, *(np.array([at[str(v)] for v in values]) for values in (truth, guess))
    low, high = int(min(truth.min(), guess.min())), int(max(truth.max(), guess.max()))
    if low < 0:
        raise error(where, "classes from 0 up", str(low), "number the classes from 0")
    outputs = shape[1] if len(shape) == 2 and shape[1] > 1 else 0
    names = [str(n) for n in labels] if labels is not None else None
    count = len(names) if names is not None else max(high + 1, outputs, 2)
    if names is not None and count < max(high + 1, outputs):
        raise error(
            where,
            f"a label for each of {max(high + 1, outputs)} classes",
            f"{count} labels",
            "add the others",
        )
    if count > 500:
        raise error(where, "at most 500 classes", str(count), "pass the rows of those that matter")
    return names or [str(k) for k in range(count)], truth, guess


def _named(ids, labels, where):
    if ids.max() >= len(labels) or ids.min() < 0:
        raise error(
            where,
            f"a label for each class up to {ids.max()}",
            f"{len(labels)} labels",
            "add the others",
        )
    return np.array([str(labels[i]) for i in ids])


def roc_curve(y_true: Data, y_score: Data, labels: Names = None, ax: Axes | None = None) -> Figure:
    """True positive rate over false positive rate for every threshold, with the area in the legend.

    One curve for two classes, one for each class against the rest for more. 0.5 is chance, 1 all
    right. Source: Fawcett, "An introduction to ROC analysis" (2006).

    Args:
        y_true: (n,) ids, or names where `labels` has them, or (n, classes) one-hot.
        y_score: (n,) or (n, 1) scores of class 1, or (n, classes), as `predict` gives them.
        labels: names of the classes in the order of the outputs.
        ax: axes to draw into.

    Returns:
        The matplotlib `Figure`.

    Raises:
        ValueError: rows differ in number, classes and scores do not match, one class alone.
        TypeError: scores that are no numbers.
        ImportError: matplotlib is not installed.

    >>> figure = roc_curve([0, 1, 0, 1], [0.1, 0.4, 0.4, 0.8])
    >>> figure.axes[0].lines[1].get_label()
    'AUC 0.875'
    """
    where = "roc_curve"
    found = arrays.scores(y_true, y_score, labels, where)
    figure, axis = drawing.one_axis(where, ax, 4.8 + 1.4 * (len(found) > 6), 4.4)
    axis.plot([0, 1], [0, 1], color=drawing.GREY, linewidth=1, linestyle=":", label="chance")
    for i, (name, truth, scores) in enumerate(found):
        if not 0 < np.count_nonzero(truth) < len(truth):
            axis.plot([], [], **drawing.look(i), label=f"{name}: no rows to tell apart")
            continue
        x, y, area = points.roc(truth, scores)
        axis.plot(x, y, **drawing.look(i), label=_label(name, area))
    _square(axis, "false positive rate", "true positive rate", len(found))
    return figure


def precision_recall_curve(
    y_true: Data, y_score: Data, labels: Names = None, ax: Axes | None = None
) -> Figure:
    """Precision over recall for every threshold, with the area in the legend.

    Says more than the ROC curve where one class is rare. The area is that below the steps, the
    average precision: sum of (R_k - R_(k-1)) P_k (Manning, Raghavan & Schütze, Introduction to
    Information Retrieval, 2008, chapter 8.4). Chance is the share of the class, a dotted line for
    two classes.

    Args:
        y_true, y_score, labels, ax: as for `roc_curve`.

    Returns:
        The matplotlib `Figure`.

    Raises:
        ValueError: rows differ in number, classes and scores do not match, one class alone.
        TypeError: scores that are no numbers.
        ImportError: matplotlib is not installed.

    >>> figure = precision_recall_curve([0, 1, 0, 1], [0.1, 0.4, 0.3, 0.8])
    >>> figure.axes[0].lines[1].get_label()
    'AUC 1.000'
    """
    where = "precision_recall_curve"
    found = arrays.scores(y_true, y_score, labels, where)
    figure, axis = drawing.one_axis(where, ax, 4.8 + 1.4 * (len(found) > 6), 4.4)
    if len(found) == 1:
        share = found[0][1].mean()
        axis.plot(
            [0, 1],
            [share, share],
            color=drawing.GREY,
            linewidth=1,
            linestyle=":",
            label=f"chance ({share:.2f})",
        )
    for i, (name, truth, scores) in enumerate(found):
        if not 0 < np.count_nonzero(truth) < len(truth):
            axis.plot([], [], **drawing.look(i), label=f"{name}: no rows to tell apart")
            continue
        x, y, area = points.precision_recall(truth, scores)
        # From one recall to the next, the precision is that of the next.
        axis.plot(x, y, **drawing.look(i), drawstyle="steps-pre", label=_label(name, area))
    _square(axis, "recall", "precision", len(found))
    return figure


def _label(name, area):
    return f"{name}: AUC {area:.3f}" if name else f"AUC {area:.3f}"


def _square(axis, x, y, count):
    drawing.tidy(axis, x, y)
    axis.set_xlim(-0.02, 1.02)
    axis.set_ylim(-0.02, 1.02)
    axis.set_aspect("equal")
    drawing.legend(axis, count)


def calibration_curve(
    y_true: Data,
    y_prob: Data,
    bins: int = 10,
    labels: Names = None,
    ax: Axes | None = None,
) -> Figure:
    """Whether probabilities mean what they say: of the rows given 0.8, are 80 % of the class?

    Rows are put into bins of equal width by their probability. For two classes it is that of class
    1; for more, that of the predicted class, against the share of right answers. Below the diagonal
    a model is too sure. ECE is the mean distance, weighted by rows. Without `ax`, a panel below
    shows how many rows each bin has. Source: Guo et al., "On calibration of modern neural
    networks" (2017).

    Args:
        y_true: as for `roc_curve`.
        y_prob: (n,) or (n, 1) probabilities of class 1, or (n, classes).
        bins: number of bins, 2 or more.
        labels: names of the classes in the order of the outputs, where y_true has names.
        ax: axes to draw the curve alone into.

    Returns:
        The matplotlib `Figure`.

    Raises:
        ValueError: numbers outside [0, 1], such as logits; fewer than 2 bins; rows that differ in
            number.
        TypeError: probabilities that are no numbers.
        ImportError: matplotlib is not installed.

    >>> figure = calibration_curve([0, 0, 1, 1], [0.2, 0.2, 0.7, 0.9], bins=2)
    >>> figure.axes[0].lines[1].get_label()
    'ECE 0.200'
    >>> figure.axes[0].lines[1].get_ydata().tolist()
    [0.0, 1.0]
    """
    where = "calibration_curve"
    if isinstance(bins, bool) or not isinstance(bins, (int, np.integer)) or bins < 2:
        raise error(where, "bins of 2 or more", repr(bins), "10 is usual")
    prob = arrays.column(arrays.numbers(y_prob, "y_prob", where))
    if prob.min() < 0 or prob.max() > 1:
        raise error(
            where,
            "probabilities from 0 to 1",
            f"{prob.min():.3g} to {prob.max():.3g}",
            "put logits through pyseq.ops.sigmoid or pyseq.ops.softmax",
        )
    found = arrays.scores(y_true, prob, labels, where)
    _, truth, scores = found[0]
    if len(found) > 1:
        truth = np.stack([t for _, t, _ in found], axis=1)[np.arange(len(prob)), prob.argmax(1)]
        scores = prob.max(axis=1)
    edges = np.linspace(0, 1, bins + 1)
    mean, hits, rows, ece = points.reliability(truth, scores, edges)
    below = None
    if ax is None:
        figure = drawing.new_figure(where, 4.6, 5)
        axis, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    else:
        figure, axis = drawing.one_axis(where, ax)
    several = len(found) > 1
    axis.plot([0, 1], [0, 1], color=drawing.GREY, linewidth=1, linestyle=":", label="exact")
    axis.plot(mean, hits, marker="o", color=drawing.COLORS[0], label=f"ECE {ece:.3f}")
    x = "probability of the predicted class" if several else "predicted probability"
    y = "share of right answers" if several else "share of class 1"
    if labels is not None and not several:
        y = f"share of {found[0][0]}"
    drawing.tidy(axis, None if below is not None else x, y)
    axis.set_xlim(-0.02, 1.02)
    axis.set_ylim(-0.02, 1.02)
    drawing.legend(axis, 2)
    if below is not None:
        below.bar(
            edges[:-1],
            rows,
            np.diff(edges),
            align="edge",
            color=drawing.COLORS[5],
            edgecolor="white",
        )
        drawing.tidy(below, x, "rows", lines=False)
        drawing.whole_ticks(below, "y", 3)
    return figure
