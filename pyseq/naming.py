"""Automatic names: `dense`, `dense_1`, `dense_2`, ... counted per process."""

from __future__ import annotations

import collections
import contextlib
import contextvars
import difflib
import inspect
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


def did_you_mean(given: str, known) -> str:
    """The known name that looks like a misspelt or cut one, as a question; "" without any.

    >>> did_you_mean("acuracy", ["accuracy", "auc", "mae"]), did_you_mean("x", ["mae"])
    ("did you mean 'accuracy'?", '')
    >>> did_you_mean("glorot", ["glorot_normal", "glorot_uniform"])
    "did you mean 'glorot_normal' or 'glorot_uniform'?"
    """
    meant = _meant(given, sorted(known))
    return f"did you mean {' or '.join(map(repr, meant))}?" if meant else ""


def _meant(given, known):
    """The one or two known names that a cut or misspelt one stands for."""
    meant = [name for name in known if _abbreviates(given, name)]
    if not meant:
        near = _nearest(given, known)
        return [near] if near else []
    # "los" is loss and not loss_weights.
    return [name for name in meant if name.count("_") == given.count("_")][:2] or meant[:2]


def _nearest(given, known):
    """The known name that looks like a misspelt one; None without any."""
    lower: dict[str, str] = {}
    for name in sorted(known, key=lambda name: (name != name.lower(), name)):
        lower.setdefault(name.lower().replace("_", ""), name)
    given = given.lower().replace("_", "")
    close = difflib.get_close_matches(given, lower, 3, 0.7)
    return lower[max(close, key=lambda name: _likeness(given, name))] if close else None


def _likeness(given, name):
    """Of two names that are about as close, the one of the same length is meant."""
    ratio = difflib.SequenceMatcher(None, given, name).ratio()
    return ratio - 0.05 * abs(len(name) - len(given))


def misspelt_arguments(cls, given) -> str:
    """What to do about arguments that a class does not take."""
    known = {
        name
        for base in cls.__mro__
        if "__init__" in vars(base)
        for name in inspect.signature(base.__init__).parameters
    } - {"self", "args", "kwargs"}
    hints = [did_you_mean(name, known) for name in sorted(given)]
    return " ".join(hint for hint in hints if hint) or "check the spelling"


def keywords(function) -> list[str]:
    """The names of the arguments of a function, `self` left out, as they stand in its signature.

    >>> keywords(did_you_mean)
    ['given', 'known']
    """
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return [name for name in names[code.co_posonlyargcount :] if name != "self"]


def unknown_arguments(key: str, given, known) -> TypeError:
    """The error of a call with arguments that a function does not take; raise it.

    Args:
        key: qualified name of the function.
        given: names of arguments; those that are `known` count for nothing.
        known: names that the function takes, in their order.

    >>> unknown_arguments("Fitting.fit", ["epoch"], ["x", "epochs"])
    TypeError('fit: expected arguments that it takes, got epoch=; did you mean epochs=?')
    >>> unknown_arguments("f", ["val_data"], ["y", "validation_data"])
    TypeError('f: expected arguments that it takes, got val_data=; did you mean validation_data=?')
    """
    where = key.removesuffix(".__init__").rpartition(".")[2]
    unknown = [name for name in given if name not in known]
    hints = [hint for name in unknown if (hint := _meant_arguments(name, known))]
    fix = " ".join(hints) or f"it takes {', '.join(known)}"
    got = ", ".join(f"{name}=" for name in unknown)
    return TypeError(f"{where}: expected arguments that it takes, got {got}; {fix}")


def _meant_arguments(given, known):
    names = " or ".join(f"{name}=" for name in _meant(given, known))
    return f"did you mean {names}?" if names else ""


def _abbreviates(given, name):
    """Whether each part of `given` begins one of `name`: "val_data" is "validation_data"."""
    parts, wanted = given.lower().split("_"), name.split("_")
    return len(given) > 2 and len(parts) <= len(wanted) and all(map(str.startswith, wanted, parts))


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
