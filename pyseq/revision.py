"""What programs were lowered from: changes of it are noted, so that none answers for what it was.

Layers and what they hold (regularizers, losses, optimizers) note each change of an attribute. While
`current()` stands still, all programs are valid; after that a model compares `fingerprint`s.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from pyseq import settings

count = 0  # what `current` returns, for code that every call runs
_objects = 0


def touch():
    """Note that something that programs are lowered from has changed."""
    global count
    count += 1


def current():
    """Return the number of changes so far."""
    return count


def touch_object():
    """Note that an object that layers hold has changed."""
    global _objects
    _objects += 1
    touch()


def objects():
    """Return the number of changes of objects that layers hold."""
    return _objects


for _name in ("device", "fusion"):
    settings.subscribe(_name, touch)

_NONE = object()
_MANY = 256
_numbers = itertools.count()


def number(states, state):
    """Return the number of `state`, new or known, in the dict `states`, which stays small."""
    if len(states) > 256 and state not in states:
        states.clear()
    known = states.get(state)
    if known is None:
        known = states[state] = next(_numbers)
    return known



class Noted:
    """Base class of objects whose public attributes programs are lowered from."""

    if not TYPE_CHECKING:  # checkers would take any name for an attribute

        def __setattr__(self, name, value):
            known = vars(self).get(name, _NONE)
            super().__setattr__(name, value)
            if known is not value and not name.startswith("_"):
                touch_object()


class Same:
    """An object in a fingerprint, equal to itself alone; held, so that its id stays its own."""

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return isinstance(other, Same) and self.value is other.value

    def __hash__(self):
        return id(self.value)


def fingerprint(value, within=()):
    """Return a hashable value that differs where `value`, or what lies in it, differs.

    Numbers, strings and small containers count by value, `Noted` objects by their public
    attributes, all others by identity.

    >>> fingerprint({"rate": 0.5}) == fingerprint({"rate": 0.5})
    True
    """
    if value is None or isinstance(value, (bool, int, float, str, bytes, Same)):
        return value
    if any(value is outer for outer in within):
        return len(within)
    within = (*within, value)
    if isinstance(value, (list, tuple, dict)) and len(value) > _MANY:
        return Same(value)  # a vocabulary
    if isinstance(value, (list, tuple)):
        return tuple(fingerprint(item, within) for item in value)
    if isinstance(value, dict):
        return tuple((k, fingerprint(v, within)) for k, v in value.items())
    if isinstance(value, Noted):
        return (type(value), *attributes(value, within))
    return Same(value)


def attributes(owner, within=(), but=()):
    """Yield `(name, fingerprint)` of the public attributes of an object."""
    for name, value in vars(owner).items():
        if not name.startswith("_") and name not in but:
            yield name, fingerprint(value, within)
