"""Tells that an old spelling is used: once for each, and not at all where that is switched off."""

from __future__ import annotations

import contextlib
import sys
import warnings

from pyseq import settings

_told = set()


class CompatNotice(UserWarning):
    """An old spelling was used; `pyseq.config.disable_compat_notices()` silences these.

    >>> issubclass(CompatNotice, UserWarning)
    True
    """


def tell(old, new):
    """Say once that `old` stands for `new` today, at the line of the user's script.

    Args:
        old: the spelling that was used.
        new: what to write today.
    """
    if old in _told or not settings.compat_notices:
        return
    _told.add(old)
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame):
        frame = frame.f_back
    warnings.warn_explicit(
        f"{old} is an old spelling; write {new} (PYSEQ_COMPAT_NOTICES=0 silences this)",
        CompatNotice,
        frame.f_code.co_filename,
        frame.f_lineno,
    )


@contextlib.contextmanager
def quietly():
    """Inside, nothing is told."""
    before = settings.compat_notices
    settings.change("compat_notices", False)
    try:
        yield
    finally:
        settings.change("compat_notices", before)


def _is_ours(frame):
    name = frame.f_globals.get("__name__", "")
    return name.split(".")[0] in ("pyseq", "importlib")
