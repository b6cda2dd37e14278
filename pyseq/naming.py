"""Automatic names: `dense`, `dense_1`, `dense_2`, ... counted per process."""

from __future__ import annotations

import collections
import contextlib
import contextvars
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

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


# The owners, such as layers, that are being built or called, each within the one before it.
_owners: contextvars.ContextVar[tuple] = contextvars.ContextVar("pyseq_owners", default=())


@contextlib.contextmanager
def scope(owner):
    """Within it, `owner.name` is part of the paths of what is made."""
    owners = _owners.get()
    token = None if owners and owners[-1] is owner else _owners.set((*owners, owner))
    try:
        yield
    finally:
        if token is not None:
            _owners.reset(token)


def path_here(owner=None) -> str:
    """Return the names around what is made now, `owner` itself left out, joined by "/".

    >>> path_here()
    ''
    """
    owners = _owners.get()
    if owners and owners[-1] is owner:
        owners = owners[:-1]
    return "/".join(o.name for o in owners)


class name_scope:
    """A context whose name is part of the paths of variables that are made within it.

    Args:
        name: a name without "/".
        caller, deduplicate, override_parent: accepted for Keras; they change nothing here.

    Raises:
        ValueError: `name` is not such a name.

    >>> with name_scope("encoder"):
    ...     path_here()
    'encoder'
    """

    def __init__(
        self, name: str, caller: Any = None, deduplicate: bool = True, override_parent: Any = None
    ) -> None:
        if not isinstance(name, str) or not name or "/" in name:
            raise ValueError(f"name_scope: expected a name without '/', got {name!r}")
        self.name = name
        self._scopes = []

    def __enter__(self) -> Self:
        self._scopes.append(scope(self))
        self._scopes[-1].__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._scopes.pop().__exit__(*error)
