"""PS3xx: the data that a model reads."""

from __future__ import annotations

from pyseq.checks.registry import check


@check("PS301", severity="error")
def unreadable(name, error):
    """Data that are no rows of numbers, or do not fit the model's input.

    Why: There is nothing to compute with. `fit`, `evaluate` and `predict` raise this error.

    Fix: The message says what is there and what the model takes.
    """
    text = str(error)
    where, colon, rest = text.partition(": ")
    if not colon:
        where, rest = name, text
    message, _, fix = rest.rpartition("; ")
    if not message:
        message, fix = rest, "pass rows of numbers of the shape of the model's Input"
    return where, message, fix


@check("PS310")
def axis_added(got, expected):
    """Images or sequences without the last axis, of one channel, that the Input has.

    Why: They are taken as they are meant, as in Keras; other layers and other libraries are not so
    kind.

    Fix: `x[..., None]`.
    """
    return (
        "x",
        f"expected rows of shape {tuple(expected)}, got {tuple(got)}",
        "the last axis was added: write x[..., None]",
    )


@check("PS302")
def ended_within_an_epoch(done, steps, again):
    """Data that end before the steps of an epoch are done.

    Why: Epochs become shorter than was asked for, or training stops.

    Fix: Fewer `steps_per_epoch`, more data, or a generator that goes on.
    """
    if again:
        return (
            "fit",
            f"the data ended after {done} of {steps} steps of this epoch",
            "the next epoch starts again; use fewer steps_per_epoch or more data",
        )
    return (
        "fit",
        f"the data ended after {done} of {steps} steps",
        "let the generator yield more batches, or use fewer steps",
    )


@check("PS303")
def ended_before_an_epoch():
    """Data that have nothing left for an epoch.

    Why: A generator can be read once; training stops.

    Fix: `steps_per_epoch`, or data that can be read again: arrays, a dataset, a `Sequence`.
    """
    return (
        "fit",
        "the data ended before this epoch",
        "training stops; pass steps_per_epoch, or data that can be read again",
    )
