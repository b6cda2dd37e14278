"""Limits while a file is loaded: a config may not ask for more weights than the file can hold."""

from __future__ import annotations

import contextlib
import contextvars
import math

import numpy as np

MAX_JSON_BYTES = 64 << 20
MAX_LAYERS = 10_000
# Weights may have been stored compressed or in half precision, and small models cost nothing.
_EXPANSION = 16
_ALLOWANCE = 64 << 20


class _Budget:
    def __init__(self, size, where):
        self.left = size
        self.where = where


_budget: contextvars.ContextVar[_Budget | None] = contextvars.ContextVar(
    "pyseq_loading", default=None
)


@contextlib.contextmanager
def loading(file_bytes, where):
    """Bound the weights that layers create inside the context, and let them start as zeros.

    Args:
        file_bytes: size of the file whose weights will replace them.
        where: name of the file, for messages.
    """
    token = _budget.set(_Budget(file_bytes * _EXPANSION + _ALLOWANCE, where))
    try:
        yield
    finally:
        _budget.reset(token)


def is_loading():
    """Return whether objects are being created for a file that is loaded."""
    return _budget.get() is not None


def take(shape, dtype, name):
    """Count a weight that a layer is about to create while a file is loaded.

    Raises:
        ValueError: the file cannot hold that much.
    """
    budget = _budget.get()
    if budget is None:
        return
    # Python integers do not overflow, so no product of sizes can look small.
    size = math.prod(int(d) for d in shape) * np.dtype(dtype).itemsize
    if size < 0 or size > budget.left:
        raise ValueError(
            f"{budget.where}: expected weights that fit the size of the file, got shape "
            f"{tuple(shape)} for {name}; the file is damaged or hostile"
        )
    budget.left -= size
