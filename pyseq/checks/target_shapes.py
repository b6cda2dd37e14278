"""Shapes of targets against the model's output: one rank, one shape, or a clear error."""

from __future__ import annotations

from pyseq.checks.context import BINARY, SPARSE
from pyseq.checks.finding import CheckError, Finding

ONE_HOT = ("categorical_crossentropy", "categorical_focal_crossentropy", "categorical_hinge")
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

    Both shapes are per sample.

    Raises:
        CheckError: PS204, the output does not match the targets; it says how to mend the model.
    """
    last = (model.output_layer or model).name
    y_shape, output_shape = tuple(y_shape), tuple(output_shape)
    if kind in SPARSE or kind == "categorical_generalized_cross_entropy":
        want = output_shape[:-1]
        for shape in (y_shape, y_shape[:-1] if y_shape[-1:] == (1,) else None):
            if shape == want:
                return want
        if kind in SPARSE and y_shape == output_shape:
            raise _error(
                where,
                f"{kind} expected integer labels of shape {_batch(want)}, got targets of shape "
                f"{_batch(y_shape)}, which look one-hot encoded",
                "use loss='categorical_crossentropy', or pass np.argmax(y, axis=-1)",
            )
        raise _mismatch(where, kind, last, want, y_shape, output_shape)
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
    if kind in ONE_HOT and (y_shape in ((), (1,)) or y_shape[:-1] == output_shape[:-1]):
        if y_shape in ((), (1,)) and output_shape[-1] > 1:
            raise _error(
                where,
                f"{kind} expected one-hot targets of shape {_batch(output_shape)}, got "
                f"{_batch(y_shape)}, which look like integer labels",
                "use loss='sparse_categorical_crossentropy', or encode them with "
                f"utils.to_categorical(y, {output_shape[-1]})",
            )
    raise _mismatch(where, kind, last, output_shape, y_shape, output_shape)


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


def _batch(shape):
    return (None, *shape)


def _error(where, message, fix):
    return CheckError(Finding("PS204", "error", where, message, fix))


def _mismatch(where, kind, last, want, got, output_shape):
    message = (
        f"{kind} expected targets of shape {_batch(want)} to match the output of layer {last} "
        f"{_batch(output_shape)}, got {_batch(got)}"
    )
    fix = "change the last layer's units or the targets"
    if len(output_shape) > len(got) + 1 or (len(output_shape) >= 3 and len(got) <= 1):
        fix = (
            f"the output still has {len(output_shape)} dimensions besides the batch: add "
            "layers.Flatten() or a global pooling layer before the last Dense (or "
            "return_sequences=False in the last recurrent layer)"
        )
    elif got and output_shape and got[:-1] == output_shape[:-1]:
        units = "1 unit" if got[-1] == 1 else f"{got[-1]} units"
        fix = f"give layer {last} {units}, or change the targets"
        if kind in BINARY and got[-1] == 1:
            fix = (
                "for one column of labels use loss='sparse_categorical_crossentropy' with "
                f"{output_shape[-1]} units and softmax, or 1 unit with sigmoid"
            )
    return _error(where, message, fix)
