"""The steps of a recurrence over users' cells, each as ops of the program."""

from __future__ import annotations

import numpy as np

from pyseq import hooks
from pyseq.layers.rnn.python_steps import (
    as_list,
    chosen,
    flatten,
    forget_masks,
    packed_like,
    zero_states,
)
from pyseq.signatures import taken_by
from pyseq.tracing import making
from pyseq.tracing.tensor import Trace, as_value


@hooks.answers("trace_steps")
def trace_steps(layer, g, x):
    """Append the ops of all steps; returns [output, *states]."""
    trace = Trace(g, x, layer.name, layer.half_in_call(x))
    cell = layer.cell
    more = taken_by(cell.call, training=g.training)
    structure = zero_states(cell, 1, layer.arithmetic_dtype)

    def initial(row):
        zeros = making.filled(trace, (None, *np.shape(row)[1:]), 0.0, trace.dtype)
        return zeros + np.asarray(row) if np.any(row) else zeros

    forget_masks(layer)
    with trace:
        inputs = trace.input(x)
        mask = None if x.mask is None else trace.input(x.mask, "bool")
        states = packed_like(structure, [initial(row) for row in flatten(structure)])
        steps = range(x.shape[0])
        outputs = []
        for t in reversed(steps) if layer.go_backwards else steps:
            output, new = cell.call(inputs[:, t], states, **more)
            output, new = trace.tensor(output), as_list(new)
            if mask is not None:
                rests = layer.zero_output_for_mask or not outputs
                rest = np.zeros_like(output) if rests else outputs[-1]
                output = chosen(mask[:, t], output, rest)
                pairs = zip(flatten(new), flatten(states), strict=True)
                new = packed_like(states, [chosen(mask[:, t], a, b) for a, b in pairs])
            states = new
            outputs.append(output)
        forget_masks(layer)
        y = np.stack(outputs, axis=1) if layer.return_sequences else outputs[-1]
        values = [as_value(v) for v in (y, *map(trace.tensor, flatten(states)))]
    return values if layer.return_state else values[:1]
