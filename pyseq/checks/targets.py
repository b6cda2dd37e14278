"""PS2xx: labels and targets."""

from __future__ import annotations

import numpy as np

from pyseq.checks import target_shapes
from pyseq.checks.context import REGRESSION, SPARSE
from pyseq.checks.finding import CheckError
from pyseq.checks.registry import check

WITH_TARGETS = ("fit", "evaluate")


@check("PS201", severity="error", at=WITH_TARGETS)
def labels_in_range(c):
    """Integer labels that are no class of the output.

    Why: There is no probability to compare them with.

    Fix: Number the classes from 0, or give the last layer as many units as there are classes.
    """
    if c.y is not None and c.output_shape:
        return labels_outside(c.kind, c.attrs, c.y, c.output_shape[-1], c.place("y"))
    return None


def labels_outside(kind, attrs, y, classes, where):
    """`(where, message, fix)` if integer labels do not lie in [0, classes), else None."""
    if kind not in SPARSE or y.size == 0:
        return None
    low, high = float(np.min(y)), float(np.max(y))
    ignored = attrs.get("ignore_class")
    if (low < 0 or high >= classes) and ignored is not None:
        kept = y[y != ignored]
        if kept.size == 0:
            return None
        low, high = float(np.min(kept)), float(np.max(kept))
    if low < 0 or high >= classes or not np.isfinite([low, high]).all():
        fix = (
            "number the classes from 0 or give the last layer "
            f"{int(high) + 1 if high < 1e9 else 'more'} units"
        )
        if high < classes:
            fix = "number the classes from 0"
        if classes <= 2 and ((y == -1) | (y == 1)).all():
            fix = "use (y + 1) / 2, or one unit with activation='tanh' and loss='hinge'"
        return (
            where,
            f"{kind} expected integer labels from 0 to {classes - 1} for an output of {classes} "
            f"classes, got labels from {low:g} to {high:g}",
            fix,
        )
    return None


@check("PS202", at=WITH_TARGETS)
def one_target_for_a_row(c):
    """Targets that are each compared with several values of the output.

    Why: All steps of a sequence, or all units, are drawn to one number. Keras does so in silence.

    Fix: `return_sequences=False` in the last recurrent layer, or one unit, or targets for all
    values.
    """
    if c.y is None or c.output_shape is None or not c.chain:
        return
    given, shape = c.y.shape[1:], c.output_shape
    if target_shapes.broadcast_shape(c.kind, given, shape) is None:
        return
    last = c.chain[-1].name
    n_outputs = ", ".join(map(str, ("n", *shape)))
    n_targets = ", ".join(map(str, ("n", *given))) + ("" if given else ",")
    mend = (
        "set return_sequences=False in the last recurrent layer (or add layers.Flatten())"
        if len(shape) == 2
        else f"give layer {last} 1 unit"
    )
    yield (
        last,
        f"{c.kind} compares each target of shape ({n_targets}) with all {shape[0]} values of its "
        f"row of the output ({n_outputs})",
        f"{mend}, or pass targets of shape ({n_outputs})",
    )


@check("PS203", at=WITH_TARGETS)
def accuracy_of_numbers(c):
    """`accuracy` of a regression.

    Why: It counts predictions that stand for the very target, which numbers hardly ever do;
    it stays near 0 however good the model is.

    Fix: `mae` or `root_mean_squared_error`; a loss for classes where the targets are classes.
    """
    names = [name for name in c.metric_names if name.lower() in ("accuracy", "acc")]
    if not names or c.kind not in REGRESSION or c.y is None or not c.y.size:
        return
    y = c.rows(c.y)
    if ((y == 0) | (y == 1)).all():  # a Brier score of labels
        return
    yield (
        c.place("y"),
        f"the metric {names[0]!r} counts classes that are hit, but {c.kind} is trained on numbers "
        f"from {np.min(y):.6g} to {np.max(y):.6g}",
        "use metrics=['mae'], or a loss for classes",
    )


@check("PS204", severity="error", at=("demand",))
def targets_of_another_shape(c):
    """Targets whose shape does not go with the output.

    Why: Each number of the output is compared with one of the targets. `fit` and `evaluate` raise
    this error.

    Fix: As many units as the targets have columns, `Flatten` before the last `Dense`, or the sparse
    loss for integer labels.
    """
    if c.y is None or c.output_shape is None or c.kind is None:
        return
    given, shape = c.y.shape[1:], c.output_shape
    if target_shapes.broadcast_shape(c.kind, given, shape) is None:
        try:
            target_shapes.target_shape(c.model, c.kind, given, shape, c.place("y"))
        except CheckError as error:
            yield error.finding.layer, error.finding.message, error.finding.fix
