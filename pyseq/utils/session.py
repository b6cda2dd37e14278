"""State of the process."""

from __future__ import annotations

import gc

from pyseq import naming, random
from pyseq._version import __version__


def clear_session(free_memory: bool = True) -> None:
    """Start automatic names and the global seed generator anew.

    Args:
        free_memory: also collect unreachable objects now.

    >>> clear_session()
    >>> naming.auto_name("dense")
    'dense'
    """
    naming.reset_uids()
    random.reset_global_seed_generator()
    if free_memory:
        gc.collect()


def version() -> str:
    """Return the version of pyseq."""
    return __version__
