"""What goes on inside a model for given rows: values between its layers, gradients of its input."""

from __future__ import annotations

import math

import numpy as np

from pyseq import _core, lowering

# Losses whose logits are the scores before a last activation.
_SCORES = ("categorical_crossentropy", "binary_crossentropy")


def entered(model, x, where):
    """Rows `x` as the program of a model takes them; builds the model if it is not.

    Raises:
        ValueError: the rows do not fit the model.
    """
    return np.asarray(model._enter(model._rows(x, where)))


def layer_output(model, layer, x):
    """What `layer` puts out while `model` answers rows.

    Args:
        model: a `Sequential`, which may hold others.
        layer: a layer of it.
        x: (n, ...) numbers, as `entered` gives them.

    Returns:
        An array (n, ...) of floats, or None where the layer is none that rows pass through.
    """
    graph = _graph(model, x)
    value = _up_to(model, layer, graph, graph.input, len(model._text_layers()))
    if value is None or isinstance(value, (list, tuple)):
        return None
    program = graph.program(graph.real(value))
    rows = np.ascontiguousarray(x, "int64" if 0 in graph.int64 else graph.dtype)
    return _answer(graph, program, [rows])


def _answer(graph, program, inputs):
    """The output of a program; states that it moves on are put back."""
    states = [v for v in graph.variables if graph.batch_size and not v.trainable]
    kept = [np.array(v.numpy()) for v in states]
    session = _core.Session(program, [v._storage for v in graph.variables])
    output = session.run(inputs, False, 0, 0)[0]
    for variable, value in zip(states, kept):
        variable.assign(value)
    return output


def _graph(model, x, portable=False):
    batch = len(x) if model._is_stateful() else None
    dtype, given = model.program_dtype(), model.input_program_dtype()
    return lowering.Graph(
        x.shape[1:], batch_size=batch, dtype=dtype, input_dtype=given, portable=portable
    )


def _up_to(model, layer, graph, value, begin=0):
    """The value after `layer`, where models in the model are gone into; None if it is not met."""
    for part in model._stack[begin:]:
        if part is not layer and layer in getattr(part, "_stack", ()):
            return _up_to(part, layer, graph, value)
        value = part.emit(graph, value)
        if part is layer:
            return value
    return None


def input_gradients(model, x, weights, scores, where):
    """Gradients of weighted sums of a model's outputs with respect to its inputs.

    The model answers as in `predict`: nothing is dropped, moving averages are used. They are
    reverse-mode derivatives, op by op.

    Args:
        model: a built model with one output.
        x: (n, ...) numbers, as `entered` gives them.
        weights: `f(outputs)` that returns the weights of the sum: (n, K) for outputs (n, K).
        scores: the sum is of what goes into a last softmax or sigmoid, where there is one.
        where: what an error begins with.

    Returns:
        (gradients of the shape of x, outputs (n, K)); K counts the numbers of an output.

    Raises:
        ValueError: the model reads ids, has several outputs, holds code that cannot be traced or
            an op without a gradient.
    """
    graph = _graph(model, x, portable=True)
    if 0 in graph.int64:
        raise _no_gradient(where, model, "whole numbers")
    output = model.lower_rows(graph, graph.input)
    if isinstance(output, (list, tuple)):
        raise ValueError(
            f"{where}: expected a model with one output, got {len(output)} of {model.name}; take "
            "return_state=False"
        )
    if not _depends(graph, output):
        raise _no_gradient(where, model, "ids or classes of numbers")
    output, value = graph.real(output), graph.real(output)
    for kind in _SCORES if scores else ():
        value, _ = lowering.logits_of(graph, value, kind, {})
    size = math.prod(output.shape)
    flat = [graph.op("reshape", v, (size,), name="outputs") for v in (output, value)]
    chosen = graph.add_input((size,))
    summed = graph.op("binary", [flat[1], chosen], (size,), name="chosen", function="multiply")
    storages = [v._storage for v in graph.variables]
    rows = np.ascontiguousarray(x, graph.dtype)
    nothing = np.zeros((len(x), size), graph.dtype)
    outputs = _answer(graph, graph.program(flat[0]), [rows, nothing])
    chosen = np.ascontiguousarray(weights(outputs), graph.dtype)
    graph.training = True  # it keeps what the way back reads; layers still answer as in `predict`
    trainer = _core.Trainer(
        graph.program(summed),
        storages,
        {
            "target": list(summed.shape),
            "loss": {"kind": "value", "attrs": {}, "slot": summed.slot, "reduction": "sum"},
            "metrics": [],
            "optimizers": [],
            "parameters": [],
            "input_gradient": True,
        },
    )
    n = len(rows)
    trainer.run(rows, chosen, None, None, 0, n, n, 1, math.inf, np.empty(0), 0, 0)
    return trainer.input_gradient(n), outputs


def _no_gradient(where, model, reads):
    return ValueError(
        f"{where}: expected a model of inputs that have a gradient, got {model.name}, which reads "
        f"{reads}; take the layers after the Embedding as a model of their own"
    )


def _depends(graph, output):
    """Whether the output is a function of the numbers of the input, not of ids alone."""
    reached = {graph.input.slot}
    for op in graph.ops:
        if op["kind"] == "embedding" or graph.int64 & set(op["outputs"]):
            continue
        if reached & set(op["inputs"]):
            reached |= set(op["outputs"])
    return output.slot in reached
