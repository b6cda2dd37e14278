"""Convolutions and poolings of symbolic tensors."""

from __future__ import annotations

from pyseq import hooks
from pyseq.integers import keeps_dtype
from pyseq.tracing.tensor import Tensor


@hooks.answers("window_op")
def window_op(x, kind, shape, kernel=None, **attrs):
    """An op over the spatial axes of `x (n, ..., c)`; `shape` is that of a sample of the result.

    None where the kernel is no weight and no constant, which the ops of the core take alone.
    """
    if kernel is not None:
        if kernel._value is not None:
            return None
        attrs["weights"] = [kernel.param]
    trace = x.trace
    dtype = x.dtype if keeps_dtype(kind, attrs) else trace.dtype
    if x.batched and not x.lead:
        return trace.op(kind, x.value, shape, True, dtype, **attrs)
    # A merged axis in front, or the first one of a tensor without a batch, counts as rows.
    graph, count = trace.graph, x.inner[0]
    y = graph.op(kind, graph.fold(x.value, count), shape, name=trace.name, **attrs)
    y = graph.unfold(y, count)
    return Tensor(trace, y, x.batched, y.dtype or dtype, lead=x.lead)
