"""Counts changes that programs were lowered from: while it stands still, what was made is valid."""

from __future__ import annotations

from pyseq import settings

_count = 0


def touch():
    """Note that some layer was frozen, rebuilt or replaced, or that the device changed."""
    global _count
    _count += 1


def current():
    """Return the number of changes so far."""
    return _count


settings.subscribe("device", touch)
