"""What code needs that runs on arrays and, in a trace, on symbolic tensors.

While users' code is traced, `trace` is the trace: it says what becomes one of its tensors
(`takes`), makes it one (`tensor`) and words errors (`error`). Functions that are whole ops of the
core are asked for by `hooks`.
"""

from __future__ import annotations

import contextlib
import contextvars
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes

if TYPE_CHECKING:
    from pyseq.types import DTypeLike, Tensor

# The trace whose user code is being called, or None.
trace = contextvars.ContextVar("pyseq_trace", default=None)


class Placeholder:
    """What stands for an array of which the shape and dtype are known: a `KerasTensor`.

    Attributes:
        shape: None for the sizes that are not known.
        dtype: name of the dtype.
        path: the layers that lead to it.
    """


def traced(x):
    """The tensor of the running trace that `x` (a tensor or a weight) is, else `x` itself."""
    active = trace.get()
    return active.tensor(x) if active is not None and active.takes(x) else x


def is_traced(x):
    """True for symbolic tensors of the running trace, and for weights during it."""
    active = trace.get()
    return active is not None and active.takes(x)


def counts_rows(size):
    """Whether a size is, in a trace, that of the batch: None, or what `ops.shape(x)[0]` gave."""
    return trace.get() is not None and (size is None or getattr(size, "counts_rows", False))


# Whether Python code of a layer is called by a program, and with which `training`; else None.
_call = contextvars.ContextVar("pyseq_call", default=None)


@contextlib.contextmanager
def call(training):
    """Code that a program calls: layers within it run for training if the program does."""
    token = _call.set(bool(training))
    try:
        yield
    finally:
        _call.reset(token)


def training():
    """`training` of the call of a program that runs now; False outside of one."""
    return bool(_call.get())


_keeping: contextvars.ContextVar = contextvars.ContextVar("pyseq_keeping", default=False)


@contextlib.contextmanager
def keeping_losses():
    """A call on arrays, which ends with the losses that its code added."""
    token = _keeping.set(True)
    try:
        yield
    finally:
        _keeping.reset(token)


@contextlib.contextmanager
def trial():
    """A call of users' code for the shape of what it gives."""
    token = _keeping.set(False)
    try:
        with call(False):
            yield
    finally:
        _keeping.reset(token)


def keeps_losses():
    """Whether what code on arrays adds to the loss is kept: not where a model predicts or fits."""
    return _keeping.get() or not is_running()


def is_running():
    """True while users' code is traced, or called by a program."""
    return trace.get() is not None or _call.get() is not None


@contextlib.contextmanager
def no_trace():
    """Code that makes arrays even while users' code is traced: the initializers of weights."""
    token = trace.set(None)
    try:
        yield
    finally:
        trace.reset(token)


def as_array(x: Tensor, dtype: DTypeLike = None) -> Any:
    """Return `x` as an array; a symbolic tensor stays one, a weight becomes one in a trace."""
    if is_traced(x):
        x = traced(x)
        return x if dtype is None else x.astype(dtype)
    return np.asarray(x, dtype=dtypes.numpy_dtype(dtype))
