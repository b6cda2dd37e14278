"""Targets against the model's output: one rank, one shape, labels in range, or a clear error."""

from __future__ import annotations

import warnings

import numpy as np

SPARSE = ("sparse_categorical_crossentropy",)
CATEGORICAL = ("categorical_crossentropy", "categorical_focal_crossentropy", "categorical_hinge")
# Losses whose targets are class ids or sequences of ids, not arrays of the output's shape.
INTEGER_TARGETS = (*SPARSE, "categorical_generalized_cross_entropy", "circle", "ctc")
# Losses that compare each number with another one, so that targets may be broadcast.
BROADCAST = (
    "cosine_similarity",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "squared_hinge",
)


def target_shape(model, kind, y_shape, output_shape, where="fit"):
    """Per-sample shape that targets of `y_shape` take beside an output of `output_shape`.

    Both shapes are per sample. Raises a ValueError that says how to mend a model whose output does
    not match its targets.
    """
    last = (model.output_layer or model).name
    y_shape, output_shape = tuple(y_shape), tuple(output_shape)
    if kind in SPARSE or kind == "categorical_generalized_cross_entropy":
        want = output_shape[:-1]
        for shape in (y_shape, y_shape[:-1] if y_shape[-1:] == (1,) else None):
            if shape == want:
                return want
        if kind in SPARSE and y_shape == output_shape:
            raise ValueError(
                f"{where}: {kind} expected integer labels of shape {_batch(want)}, got targets of "
                f"shape {_batch(y_shape)}, which look one-hot encoded; use "
                "loss='categorical_crossentropy', or pass np.argmax(y, axis=-1)"
            )
        raise ValueError(_mismatch(where, kind, last, want, y_shape, output_shape))
    if kind in INTEGER_TARGETS or kind is None:
        return y_shape
    if y_shape == output_shape:
        return y_shape
    if len(y_shape) == len(output_shape) - 1 and output_shape[-1] == 1:
        if y_shape == output_shape[:-1]:
            return output_shape
    if len(y_shape) == len(output_shape) + 1 and y_shape[-1] == 1:
        if y_shape[:-1] == output_shape:
            return output_shape
    if kind == "value":  # a user's loss knows what it compares
        return y_shape
    if kind in CATEGORICAL and (y_shape in ((), (1,)) or y_shape[:-1] == output_shape[:-1]):
        if y_shape in ((), (1,)) and output_shape[-1] > 1:
            raise ValueError(
                f"{where}: {kind} expected one-hot targets of shape {_batch(output_shape)}, got "
                f"{_batch(y_shape)}, which look like integer labels; use "
                "loss='sparse_categorical_crossentropy', or encode them with "
                f"utils.to_categorical(y, {output_shape[-1]})"
            )
    raise ValueError(_mismatch(where, kind, last, output_shape, y_shape, output_shape))


def broadcast_shape(kind, y_shape, output_shape):
    """Shape of targets with one number for a whole row of outputs `(T, 1)` or `(T,)`, or None.

    >>> broadcast_shape("huber", (), (5, 1)), broadcast_shape("huber", (5,), (5, 1))
    ((1,), None)
    """
    y_shape, output_shape = tuple(y_shape), tuple(output_shape)
    if kind not in BROADCAST:
        return None
    steps = len(output_shape) == 2 and output_shape[0] > 1 and output_shape[1] == 1
    if steps and y_shape in ((), (1,)):
        return (1,)
    if len(output_shape) == 1 and output_shape[0] > 1 and y_shape == (1,):
        return (1,)
    return None


