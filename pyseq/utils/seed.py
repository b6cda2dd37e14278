"""One seed for every random source of a program."""

from __future__ import annotations

import random as python_random

import numpy as np

from pyseq import random


def set_random_seed(seed: int) -> None:
    """Seed Python's `random`, NumPy's legacy generator and pyseq's global generator.

    Initial weights, shuffling, dropout and random augmentation then repeat from run to run.

    Args:
        seed: integer in [0, 2**32).

    >>> set_random_seed(1)
    >>> first = random.normal((2,))
    >>> set_random_seed(1)
    >>> bool((first == random.normal((2,))).all())
    True
    """
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise ValueError(
            f"set_random_seed: expected an integer, got {seed!r} of type {type(seed).__name__}"
        )
    seed = seed.__index__()
    if not 0 <= seed < 2**32:
        raise ValueError(f"set_random_seed: expected an integer in [0, 2**32), got {seed}")
    python_random.seed(seed)
    np.random.seed(seed)
    random.reset_global_seed_generator(seed)
