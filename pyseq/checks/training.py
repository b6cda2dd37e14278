"""PS4xx: optimizer, learning rate, and a loss that ceases to be finite."""

from __future__ import annotations

import math

import numpy as np

from pyseq.checks.registry import check, told_since_compile
from pyseq.checks.values import first_not_finite

# Rates of this size are hardly ever meant; each optimizer's steps have a size of their own.
_LARGEST_RATE = {"sgd": 10.0, "adagrad": 10.0, "adadelta": 100.0, "ftrl": 10.0, "muon": 10.0}
_LARGEST_RATE_OF_OTHERS = 1.0  # whose steps are about as large as the rate itself


@check("PS401", at=("loss",))
def loss_not_finite(c):
    """A loss that ceases to be finite.

    Why: From then on every weight is NaN: the model is lost.

    Fix: A lower learning rate, inputs scaled to about -1..1, `clipnorm=1.0`; data without NaN. The
    message names what was suspicious before.
    """
    if "first" not in c.details:
        return
    first, last = c.details["first"], c.details["last"]
    batch = f"batch {first}" if first == last else f"one of the batches {first} to {last}"
    epoch = c.details.get("epoch")
    when = batch if epoch is None else f"epoch {epoch}, {batch}"
    rates = " and ".join(f"{rate:g}" for _, rate in _rates(c))
    before = sorted(told_since_compile(c.model) - {"PS304"})
    fix = (
        "start from new weights with a lower learning rate, inputs of about -1 to 1, or clipnorm=1"
    )
    if before:
        fix = f"mend first what was reported before, {', '.join(before)}; then {fix}"
    cause = first_not_finite(c)
    if cause is not None:
        name, _, value = cause
        fix = f"{name} holds {value:g} there: leave such rows out or fill them in, then train anew"
    yield c.where, f"the loss ceased to be finite in {when}, at learning rate {rates}", fix


@check("PS402", severity="error", at=("compile", "fit"))
def negative_rate(c):
    """A negative learning rate.

    Why: Every step makes the loss larger.

    Fix: A positive one, such as 0.01 for `SGD` and 0.001 for `Adam`.
    """
    for optimizer, rate in _rates(c):
        if rate < 0 or math.isnan(rate):
            yield (
                _name(optimizer),
                f"expected a learning rate of 0 or more, got {rate:g}",
                "a negative one climbs the loss: pass a positive one, such as 0.001",
            )


@check("PS403", at=("compile", "fit"))
def large_rate(c):
    """A learning rate that is far larger than usual.

    Why: Steps are so long that the loss grows without bound.

    Fix: Start from the optimizer's default: 0.01 for `SGD`, 0.001 for `Adam`.
    """
    for optimizer, rate in _rates(c):
        kind = getattr(optimizer, "kind", None)
        limit = _LARGEST_RATE.get(kind, _LARGEST_RATE_OF_OTHERS)
        if kind is not None and (rate > limit or (kind == "sgd" and rate == limit)):
            default = 0.01 if kind == "sgd" else 0.001
            yield (
                _name(optimizer),
                f"a learning rate of {rate:g} will most likely diverge",
                f"the default is {default:g}; try values up to {limit / 10:g}",
            )


def _rates(c):
    """`(optimizer, learning rate of its next step)`."""
    for optimizer in c.optimizers:
        rate = np.asarray(optimizer.learning_rate)
        if rate.ndim == 0 and rate.dtype.kind in "fiu":
            yield optimizer, float(rate)


def _name(optimizer):
    return type(optimizer).__name__


@check("PS404", at=("fit",))
def all_frozen(c):
    """A model whose layers are all frozen.

    Why: `fit` runs, but nothing changes.

    Fix: `layer.trainable = True` for the layers to train, then `compile` again.
    """
    model = c.model
    if c.optimizer is None or model.trainable_weights or not model.built:
        return
    parts = [part for part in model._flatten() if part._trainable_variables]
    count = sum(len(part._trainable_variables) for part in parts)
    if count:
        yield (
            model.name,
            f"expected weights to train, got a model whose {count} weight arrays are all frozen",
            "set trainable = True in the layers to train and compile again",
        )


@check("PS405")
def several_losses(count):
    """Several losses for the one output.

    Why: Only the first is trained on, as in Keras.

    Fix: One loss; a sum of two is a function `loss(y_true, y_pred)` of your own.
    """
    return (
        "compile(loss)",
        f"expected one loss for the one output, got {count}",
        "only the first is trained on, as in Keras",
    )


@check("PS406")
def names_twice(names):
    """Metrics whose results have one name.

    Why: The logs keep one value under each name.

    Fix: Other keys in what the metric's `result()` returns.
    """
    return (
        "compile(metrics)",
        f"expected every name in the logs once, got {names} from several metrics",
        "the last is kept: return other keys from result()",
    )


@check("PS407")
def endless(batches):
    """A generator that goes on and on without `steps_per_epoch`.

    Why: An epoch ends when the data end: one without an end never does, and nothing is reported.

    Fix: `steps_per_epoch`, or a generator that ends.
    """
    return (
        "fit",
        f"the first epoch has had {batches:,} batches, and the generator goes on",
        "if it has no end, pass steps_per_epoch",
    )


@check("PS408")
def unfilled(path, names, filled):
    """Layers that `load_weights` has left as they were.

    Why: They keep their random weights. Where names differ by a number (`dense_1`, `dense_2`),
    nothing may have been loaded.

    Fix: The names of the layers in the file; `by_name=False` where the architecture is the same.
    """
    listed = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return (
        "load_weights",
        f"{path} has weights for {filled} layers, and none for {listed}",
        "these keep their weights: give layers the names of the file, or leave by_name out",
    )
