"""Derivatives of functions of arrays: traced, and gone through on the way back."""

from __future__ import annotations

import math

import numpy as np

from pyseq import _core, hooks, lowering, symbolic
from pyseq.tracing.tensor import Tensor, Trace
from pyseq.variable import Variable

# Numbers of a Jacobian, and of all values on the way to it, that are made at once.
_AT_ONCE = 1 << 22


@hooks.answers("slopes")
def slopes(function, points, directions):
    """Derivatives of what `function` of a list of tensors lists, in a direction.

    Args:
        points: arrays of floats; all of them together are one row of a program of float64.
        directions: arrays of their shapes.

    Returns:
        float64 arrays, one for each array that the function gives.
    """
    sizes = [x.size for x in points]
    graph = lowering.Graph((sum(sizes),), dtype="float64", portable=True)
    with symbolic.no_trace(), Trace(graph, graph.input, "jvp") as trace:
        results = [trace.tensor(y) for y in function(_parts(trace, points, sizes))]
    shapes = [y.shape for y in results]
    flat = [graph.op("reshape", graph.real(y.value), (math.prod(y.shape),)) for y in results]
    count = sum(v.shape[0] for v in flat)
    if not count or not sum(sizes):
        return [np.zeros(s) for s in shapes]
    y = graph.op("concat", flat, (count,), axis=-1) if len(flat) > 1 else flat[0]
    moved = _jacobian_times(graph, y, *(_joined(a) for a in (points, directions)))
    ends = np.cumsum([v.shape[0] for v in flat])[:-1]
    return [part.reshape(s) for part, s in zip(np.split(moved, ends), shapes, strict=True)]


def _joined(arrays):
    return np.concatenate([np.ravel(np.asarray(a, "float64")) for a in arrays])


def _parts(trace, points, sizes):
    """Tensors without a batch, which the rows of the program are made of."""
    row, begin, parts = trace.input(trace.graph.input), 0, []
    for x, size in zip(points, sizes, strict=True):
        part = np.reshape(row[:, begin : begin + size], (-1, *x.shape))
        parts.append(Tensor(trace, part.value, False, x.dtype))
        begin += size
    return parts


def _jacobian_times(graph, y, point, direction):
    """The Jacobian of `y` (count,) at `point` (size,), times `direction` (size,).

    Row k of a batch asks for the gradient of element k.
    """
    (count,) = y.shape
    chosen = graph.add_input((count,))
    summed = graph.op("binary", [y, chosen], (count,), name="chosen", function="multiply")
    graph.training = True  # it keeps what the way back reads
    weights = [
        v if v.dtype == graph.dtype else Variable(v.numpy(), dtype=graph.dtype, name=v.name)
        for v in graph.variables
    ]
    trainer = _core.Trainer(
        graph.program(summed),
        [v._storage for v in weights],
        {
            "target": [count],
            "loss": {"kind": "value", "attrs": {}, "slot": summed.slot, "reduction": "sum"},
            "metrics": [],
            "optimizers": [],
            "parameters": [],
            "input_gradient": True,
        },
    )
    numbers = sum(math.prod(shape) for shape in graph.shapes)
    step = max(1, min(count, _AT_ONCE // numbers))
    moved = np.empty(count)
    for begin in range(0, count, step):
        n = min(step, count - begin)
        rows = np.ascontiguousarray(np.broadcast_to(point, (n, len(point))))
        hot = np.eye(n, count, begin)
        trainer.run(rows, hot, None, None, 0, n, n, 1, math.inf, np.empty(0), 0, 0)
        moved[begin : begin + n] = trainer.input_gradient(n) @ direction
    return moved
