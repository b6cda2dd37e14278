"""PS1xx: the output layer against the loss."""

from __future__ import annotations

from pyseq.checks.context import BINARY, CATEGORICAL, activation_of, is_linear_map
from pyseq.checks.registry import check

WITHOUT_DATA = ("compile", "build", "fit")


@check("PS101", at=WITHOUT_DATA)
def probabilities_as_logits(c):
    """A softmax or sigmoid output whose loss has `from_logits=True`.

    Why: The loss applies softmax or sigmoid once more. The gradients become tiny, and the model
    learns slowly and badly.

    Fix: Leave `from_logits` out of the loss, or the activation out of the last layer.
    """
    layer, activation = c.output
    if c.attrs.get("from_logits") and activation in ("softmax", "sigmoid"):
        yield (
            layer.name,
            f"{c.kind} with from_logits=True expects logits, but the last activation is "
            f"{activation}",
            "remove from_logits=True, or the activation",
        )


@check("PS102", at=WITHOUT_DATA)
def sigmoid_of_classes(c):
    """A sigmoid over several units with a categorical loss.

    Why: Classes that exclude each other need probabilities that sum to 1; sigmoids do not.

    Fix: `softmax` for one class of several, `binary_crossentropy` where several labels may be true.
    """
    layer, activation = c.output
    several = c.units is not None and c.units > 1
    if c.kind in CATEGORICAL and not c.attrs.get("from_logits") and activation == "sigmoid":
        if several:
            yield (
                layer.name,
                f"{c.kind} expects probabilities that sum to 1, but the last activation is sigmoid "
                f"over {c.units} units",
                "use activation='softmax', or loss='binary_crossentropy' for a multi-label task",
            )


@check("PS103", at=WITHOUT_DATA)
def no_probabilities(c):
    """A cross-entropy on an output that gives no probabilities: linear, relu, tanh.

    Why: Values outside (0, 1) are clipped, where the gradient is zero: the model stops learning, or
    never starts.

    Fix: `sigmoid` for binary cross-entropy and `softmax` for the categorical ones, or
    `from_logits=True` with a linear output.
    """
    layer, activation = c.output
    if c.kind not in (*BINARY, *CATEGORICAL) or c.attrs.get("from_logits"):
        return
    if activation not in ("linear", "relu", "tanh", "elu", "leaky_relu", "selu", "gelu", "silu"):
        return
    # What a linear Activation layer follows is not known here.
    if not (is_linear_map(layer) or activation == "tanh"):
        return
    if one_class(c):
        return
    needed = "sigmoid" if c.kind in BINARY else "softmax"
    logits = ", or from_logits=True in the loss" if activation == "linear" else ""
    if activation == "relu":
        logits = ", or no activation and from_logits=True in the loss"
    yield (
        layer.name,
        f"{c.kind} expects probabilities, but the last activation is {activation}",
        f"use activation='{needed}'{logits}",
    )


@check("PS104", at=WITHOUT_DATA)
def softmax_of_labels(c):
    """A softmax over several units with binary cross-entropy.

    Why: The loss takes each unit for a yes or no of its own, while softmax makes them exclude each
    other; the accuracy that is shown counts units, not rows, and looks better than it is.

    Fix: `categorical_crossentropy`, or `sigmoid` for a multi-label task.
    """
    layer, activation = c.output
    if c.kind in BINARY and activation == "softmax" and not c.attrs.get("from_logits"):
        if not _one_unit(c, layer):
            units = "several" if c.units is None else c.units
            yield (
                layer.name,
                f"softmax with {c.kind} treats {units} exclusive classes as independent ones",
                "use categorical_crossentropy, or sigmoid for a multi-label task",
            )


@check("PS105", at=WITHOUT_DATA)
def softmax_of_one(c):
    """A softmax over one unit.

    Why: It is always 1, whatever the input, so the model cannot learn.

    Fix: `Dense(1, activation="sigmoid")` with `binary_crossentropy`.
    """
    layer, activation = c.output
    if activation == "softmax" and _one_unit(c, layer):
        yield (
            layer.name,
            "softmax over one unit is always 1, so the model cannot learn",
            "for a binary task use Dense(1, activation='sigmoid') with loss='binary_crossentropy'",
        )


@check("PS106", at=WITHOUT_DATA)
def one_class(c):
    """A categorical loss on an output of one unit.

    Why: The loss of one class is constant.

    Fix: `Dense(1, activation="sigmoid")` with `binary_crossentropy`.
    """
    if c.kind in CATEGORICAL and not c.attrs.get("from_logits") and c.units == 1:
        if c.output[1] == "softmax":  # PS105
            return None
        return (
            c.chain[-1].name if c.chain else c.where,
            f"{c.kind} over one unit is constant",
            "for a binary task use Dense(1, activation='sigmoid') with loss='binary_crossentropy'",
        )
    return None


@check("PS107")
def one_column(where, shape):
    """A categorical loss that is called with predictions of one column.

    Why: The loss of one class is constant.

    Fix: `binary_crossentropy`.
    """
    return (
        where,
        f"expected at least 2 classes, got y_pred of shape {shape}",
        "use binary_crossentropy for one unit",
    )


def _one_unit(c, layer):
    """Whether a softmax runs over an axis of length 1."""
    if activation_of(layer) != "softmax" or getattr(layer, "axis", -1) != -1:
        return False
    units = getattr(layer, "units", getattr(layer, "filters", None))
    if units is None and layer is c.chain[-1]:
        units = c.units
    return units == 1
