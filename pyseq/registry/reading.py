"""Errors while a file or config is read: of a kind that callers expect, and with its place."""

from __future__ import annotations

import contextlib
import sys

from pyseq.registry import limits

_LIBRARIES = frozenset(("pyseq", "numpy", "h5py")) | sys.stdlib_module_names


def passes_user_code(error):
    """Return whether an error came through code that is neither pyseq's nor of a library below it.

    What a custom layer or function trips over is the caller's bug and stays as it is.
    """
    step = error.__traceback__
    while step is not None:
        module = step.tb_frame.f_globals.get("__name__") or ""
        if module.partition(".")[0] not in _LIBRARIES:
            return True
        step = step.tb_next
    return False


def reading_layer(name):
    """`reading` with the name of a layer that is built, where a file or config describes it."""
    return reading(name, prefix=False) if limits.is_bounded() else contextlib.nullcontext()


@contextlib.contextmanager
def reading(where, prefix=True):
    """Inside, what damaged data trips over becomes a ValueError that names the place.

    ValueError, TypeError and OSError keep their kind; errors of the caller's own classes and
    functions stay as they are.

    Args:
        where: the file, layer or function that reads, for messages.
        prefix: whether a ValueError or TypeError without it gets it, too.

    >>> with reading("m.keras"):
    ...     {}["units"]
    Traceback (most recent call last):
    ValueError: m.keras: expected a sound description, got one that fails with KeyError: 'units'; \
the data is damaged or hostile
    """
    try:
        yield
    except Exception as error:
        kind = type(error)
        known = isinstance(error, (ValueError, TypeError, OSError))
        known = known and not isinstance(error, UnicodeError)
        if (known and (not prefix or where in str(error))) or passes_user_code(error):
            raise
        if kind in (ValueError, TypeError):
            raise kind(f"{where}: {error}") from error
        if isinstance(error, OSError):
            raise
        raise ValueError(
            f"{where}: expected a sound description, got one that fails with {kind.__name__}: "
            f"{str(error)[:300]}; the data is damaged or hostile"
        ) from error
