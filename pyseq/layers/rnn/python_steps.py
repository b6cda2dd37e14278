"""Recurrence over steps that the core does not know: a user's cells, activations without a kernel.

Cells that can be traced become ops of the program, each step anew. Others are called as they are,
for inference.
"""

from __future__ import annotations

import math

import numpy as np

from pyseq import activations, hooks, symbolic
from pyseq.layers.base import Layer
from pyseq.layers.rnn.cell import NOT_ELEMENTWISE, Cell
from pyseq.signatures import taken_by


def is_compiled(cell):
    """Whether the core has this cell with its activations."""
    if not isinstance(cell, Cell) or not type(cell).__module__.startswith("pyseq."):
        return False
    used = [cell.activation]
    if cell.has_recurrent_activation:
        used.append(cell.recurrent_activation)
    known = [activations.core(a) for a in used]
    return all(core is not None and core[0] not in NOT_ELEMENTWISE for core in known)


def as_list(states):
    return list(states) if isinstance(states, (list, tuple)) else [states]


def flatten(states):
    """The arrays of possibly nested states, in order."""
    if isinstance(states, (list, tuple)):
        return [leaf for state in states for leaf in flatten(state)]
    return [states]


def packed_like(structure, leaves):
    """The reverse of `flatten`, in the structure of another value; consumes the list `leaves`."""
    if isinstance(structure, (list, tuple)):
        return [packed_like(part, leaves) for part in structure]
    return leaves.pop(0)


def zero_states(cell, batch_size, dtype):
    """States of a cell before the first step, as a list."""
    get = getattr(cell, "get_initial_state", None)
    if get is None:
        return [np.zeros((batch_size, d), dtype) for d in flatten(cell.state_size)]
    return as_list(get(batch_size=batch_size))


def call_cell(cell, inputs, states, training):
    """One step: `(output, list of new states)`."""
    if isinstance(cell, Layer) and not cell.built:
        cell.build(inputs.shape)
    output, new_states = cell.call(inputs, states, **taken_by(cell.call, training=training))
    if not symbolic.is_traced(output):
        output = np.asarray(output)
    return output, as_list(new_states)


def chosen(valid, new, old):
    return np.where(valid[(slice(None), *[None] * (new.ndim - 1))], new, old)


def forget_masks(layer):
    """Every sequence has dropout masks of its own."""
    for cell in layer._flatten():
        for reset in ("reset_dropout_mask", "reset_recurrent_dropout_mask"):
            getattr(cell, reset, lambda: None)()


def run_steps(layer, x, mask, states, training):
    """All steps of `layer.cell` over x (n, T, ...); returns (outputs, flat new states)."""
    forget_masks(layer)
    structure = zero_states(layer.cell, len(x), x.dtype)
    states = packed_like(structure, [np.asarray(s, x.dtype) for s in states or flatten(structure)])
    steps = range(x.shape[1])
    outputs, previous = [], None
    for t in reversed(steps) if layer.go_backwards else steps:
        output, new = call_cell(layer.cell, x[:, t], states, training)
        if mask is not None:
            valid = mask[:, t]
            rests = layer.zero_output_for_mask or previous is None
            output = chosen(valid, output, np.zeros_like(output) if rests else previous)
            kept = [chosen(valid, np.asarray(a), b) for a, b in zip(flatten(new), flatten(states))]
            new = packed_like(states, kept)
        states, previous = new, output
        outputs.append(output)
    outputs = np.stack(outputs, axis=1) if layer.return_sequences else outputs[-1]
    return outputs, [np.asarray(s) for s in flatten(states)]


def lower_steps(layer, g, x, states):
    """Append the whole recurrence; returns [output] or [output, *states].

    `states` are the variables that a run starts from and leaves its last states in, if any.
    """
    before, problem = g.mark(), "its states stay from batch to batch"
    if not states:
        try:
            return hooks.ask("trace_steps", layer, g, x)
        except Exception as error:
            g.rewind(before)
            problem = error
    if g.training and layer.trainable_weights:
        names = sorted({type(cell).__name__ for cell in layer.cells if not is_compiled(cell)})
        raise ValueError(
            f"{layer.name}: expected built-in cells (LSTMCell, GRUCell, SimpleRNNCell) or code "
            f"that can be traced in training, got {', '.join(names)}: {problem}; use the layer for "
            "inference, or freeze it (trainable=False) and put it before the first trainable layer"
        )
    return call_steps(layer, g, x, states)


def call_steps(layer, g, x, states):
    """Append the whole recurrence as a call of Python."""
    training = g.training
    full_shape = layer.compute_output_shape((g.batch_size, *x.shape))
    shapes = full_shape if layer.return_state else [full_shape]
    shapes = [tuple(shape[1:]) for shape in shapes]
    sizes = [math.prod(shape) for shape in shapes]
    def run(values, mask=None):
        n = len(values)
        mask = None if mask is None else mask != 0
        outputs, last = run_steps(layer, values, mask, [v.value for v in states], training)
        for variable, value in zip(states, last):
            variable.assign(value)
        results = [outputs, *last] if layer.return_state else [outputs]
        return np.concatenate([np.reshape(r, (n, -1)) for r in results], axis=1)

    inputs = [x] if x.mask is None else [x, x.mask]
    packed = g.host(run, inputs, (sum(sizes),), layer.name)
    values, begin = [], 0
    for shape, size in zip(shapes, sizes):
        margin = {"begin": [begin], "end": [sum(sizes) - begin - size]}
        part = packed
        if len(sizes) > 1:
            part = g.op("crop", packed, (size,), name=layer.name, **margin)
        values.append(g.op("reshape", part, shape, name=layer.name))
        begin += size
    return values
