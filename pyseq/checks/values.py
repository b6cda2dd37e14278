"""PS304 to PS306, PS309: values of the rows that a model reads."""

from __future__ import annotations

import math
import re

import numpy as np

from pyseq.checks.registry import check, error

WITH_DATA = ("fit", "evaluate")

# Numbers that are looked at: all of them where data are small, else those of some rows.
_FINITE = 1 << 20
_SCALE = 1 << 18
# Between the most and the least varied column.
_WILD = 1e4

_WEIGHTED = ("Dense", "Conv1D", "Conv2D", "Conv3D", "SeparableConv1D", "SeparableConv2D")
_WEIGHTED += ("DepthwiseConv1D", "DepthwiseConv2D")


@check("PS304", at=WITH_DATA)
def not_finite(c):
    """NaN or infinity in x, y or sample weights.

    Why: One such value makes the loss NaN, and then every weight.

    Fix: Leave such rows out or fill them in, such as with `np.nan_to_num`, before training.
    """
    found = first_not_finite(c)
    if found is not None:
        name, row, value = found
        yield (
            c.place(name),
            f"expected finite numbers, got {value:g} in row {row} of {name}",
            "leave such rows out or fill them in: np.isfinite finds them",
        )


def first_not_finite(c):
    """`(name of the array, row, value)` of a number that is not finite, or None.

    What a layer or a loss of the user reads may be NaN on purpose.
    """
    for name, array in (("x", c.x), ("y", c.y), ("sample_weight", c.weights)):
        if array is None or array.dtype.kind != "f" or not array.size:
            continue
        if name == "x" and not _is_ours(c.first):
            continue
        if name == "y" and c.kind in (None, "value"):
            continue
        step = c.step(array, _FINITE)
        rows = array[::step]
        with np.errstate(all="ignore"):
            if np.isfinite(rows.sum()):  # one pass; numbers that are too large have another
                continue
        wrong = ~np.isfinite(rows)
        if wrong.any():
            at = np.unravel_index(int(np.argmax(wrong)), rows.shape)
            return name, int(at[0]) * step, float(rows[at])
    return None


def _is_ours(layer):
    module = type(layer).__module__
    return layer is None or (module.startswith("pyseq.") and type(layer).__name__ != "Lambda")


@check("PS305", at=("fit",))
def bytes_of_images(c):
    """Inputs from 0 to 255 that go into a `Dense` or convolution as they are.

    Why: The first layer's sums are some hundred times larger than its weights expect: training is
    slow, or units die.

    Fix: `x / 255`, or `layers.Rescaling(1 / 255)` as the first layer.
    """
    if type(c.first).__name__ not in _WEIGHTED or c.x is None or c.x.ndim < 2 or not c.x.size:
        return
    if c.x[0].size < 16 or c.x.dtype.kind not in "fiu":
        return
    x = c.x[:: c.step(c.x, _SCALE)]
    low, high = float(np.min(x)), float(np.max(x))
    if not (low >= 0 and 127 < high <= 255):
        return
    if c.x.ndim == 4 or (x == np.round(x)).all():
        yield (
            c.first.name,
            f"the inputs run from {low:g} to {high:g}, as the bytes of images do",
            "scale them: x / 255, or layers.Rescaling(1 / 255) as the first layer",
        )


@check("PS306", at=("fit",))
def wild_scales(c):
    """Columns of wildly different scale, without a layer that brings them together.

    Why: The largest column drowns the others; the learning rate that suits it is far too small for
    them.

    Fix: `layers.Normalization()` as the first layer, with `adapt(x)`, or a scaler before `fit`.
    """
    x = c.x
    if type(c.first).__name__ != "Dense" or x is None or x.ndim != 2 or x.dtype.kind not in "fi":
        return
    if len(x) < 10 or x.shape[1] < 2:
        return
    x = x[:: c.step(x, _SCALE)]
    with np.errstate(all="ignore"):
        spread = x.std(axis=0, dtype="float64")
        known = np.isfinite(spread) & (spread > 1e-6 * np.abs(x.mean(axis=0, dtype="float64")))
    columns = np.flatnonzero(known)
    if len(columns) < 2:
        return
    least = columns[np.argmin(spread[columns])]
    most = columns[np.argmax(spread[columns])]
    if spread[most] > _WILD * spread[least]:
        yield (
            c.first.name,
            f"the columns of x differ wildly: column {most} varies by {spread[most]:.3g}, column "
            f"{least} by {spread[least]:.3g}",
            "put layers.Normalization() first and call its adapt(x), or scale the columns",
        )


@check("PS309", severity="error", at=("demand",))
def ids_outside(c):
    """Ids that are no row of an `Embedding`'s table.

    Why: There is nothing to look up. `fit`, `evaluate` and `predict` raise this error at the batch
    that holds them.

    Fix: `input_dim` of the largest id plus 1; no negative ids.
    """
    if type(c.first).__name__ != "Embedding" or c.x is None or not c.x.size:
        return
    last = c.first.input_dim - 1
    wrong = ~((c.x >= 0) & (c.x <= last))
    if wrong.any():
        at = np.unravel_index(int(np.argmax(wrong)), c.x.shape)
        yield _no_such_id(c.first.name, last, float(c.x[at]), at[0], float(np.max(c.x)))


# What the core says of an id that it has met.
_OF_CORE = re.compile(r"(.*): expected ids from 0 to (\d+), got (\S+) in row (\d+); ", re.DOTALL)


def raise_if_outside(said):
    """Raise PS309 if an error of the core says that an id is outside of its table."""
    match = _OF_CORE.match(str(said))
    if match:
        layer, last, got, row = match.groups()
        finding = _no_such_id(layer, int(last), float(got), int(row))
        raise error("PS309", *finding) from None


def _no_such_id(layer, last, got, row, largest=None):
    """`(layer, message, fix)` for an id; `largest` of all, where it is known."""
    fix = "number the ids from 0"
    if not math.isfinite(got):
        fix = "leave such rows out or fill them in: np.isfinite finds them"
    elif largest is None and got > last:
        fix = f"give layer {layer} an input_dim above every id, or mend the ids"
    elif largest is not None and last < largest < math.inf:
        fix = f"give layer {layer} input_dim={int(largest) + 1}, or mend the ids"
    return layer, f"expected ids from 0 to {last}, got {_digits(got)} in row {row}", fix


def _digits(number):
    return f"{number:.0f}" if number.is_integer() else f"{number:g}"
