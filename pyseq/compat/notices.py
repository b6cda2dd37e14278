"""Tells that an old spelling is used: once for each, and not at all where that is switched off."""

from __future__ import annotations

import contextlib
import warnings

from pyseq import settings
from pyseq.checks.delivery import users_frame

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
    frame = users_frame(("pyseq", "importlib"))
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
