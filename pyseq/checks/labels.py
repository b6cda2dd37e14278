"""PS205 to PS208: values of targets that go badly with the loss or the output."""

from __future__ import annotations

import numpy as np

from pyseq.checks.context import BINARY, REGRESSION, SPARSE, is_linear_map
from pyseq.checks.registry import check

WITH_TARGETS = ("fit", "evaluate")

# Labels are smoothed and made noisy on purpose, by about this much.
_NOISE = 0.25
# What the activation of the output can reach.
_REACH = {
    "relu": (0.0, np.inf),
    "sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "softplus": (0.0, np.inf),
    "tanh": (-1.0, 1.0),
}


@check("PS205", at=WITH_TARGETS)
def labels_of_yes_and_no(c):
    """Labels outside 0 to 1 for binary cross-entropy.

    Why: They are no probabilities: the loss has no lower end, and the model runs off to infinity.

    Fix: Labels 0 and 1; `(y + 1) / 2` or the hinge loss where they are -1 and 1; a categorical loss
    where there are more classes.
    """
    if c.kind not in BINARY or c.y is None or not c.y.size:
        return
    y = c.rows(c.y)
    low, high = _range(y)
    if low >= -_NOISE and high <= 1 + _NOISE:
        return
    fix = "make the labels 0 and 1"
    if _signs(y):
        fix = "use (y + 1) / 2, or loss='hinge' with activation='tanh'"
    elif low >= 0 and (y == np.round(y)).all():
        fix = (
            f"for {int(high) + 1} classes use {int(high) + 1} units with softmax and "
            "loss='sparse_categorical_crossentropy'"
        )
    yield c.place("y"), f"{c.kind} expects labels 0 and 1, got labels from {low:g} to {high:g}", fix


@check("PS206", at=WITH_TARGETS)
def numbers_as_labels(c):
    """Continuous targets where the loss takes classes.

    Why: The sparse loss cuts off what lies behind the point; binary cross-entropy of one unit takes
    each number for the probability of a yes.

    Fix: `mean_squared_error` and a linear output for numbers; whole numbers for classes.
    """
    if c.y is None or not c.y.size or c.y.dtype.kind != "f":
        return
    y = c.rows(c.y)
    if c.kind in SPARSE:
        broken = y[np.isfinite(y) & (y != np.round(y))]
        if broken.size:
            yield (
                c.place("y"),
                f"{c.kind} expects whole numbers that name classes, got {broken[0]:.6g}",
                "use loss='mse' for numbers, or make the labels integers",
            )
        return
    if c.kind not in BINARY or c.units != 1 or y.size != len(y):
        return
    low, high = _range(y)
    values = np.unique(y)
    # Few values, or values near 0 and 1, are labels that were smoothed.
    middle = (y > 0.3) & (y < 0.7)
    if low < 0 or high > 1 or len(values) <= max(20, len(y) / 2) or not middle.mean() > 0.2:
        return
    yield (
        c.place("y"),
        f"{c.kind} of one unit expects labels 0 and 1, got {len(values)} different numbers from "
        f"{low:.6g} to {high:.6g}",
        "use loss='mse' for numbers, or labels 0 and 1",
    )


@check("PS207", at=WITH_TARGETS)
def rows_that_sum_to_one(c):
    """Rows of categorical targets that do not sum to 1.

    Why: Each row is the probability of every class. Where several classes may be true, or none, the
    loss pushes towards what softmax cannot give.

    Fix: `utils.to_categorical(labels)`; `sigmoid` with `binary_crossentropy` for several labels a
    row.
    """
    if c.kind not in ("categorical_crossentropy", "categorical_focal_crossentropy"):
        return
    if c.y is None or not c.y.size or c.y.shape[1:] != c.output_shape:
        return
    sums = c.rows(c.y).sum(axis=-1, dtype="float64")
    wrong = np.abs(sums - 1) > 0.02
    if c.y.ndim > 2:
        wrong &= sums != 0  # steps that are padding
    if not wrong.any():
        return
    found = sums[wrong]
    fix = "use utils.to_categorical(labels), or divide each row by its sum"
    if ((c.rows(c.y) == 0) | (c.rows(c.y) == 1)).all():
        fix = (
            "for several labels a row use activation='sigmoid' and loss='binary_crossentropy'; for "
            "one use utils.to_categorical(labels)"
        )
    yield (
        c.place("y"),
        f"{c.kind} expects rows that sum to 1, got {len(found)} of {sums.size} that do not, such "
        f"as one that sums to {found[0]:.6g}",
        fix,
    )


@check("PS208", at=WITH_TARGETS)
def out_of_reach(c):
    """Targets of a regression that the output cannot reach.

    Why: `relu` gives nothing below 0, `sigmoid` 0 to 1, `tanh` -1 to 1; what lies outside is never
    met.

    Fix: A linear output, or targets scaled into the range.
    """
    if c.kind not in REGRESSION or c.y is None or not c.y.size:
        return
    layer, activation = c.output
    if activation not in _REACH:
        return
    y = c.rows(c.y)
    low, high = _range(y)
    least, most = _REACH[activation]
    slack = 0.05 * (1 if np.isfinite(most) else max(high, 0.0))
    if not is_linear_map(layer):  # states of a recurrent layer, often compared with noise
        slack += 4
    if low >= least - slack and high <= most + slack:
        return
    outside = np.mean((y < least) | (y > most))
    reach = f"{least:g} to {most:g}" if np.isfinite(most) else "0 and more"
    yield (
        layer.name,
        f"the last activation {activation} gives {reach}, but {_share(outside)} of the targets lie "
        f"outside: they are {low:.6g} to {high:.6g}",
        "use a linear output, or scale the targets",
    )


def _range(y):
    """The smallest and largest of the finite values; 0, 0 without one."""
    y = y[np.isfinite(y)] if y.dtype.kind == "f" else y
    return (float(np.min(y)), float(np.max(y))) if y.size else (0.0, 0.0)


def _signs(y):
    """Whether all labels are -1 or 1."""
    return bool(((y == -1) | (y == 1)).all())


def _share(part):
    return "less than 1 %" if part < 0.01 else f"{100 * part:.0f} %"
