"""Parts of a config that no file may hold: noted and left out, rather than a reason not to save."""

from __future__ import annotations

import contextlib
import contextvars

from pyseq.registry import lambdas
from pyseq.registry.serialization import serialize_keras_object

_notes: contextvars.ContextVar[list | None] = contextvars.ContextVar("pyseq_left_out", default=None)


@contextlib.contextmanager
def leaving_out():
    """Inside, `serialize_part` leaves out what cannot be serialized.

    Yields the list of what was left out, in words.

    >>> with leaving_out() as left_out:
    ...     serialize_part(lambda y, p: y - p, "loss")
    >>> left_out
    ['loss (a lambda)']
    """
    notes = []
    token = _notes.set(notes)
    try:
        with lambdas.refused():
            yield notes
    finally:
        _notes.reset(token)


def serialize_part(obj, what, instead=None):
    """Return the description of `obj`, as `serialize_keras_object`; or `instead`.

    Args:
        obj: an object or a function.
        what: what it is to the whole, for instance "loss".
        instead: function that gives what stands in its place where `leaving_out` is in force.

    Raises:
        ValueError, TypeError: `obj` cannot be serialized, and may not be left out.
    """
    try:
        return serialize_keras_object(obj)
    except (TypeError, ValueError):
        notes = _notes.get()
        if notes is None:
            raise
        notes.append(f"{what} ({_kind(obj)})")
        return None if instead is None else instead()


def _kind(obj):
    # Without an address, so that one model gives one file.
    if lambdas.is_lambda(obj):
        return "a lambda"
    return f"{type(obj).__name__} {getattr(obj, 'name', '')}".rstrip()