def warn_broadcast(model, kind, y_shape, output_shape):
    """Warn about targets that each stand for all values of a row."""
    last = (model.output_layer or model).name
    n_outputs = ", ".join(map(str, ("n", *output_shape)))
    n_targets = ", ".join(map(str, ("n", *y_shape))) + ("" if y_shape else ",")
    mend = (
        "set return_sequences=False in the last recurrent layer (or add layers.Flatten())"
        if len(output_shape) == 2
        else f"give layer {last} 1 unit"
    )
    warnings.warn(
        f"{last}: {kind} compares each target of shape ({n_targets}) with all {output_shape[0]} "
        f"values of its row of the output ({n_outputs}); {mend}, or pass targets of shape "
        f"({n_outputs})",
        stacklevel=8,
    )


def _batch(shape):
    return (None, *shape)


def _mismatch(where, kind, last, want, got, output_shape):
    text = (
        f"{where}: {kind} expected targets of shape {_batch(want)} to match the output of layer "
        f"{last} {_batch(output_shape)}, got {_batch(got)}; "
    )
    if len(output_shape) > len(got) + 1 or (len(output_shape) >= 3 and len(got) <= 1):
        return text + (
            f"the output still has {len(output_shape)} dimensions besides the batch: add "
            "layers.Flatten() or a global pooling layer before the last Dense (or "
            "return_sequences=False in the last recurrent layer)"
        )
    if got and output_shape and got[:-1] == output_shape[:-1]:
        return text + f"give layer {last} {got[-1]} units, or change the targets"
    return text + "change the last layer's units or the targets"


def check_labels(kind, attrs, y, classes, where="fit"):
    """Raise a ValueError if integer labels do not lie in [0, classes)."""
    if kind not in SPARSE or y.size == 0:
        return
    low, high = float(np.min(y)), float(np.max(y))
    ignored = attrs.get("ignore_class")
    if (low < 0 or high >= classes) and ignored is not None:
        kept = y[y != ignored]
        if kept.size == 0:
            return
        low, high = float(np.min(kept)), float(np.max(kept))
    if low < 0 or high >= classes or not np.isfinite([low, high]).all():
        raise ValueError(
            f"{where}: {kind} expected integer labels from 0 to {classes - 1} for an output of "
            f"{classes} classes, got labels from {low:g} to {high:g}; number the classes from 0 or "
            f"give the last layer {int(high) + 1 if high < 1e9 else 'more'} units"
        )


def check_output_activation(model, kind, attrs, output_shape):
    """Warn about an output layer that cannot learn the task with this loss."""
    layer = model.output_layer
    if layer is None:
        return
    activation = getattr(getattr(layer, "activation", None), "__name__", None)
    if activation is None and type(layer).__name__ == "Softmax":
        activation = "softmax"
    units = output_shape[-1] if output_shape else 1
    if activation == "softmax" and units == 1:
        warnings.warn(
            f"{layer.name}: softmax over one unit is always 1, so the model cannot learn; for a "
            "binary task use Dense(1, activation='sigmoid') with loss='binary_crossentropy'",
            stacklevel=4,
        )
    elif kind == "binary_crossentropy" and activation == "softmax":
        warnings.warn(
            f"{layer.name}: softmax with binary_crossentropy treats {units} exclusive classes as "
            "independent ones; use categorical_crossentropy, or sigmoid for a multi-label task",
            stacklevel=4,
        )
    elif (
        kind in ("categorical_crossentropy", *SPARSE)
        and not attrs.get("from_logits")
        and units == 1
    ):
        warnings.warn(
            f"{layer.name}: {kind} over one unit is constant; for a binary task use "
            "Dense(1, activation='sigmoid') with loss='binary_crossentropy'",
            stacklevel=4,
        )
    elif (
        kind in ("binary_crossentropy", "categorical_crossentropy", *SPARSE)
        and not attrs.get("from_logits")
        and activation in ("linear", "relu")
        and type(layer).__name__ == "Dense"
    ):
        needed = "sigmoid" if kind == "binary_crossentropy" else "softmax"
        warnings.warn(
            f"{layer.name}: {kind} expects probabilities, but the last activation is {activation}; "
            f"use activation='{needed}', or from_logits=True in the loss",
            stacklevel=4,
        )
