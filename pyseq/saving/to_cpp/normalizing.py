"""Normalizations, tables and what sums to 1."""

from __future__ import annotations

import math

import numpy as np

from pyseq.saving.to_cpp.plan import norm_factors
from pyseq.saving.to_cpp.writer import number


def _around(shape, first, last):
    """Numbers before, of and behind the axes [first, last)."""
    return [math.prod(shape[:first]), math.prod(shape[first:last]), math.prod(shape[last:])]


def _scale_and_center(w, op, size):
    weights, made = list(op.weights), []
    for flag, role, otherwise in (("scale", "gamma", 1.0), ("center", "beta", 0.0)):
        value = np.full(size, otherwise)
        if op.attrs.get(flag, True) and weights:
            value = weights.pop(0)
        made.append(w.array(op, role, value))
    return made


def batch_norm(w, op, x, y):
    scale, shift = norm_factors(op)
    channels = op.shapes[0][-1]
    scale, shift = (np.broadcast_to(v, channels) for v in (scale, shift))
    numbers = [math.prod(op.shapes[0]) // channels, channels]
    arrays = [w.array(op, "scale", scale), w.array(op, "shift", shift)]
    w.call("normalizing", "scale_shift", numbers, [x[0], *arrays, y[0]])


def _last(op):
    axes = op.attrs.get("axes", 1)
    outer, inner, _ = _around(op.shapes[0], len(op.shapes[0]) - axes, len(op.shapes[0]))
    return outer, inner


def layer_norm(w, op, x, y):
    rows, size = _last(op)
    centered = "false" if op.attrs.get("rms_scaling") else "true"
    arrays = _scale_and_center(w, op, size)
    arguments = [x[0], *arrays, y[0], number(op.attrs["epsilon"])]
    w.call("normalizing", "layer_norm", [rows, size, centered, "false"], arguments)


def rms_norm(w, op, x, y):
    rows, size = _last(op)
    arrays = [w.array(op, "scale", op.weights[0]), w.array(op, "beta", np.zeros(size))]
    arguments = [x[0], *arrays, y[0], number(op.attrs["epsilon"])]
    w.call("normalizing", "layer_norm", [rows, size, "false", "true"], arguments)


def group_norm(w, op, x, y):
    *outer, channels = op.shapes[0]
    arguments = [x[0], *_scale_and_center(w, op, channels), y[0], number(op.attrs["epsilon"])]
    numbers = [math.prod(outer), channels, op.attrs["groups"]]
    w.call("normalizing", "group_norm", numbers, arguments)


def unit_norm(w, op, x, y):
    w.call("normalizing", "unit_norm", _last(op), [x[0], y[0]])


def softmax(w, op, x, y):
    shape = op.shapes[0]
    axes = sorted(a % len(shape) for a in op.attrs.get("axes", [op.attrs.get("axis", -1)]))
    log = "true" if op.attrs.get("log") else "false"
    numbers = _around(shape, axes[0], axes[-1] + 1)
    w.call("normalizing", "softmax", [*numbers, log], [x[0], y[0]])


def sparsemax(w, op, x, y):
    axis = op.attrs.get("axis", -1) % len(op.shapes[0])
    w.call("normalizing", "sparsemax", _around(op.shapes[0], axis, axis + 1), [x[0], y[0]])


def glu(w, op, x, y):
    axis = op.attrs.get("axis", -1) % len(op.shapes[0])
    numbers = _around(op.y_shapes[0], axis, axis + 1)
    w.call("normalizing", "glu", numbers, [x[0], y[0]])


def embedding(w, op, x, y):
    table = op.weights[0]
    numbers = [math.prod(op.shapes[0]), *table.shape]
    w.call("normalizing", "embedding", numbers, [x[0], w.array(op, "table", table), y[0]])


TABLE = {
    "batch_norm": batch_norm,
    "embedding": embedding,
    "glu": glu,
    "group_norm": group_norm,
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "softmax": softmax,
    "sparsemax": sparsemax,
    "unit_norm": unit_norm,
}
