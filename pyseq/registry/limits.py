"""Limits while files and configs are read.

A file's config may not ask for more weights than the file can hold, one without a file not for
more than half of the machine's memory.
"""

from __future__ import annotations

import contextlib
import contextvars
import math
import os

import numpy as np

MAX_JSON_BYTES = 64 << 20
MAX_LAYERS = 10_000
# Weights may have been stored compressed or in half precision, and small models cost nothing.
_EXPANSION = 16
_ALLOWANCE = 64 << 20
# Of an array that a layer is tried with: its work takes several times as much.
_TRIAL = 64 << 20




def _memory():
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return 16 << 30


# What the weights of a config without a file may take.
CONFIG_BYTES = _memory() // 2


class _Budget:
    def __init__(self, size, where, rule, has_values):
        self.left = size
        self.where = where
        self.rule = rule
        self.has_values = has_values


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
    size = file_bytes * _EXPANSION + _ALLOWANCE
    token = _budget.set(_Budget(size, where, "weights that fit the size of the file", True))
    try:
        yield
    finally:
        _budget.reset(token)


@contextlib.contextmanager
def describing(where):
    """Bound the weights that layers create inside the context, unless a file is loaded."""
    if _budget.get() is not None:
        yield
        return
    rule = f"weights of at most {CONFIG_BYTES >> 20} MiB, half of the memory"
    token = _budget.set(_Budget(CONFIG_BYTES, where, rule, False))
    try:
        yield
    finally:
        _budget.reset(token)


def is_loading():
    """Return whether objects are being created for a file that holds their weights."""
    budget = _budget.get()
    return budget is not None and budget.has_values


def is_bounded():
    """Return whether objects are being created for a file or a config."""
    return _budget.get() is not None


def check_trial(shape, dtype, where):
    """Refuse, while a file or config is read, to try a layer with much data.

    Raises:
        ValueError: an array of `shape` is too large.
    """
    if is_bounded() and math.prod(int(d) for d in shape) * np.dtype(dtype).itemsize > _TRIAL:
        raise ValueError(
            f"{where}: expected an input of at most {_TRIAL >> 20} MiB where only a call tells the "
            f"shape of the output, got shape {tuple(shape)}; the config is damaged or hostile"
        )


def take(shape, dtype, name):
    """Count a weight or table that a layer is about to create while a file or config is read.

    Raises:
        ValueError: that is more than the file can hold, or the config may ask for.
    """
    budget = _budget.get()
    if budget is None:
        return
    # Python integers do not overflow, so no product of sizes can look small.
    size = math.prod(int(d) for d in shape) * np.dtype(dtype).itemsize
    if size < 0 or size > budget.left:
        raise ValueError(
            f"{budget.where}: expected {budget.rule}, got shape {tuple(shape)} for {name}; the "
            f"{'file' if budget.has_values else 'config'} is damaged or hostile"
        )
    budget.left -= size
