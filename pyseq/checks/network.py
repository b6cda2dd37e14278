"""PS5xx: the layers."""

from __future__ import annotations

import math

import numpy as np

from pyseq.checks.context import activation_of
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


@check("PS504", at=("demand",))
def weights_not_finite(c):
    """Weights that are NaN or infinite.

    Why: All that the model predicts is NaN.

    Fix: Train from new weights, or load those of a checkpoint.
    """
    for layer in c.chain:
        for variable in getattr(layer, "weights", ()):
            values = np.asarray(variable)
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                share = np.mean(~np.isfinite(values))
                yield (
                    layer.name,
                    f"expected finite weights, got NaN or infinity in {100 * share:.3g} % of "
                    f"{variable.name}",
                    "train from new weights or load a checkpoint, at a lower learning rate",
                )


@check("PS505", at=("demand",))
def dead_units(c):
    """A relu layer with all or far more than half of its units at 0 for every row.

    Why: No gradient gets through them: they never learn again.

    Fix: A lower learning rate, inputs of about -1 to 1, `leaky_relu`, or new weights.
    """
    x, model = c.x, c.model
    if x is None or len(x) < 32 or not model.built or not c.chain or model._is_stateful():
        return
    x = c.rows(x, 256)
    if not np.isfinite(x).all():
        return
    for layer in c.chain:
        try:
            x = np.asarray(layer(x))
        except (TypeError, ValueError):  # what `predict` says is of more use
            return
        if activation_of(layer) != "relu" or x.ndim < 2:
            continue
        units = x.shape[-1]
        dead = units - np.count_nonzero((x > 0).any(axis=tuple(range(x.ndim - 1))))
        # Where rows are much alike, chance lets half of the units of a new layer rest.
        if dead == units or dead > units / 2 + 2 * math.sqrt(units):
            yield (
                layer.name,
                f"{dead} of {units} units give 0 for all of {len(x)} rows",
                "lower the learning rate, scale the inputs, or use activation='leaky_relu'",
            )
