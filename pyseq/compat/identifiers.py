"""Strings that name objects in the spellings of Keras 1 and 2: `loss="cosine_proximity"`."""

from __future__ import annotations

from pyseq import hooks
from pyseq.compat import imports


@hooks.answers("old_name")
def old_name(family, name):
    """The object that `name` meant in a family such as "losses"; None where it meant none.

    >>> old_name("losses", "no_such_loss") is None
    True
    """
    return imports.find(family, name)
