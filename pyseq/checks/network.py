"""PS5xx: the layers."""

from __future__ import annotations

import numpy as np

from pyseq.checks.registry import check


@check("PS501", at=("compile", "build", "fit"))
def softmax_twice(c):
    """A softmax of a softmax.

    Why: The second one makes all classes nearly alike, 1 / classes, and the gradients tiny.

    Fix: One of them.
    """
    for i in range(len(c.chain)):
        layer, activation, _ = c.before(i + 1, ())
        if activation != "softmax" or not _is_softmax_of_input(layer):
            continue
        earlier, before, _ = c.before(i)
        if before == "softmax":
            yield (
                layer.name,
                f"softmax of what layer {earlier.name} has already made a softmax of",
                f"remove the activation of {earlier.name}, or layer {layer.name}",
            )


def _is_softmax_of_input(layer):
    """Whether a layer is nothing else than a softmax over the last axis."""
    return type(layer).__name__ in ("Softmax", "Activation") and getattr(layer, "axis", -1) == -1


@check("PS502", at=("compile", "build", "fit"))
def softmax_within(c):
    """A `Dense` with softmax directly behind another one with softmax.

    Why: What lies behind a softmax sees numbers near 1 / units; little gets through.

    Fix: `relu` in the layers before the last.
    """
    for i, layer in enumerate(c.chain):
        if type(layer).__name__ != "Dense" or c.before(i + 1, ())[1] != "softmax":
            continue
        earlier, before, _ = c.before(i)
        if before == "softmax" and type(earlier).__name__ == "Dense":
            yield (
                earlier.name,
                f"a softmax whose output goes into the softmax of layer {layer.name}",
                f"use activation='relu' in layer {earlier.name}",
            )


@check("PS503", at=("demand",))
def constant_output(c):
    """A model that answers the same for every row.

    Why: It has learned nothing but a mean: dead units, a saturated output, or inputs that do not
    get through.

    Fix: Look at the scale of the inputs, the learning rate, and relu layers that give only zeros.
    """
    y = c.predictions
    if y is None or len(y) < 2 or not np.isfinite(y).all() or not c.chain:
        return
    x = c.rows(c.x)
    if (x == x[:1]).all() or not (y == y[:1]).all():
        return
    yield (
        c.chain[-1].name,
        f"the output is the same for all of {len(y)} rows",
        "scale the inputs, lower the learning rate, and look for relu layers that give only zeros",
    )
