"""Array functions under the names of `keras.ops`, on NumPy arrays.

In the `call` of a user's layer, in losses, Lambda functions and regularizers they also take the
symbolic tensors of a program, which trains through them (`pyseq.tracing`).

>>> from pyseq import ops
>>> ops.relu(ops.array([-1.0, 2.0])).tolist()
[0.0, 2.0]
"""

from __future__ import annotations

import builtins

import numpy as np

from pyseq import dtypes, hooks, symbolic
from pyseq.ops import nn as nn
from pyseq.ops import numpy as numpy
from pyseq.ops.nn import *  # noqa: F403
from pyseq.ops.numpy import *  # noqa: F403
from pyseq.ops.promotion import convert_to_tensor as convert_to_tensor
from pyseq.special import erf as erf


def slice(inputs, start_indices, shape):
    """Return the part of `inputs` of `shape` that begins at `start_indices`."""
    ends = np.add(start_indices, shape)
    return symbolic.as_array(inputs)[tuple(map(builtins.slice, start_indices, ends))]


def slice_update(inputs, start_indices, updates):
    """Return `inputs` with `updates` written at `start_indices`."""
    result = np.array(inputs)
    ends = np.add(start_indices, np.shape(updates))
    result[tuple(map(builtins.slice, start_indices, ends))] = updates
    return result


def convert_to_numpy(x):
    """Return `x` as an array."""
    return np.asarray(x)


def is_tensor(x):
    """True for arrays and for the tensors of a trace."""
    return isinstance(x, np.ndarray) or symbolic.is_traced(x)


def cast(x, dtype):
    """Return `x` in another dtype."""
    return symbolic.as_array(x).astype(dtypes.numpy_dtype(dtype))


def shape(x):
    """Return the shape of `x`; the batch of a tensor in a trace is a tensor itself."""
    x = symbolic.traced(x)
    return np.shape(x)


def stop_gradient(x):
    """Return `x`; while training nothing before it gets a gradient through it."""
    if symbolic.is_traced(x):
        return hooks.ask("unary", symbolic.trace.get(), x, "stop_gradient")
    return x


def norm(x, ord=None, axis=None, keepdims=False):
    """Return the vector or matrix norm."""
    return np.linalg.norm(x, ord=ord, axis=axis, keepdims=keepdims)


def rsqrt(x):
    """Return 1 / sqrt(x)."""
    return 1.0 / np.sqrt(x)


def logsumexp(x, axis=None, keepdims=False):
    """Return log(sum(exp(x))), safe for large x."""
    x = symbolic.as_array(x)
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    total = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axis=axis)


def top_k(x, k, sorted=True):
    """Return the k largest values of the last axis and their indices, largest first."""
    x = symbolic.as_array(x)
    # Unsigned numbers have no negative ones.
    keys = x.astype("int64") if x.dtype.kind in "ub" else x
    indices = np.argsort(-keys, axis=-1, kind="stable")[..., :k]
    return np.take_along_axis(x, indices, axis=-1), indices.astype("int32")


def in_top_k(targets, predictions, k):
    """True for each row whose target class is among the k largest predictions (ties count)."""
    predictions = np.asarray(predictions)
    chosen = np.take_along_axis(predictions, np.asarray(targets)[:, None].astype("int64"), axis=-1)
    return np.sum(predictions > chosen, axis=-1) < k
