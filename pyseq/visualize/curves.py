"""Learning curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq.visualize import drawing
from pyseq.visualize.drawing import error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WHERE = "learning_curves"


def learning_curves(
    histories: Any, metrics: str | Sequence[str] | None = None, ax: Axes | None = None
) -> Figure:
    """Loss and metrics over the epochs: a panel for each, training solid, validation dashed.

    A training curve that falls while validation rises is overfitting. With one history a dot marks
    the epoch with the lowest validation loss.

    Args:
        histories: what `fit` returned, its `history` dict, a list of them, or a dict
            `{name: history}`, whose names the legend shows.
        metrics: names such as `["loss", "accuracy"]`, without `val_`; all of them by default.
        ax: axes to draw into, where one metric is drawn.

    Returns:
        The matplotlib `Figure`.

    Raises:
        ValueError: no history has an epoch, a metric is not in any, or there are several for `ax`.
        TypeError: `histories` is none of the above.
        ImportError: matplotlib is not installed.

    >>> past = {"loss": [0.9, 0.5, 0.3], "val_loss": [1.0, 0.7, 0.8]}
    >>> figure = learning_curves(past)
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['training', 'validation', 'best: epoch 2']
    """
    runs = _runs(histories)
    names = _names(runs, metrics)
    if ax is not None and len(names) > 1:
        raise error(
            _WHERE, "one metric for ax", f"{names}", f"pass metrics=[{names[0]!r}], or no ax"
        )
    if ax is not None:
        figure, ax = drawing.one_axis(_WHERE, ax)
        _draw(ax, names[0], runs)
        return figure
    columns = _columns(names)
    rows = -(-len(names) // columns)
    figure = drawing.new_figure(_WHERE, 4 * columns + 0.4 * (columns == 1), 2.9 * rows)
    _fill(figure, names, runs)
    return figure


def redraw(figure: Figure, history: Any, metrics: str | Sequence[str] | None = None) -> None:
    """Draw the curves of one history anew into a figure that `learning_curves` made."""
    runs = _runs(history)
    names = _names(runs, metrics)
    figure.clear()
    _fill(figure, names, runs)


def _columns(names):
    return len(names) if len(names) <= 3 else 2 if len(names) == 4 else 3


def _fill(figure, names, runs):
    for panel, name in zip(drawing.grid(figure, len(names), _columns(names)), names):
        _draw(panel, name, runs)


def _draw(axis, name, runs):
    count = 0
    for i, (run, past, epochs) in enumerate(runs):
        alone = len(runs) == 1
        for j, (key, part) in enumerate([(name, "training"), (f"val_{name}", "validation")]):
            if not len(past.get(key, ())):
                continue
            values = np.asarray(past[key], "float64")
            color = drawing.COLORS[(j if alone else i) % len(drawing.COLORS)]
            at = epochs[len(epochs) - len(values) :]
            label = part if alone else f"{run}, {part}"
            marker = "o" if len(values) == 1 else None
            axis.plot(at, values, "-" if j == 0 else "--", color=color, marker=marker, label=label)
            count += 1
            if alone and key == "val_loss" and len(values) > 1 and np.isfinite(values).any():
                best = int(np.nanargmin(values))
                axis.plot(
                    at[best], values[best], "o", color=color, ms=5, label=f"best: epoch {at[best]}"
                )
                count += 1
    if name == "learning_rate":
        axis.set_yscale("log")
    drawing.tidy(axis, "epoch", name.replace("_", " "))
    drawing.whole_ticks(axis)
    if count > 1:
        drawing.legend(axis, count)


def _runs(histories):
    """`[(name, {metric: values}, epochs from 1)]`."""
    if hasattr(histories, "history"):
        given = {"": histories}
    elif isinstance(histories, dict):
        nested = any(hasattr(v, "history") or isinstance(v, dict) for v in histories.values())
        given = histories if nested else {"": histories}
    elif isinstance(histories, (list, tuple)):
        given = {f"run {i + 1}": h for i, h in enumerate(histories)}
    else:
        given = {"": histories}
    return [_run(name, history) for name, history in given.items()]


def _run(name, history):
    past = getattr(history, "history", history)
    if not isinstance(past, dict):
        raise error(
            _WHERE,
            "what fit returned, its history dict, or a list or dict of them",
            type(history).__name__,
            "pass history = model.fit(...)",
            TypeError,
        )
    past = {str(k): v if np.ndim(v) else [v] for k, v in past.items()}
    most = max(map(len, past.values()), default=0)
    epochs = [e + 1 for e in getattr(history, "epoch", [])]
    if len(epochs) < most:
        epochs = list(range(1, most + 1))
    return str(name), past, epochs


def _names(runs, metrics):
    found = {}
    for _, past, _ in runs:
        for key, values in past.items():
            if (
                len(values)
                and np.asarray(values[-1]).dtype.kind in "fiub"
                and np.ndim(values[-1]) == 0
            ):
                found[key.removeprefix("val_")] = None
    if not found:
        raise error(_WHERE, "a history of one epoch or more", "none", "call fit first")
    if metrics is None:
        ends = ("loss", *(n for n in found if n not in ("loss", "learning_rate")), "learning_rate")
        return [name for name in ends if name in found]
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    for name in names:
        if name not in found:
            raise error(
                _WHERE,
                f"metrics among {list(found)}",
                repr(name),
                "leave out val_, it is drawn with it",
            )
    if not names:
        raise error(_WHERE, "one metric or more", "none", "leave metrics out for all")
    return names
