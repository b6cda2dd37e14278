"""Automatic names: `dense`, `dense_1`, `dense_2`, ... counted per process."""

from __future__ import annotations

import collections
import threading

_counts: collections.Counter[str] = collections.Counter()
_lock = threading.Lock()


def get_uid(prefix: str = "") -> int:
    """Return how often `prefix` has been asked for, this time included."""
    with _lock:
        _counts[prefix] += 1
        return _counts[prefix]


def auto_name(prefix: str) -> str:
    """Return `prefix` the first time, then `prefix_1`, `prefix_2`, ..."""
    uid = get_uid(prefix)
    return prefix if uid == 1 else f"{prefix}_{uid - 1}"


def reset_uids() -> None:
    """Start counting anew; `clear_session` does."""
    with _lock:
        _counts.clear()
