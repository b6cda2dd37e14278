"""Tensors that code under tracing makes of nothing: constants and random numbers for each row."""

from __future__ import annotations

import math

import numpy as np

from pyseq import hooks, random, symbolic
from pyseq.layers.regularization import Dropout
from pyseq.tracing import across
from pyseq.tracing.calls import call_layer
from pyseq.tracing.functions import unary
from pyseq.tracing.tensor import Tensor


def begins_with_batch(shape):
    """True for shapes such as `(None, 3)` and `(ops.shape(x)[0], 3)`."""
    return (
        isinstance(shape, (tuple, list))
        and bool(shape)
        and (shape[0] is None or isinstance(shape[0], Tensor))
    )


def filled(trace, shape, value, dtype):
    """An array of one value whose shape begins with the batch."""
    wide = [a for a, d in enumerate(shape) if a and symbolic.counts_rows(d)]
    if wide and not across.is_possible(trace):
        raise trace.error(f"expected one axis for the batch, got shape {tuple(shape)}")
    sizes = [trace.graph.use_rows() if a in wide else int(d) for a, d in enumerate(shape) if a]
    row = trace.tensor(np.full(sizes, value, dtype))
    row = Tensor(trace, row.value, True, row.dtype)
    return across.Wide(row, wide) if wide else row


@hooks.answers("filled")
def filled_rows(trace, shape, value, dtype):
    """`filled` for shapes that begin with the batch, else None."""
    return filled(trace, shape, value, dtype) if begins_with_batch(shape) else None


@hooks.answers("normal")
def normal(trace, shape, mean, stddev, seed):
    """Other numbers in each step and row; the ops that draw them do so in training only."""
    _check_drawn(trace, shape)
    zeros = filled(trace, shape, 0.0, trace.dtype)
    attrs = {"stddev": 1.0, "seed": random.draw_seed(seed)}
    return trace.op("gaussian_noise", [zeros.value], zeros.inner, True, trace.dtype, **attrs) * (
        stddev
    ) + mean


@hooks.answers("uniform")
def uniform(trace, shape, low, high, seed):
    """Where normal numbers lie in their distribution is distributed uniformly."""
    share = 0.5 + 0.5 * unary(trace, normal(trace, shape, 0.0, math.sqrt(0.5), seed), "erf")
    return low + (high - low) * share


@hooks.answers("randint")
def randint(trace, shape, low, high, seed):
    drawn = np.floor(uniform(trace, shape, float(low), float(high), seed))
    return np.minimum(drawn, float(high) - 1).astype("int32")


@hooks.answers("dropout")
def dropout(trace, x, rate, noise_shape, seed):
    _check_drawn(trace, x.shape)
    return call_layer(Dropout(rate, noise_shape, seed), x, True)


def _check_drawn(trace, shape):
    if not trace.graph.training:
        raise trace.error("expected random numbers in training only")
    if not begins_with_batch(tuple(shape)):
        raise trace.error(
            f"expected random numbers for each row of the batch, got shape {tuple(shape)}",
            "begin the shape with ops.shape(x)[0]",
        )
