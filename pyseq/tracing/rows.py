"""Functions of one row of the batch, and functions that bring their own gradient."""

from __future__ import annotations

import numpy as np

from pyseq import hooks
from pyseq.structures import leaves, packed
from pyseq.tracing.functions import unary
from pyseq.tracing.tensor import Tensor


@hooks.answers("map_rows")
def map_rows(function, tensors):
    """`function` of a list of rows, for each row of the batch.

    A value of the program is computed row by row: without its batch, it is the row.
    """
    trace = next(t.trace for t in tensors if isinstance(t, Tensor))
    tensors = [trace.tensor(t) for t in tensors]
    if any(not t.batched or t.lead for t in tensors):
        raise trace.error(
            f"expected tensors (n, ...) with the batch, got shapes {[t.shape for t in tensors]}"
        )
    y = function([Tensor(trace, t.value, False, t.dtype) for t in tensors])
    parts = [trace.tensor(part) for part in leaves(y)]
    if any(part.batched for part in parts):
        raise trace.error(
            "expected a function of one row, got a result with the whole batch",
            "hand what it needs of other tensors over in `elements`",
        )
    return packed(y, [Tensor(trace, part.value, True, part.dtype) for part in parts])


class Upstream(Tensor):
    """The gradient of a function's value, of which only a multiple may be taken."""

    def __init__(self, factor):
        super().__init__(factor.trace, factor.value, factor.batched, factor.dtype, factor.lead)
        self.factor = factor

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        among = [isinstance(x, Upstream) for x in inputs]
        linear = {
            "multiply": sum(among) == 1,
            "divide": among == [True, False],
            "true_divide": among == [True, False],
            "negative": True,
            "positive": True,
            "add": all(among),
            "subtract": all(among),
        }
        if method != "__call__" or not linear.get(ufunc.__name__):
            raise self._not_linear(ufunc.__name__)
        return Upstream(ufunc(*(x.factor if isinstance(x, Upstream) else x for x in inputs)))

    def __array_function__(self, function, types, args, kwargs):
        raise self._not_linear(function.__name__)

    def __getitem__(self, key):
        raise self._not_linear("indexing")

    def astype(self, dtype, copy=True):
        return Upstream(self.factor.astype(dtype))

    def _not_linear(self, name):
        return self.trace.error(
            f"expected a custom gradient that multiplies or divides upstream, got {name} of it",
            "write it as upstream * factor",
        )


@hooks.answers("custom_gradient")
def custom_gradient(value, args, gradient):
    """`value` with the gradients that `gradient(upstream)` gives the tensors among `args`."""
    trace = next(a.trace for a in args if isinstance(a, Tensor))
    if isinstance(value, (list, tuple, dict)):
        raise trace.error("expected one value from a function with a custom gradient")
    y = trace.tensor(value)
    y = unary(trace, y, "stop_gradient", y.dtype)
    grads = gradient(Upstream(np.ones_like(y)))
    grads = grads if isinstance(grads, (list, tuple)) else (grads,)
    if len(grads) != len(args):
        raise ValueError(
            f"{trace.name}: expected a custom gradient for each of {len(args)} arguments, got "
            f"{len(grads)}"
        )
    for x, grad in zip(args, grads, strict=True):
        if grad is None or not isinstance(x, Tensor):
            continue
        factor = grad.factor if isinstance(grad, Upstream) else trace.tensor(grad)
        if not isinstance(grad, Upstream) and factor.number != 0:
            raise trace.error("expected a custom gradient made of upstream", "multiply it by one")
        if x.shape != y.shape or factor.shape not in (x.shape, ()):
            raise trace.error(
                f"expected value, argument and custom gradient of one shape, got {y.shape}, "
                f"{x.shape} and {factor.shape}"
            )
        # 0 in value, with the factor as its slope; what is not finite has none.
        factor = np.where(np.isfinite(factor), factor, 0.0)
        factor = unary(trace, factor, "stop_gradient", factor.dtype)
        term = (x - unary(trace, x, "stop_gradient", x.dtype)) * factor
        y = y + np.where(np.isfinite(term), term, 0.0)
    return y
