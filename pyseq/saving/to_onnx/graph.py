"""A lowered model as a graph of ONNX."""

from __future__ import annotations

import numpy as np

from pyseq import dtypes, lowering
from pyseq.saving.to_onnx import elementwise, normalizing, recurrent, shaping, spatial
from pyseq.saving.to_onnx.builder import Builder, Op

TABLE = {
    **elementwise.TABLE,
    **normalizing.TABLE,
    **recurrent.TABLE,
    **shaping.TABLE,
    **spatial.TABLE,
}


def translate(model, shape):
    """`(builder, input, outputs)` of a built model on rows of `shape`.

    The input and the outputs are `(name, dtype, shape)`; outputs are named after the last layer.
    """
    graph, output = lowering.lower(
        model, shape, training=False, batch_size=model.input_shape[0], portable="ONNX"
    )
    b = Builder(graph.dtype)
    values = list(output) if isinstance(output, (list, tuple)) else [output]
    given = b.declare(b.fresh(_input_name(model)), (None, *shape))
    wanted = [b.fresh(name) for name in _output_names(model, len(values))]
    slots = {0: given}
    for op in graph.ops:
        _translate(b, graph, op, slots)
    outputs = []
    for name, value in zip(wanted, values, strict=True):
        dtype, y = _dtype(graph, value), slots[value.slot]
        b.scope = name
        if dtype != _kept(graph, value.slot):
            y = b.cast(y, dtype)
        _name_output(b, y, name)
        outputs.append((name, dtype, (None, *graph.shapes[value.slot])))
    b.nodes = _alive(b, [name for name, _, _ in outputs])
    return b, (given, _kept(graph, 0), (None, *shape)), outputs


def _input_name(model):
    first = (model._layers or [model])[0]
    return first.name


def _output_names(model, count):
    last = model.layers[-1].name if model.layers else model.name
    return [last] if count == 1 else [f"{last}_{i}" for i in range(count)]


def _kept(graph, slot):
    return "int64" if slot in graph.int64 else graph.dtype


def _dtype(graph, value):
    """The dtype of the arrays that `predict` gives; bfloat16, which few runtimes have, excepted."""
    if value.dtype is not None:
        return dtypes.numpy_dtype(value.dtype)
    return "float16" if value.half == "float16" else _kept(graph, value.slot)


def _name_output(b, y, name):
    """Have the tensor `y` under a name of its own, by a node more only where others read it."""
    node = b.maker(y)
    if node is None or any(y in other.reads() for other in b.nodes):
        y = b.add("Identity", [y], b.shape(y))
        node = b.maker(y)
    node.outputs[node.outputs.index(y)] = name


def _translate(b, graph, op, slots):
    """Append the nodes of one op; `slots` knows the tensors of the values, and learns new ones."""
    fold, kind = op["fold"], op["kind"]
    b.scope = op["name"]
    skip = 1 if fold > 1 else 0
    shapes = [tuple(graph.shapes[s][skip:]) for s in op["inputs"]]
    y_shapes = [tuple(graph.shapes[s][skip:]) for s in op["outputs"]]
    x = [slots[s] for s in op["inputs"]]
    if skip:
        x = [b.reshape(name, shape) for name, shape in zip(x, shapes, strict=True)]
    weights = [graph.variables[i] for i in op["params"]]
    int64 = [s in graph.int64 for s in op["inputs"]]
    given = Op(
        kind, op["name"], x, shapes, y_shapes, weights, op["attrs"], int64,
        op["outputs"][0] in graph.int64,
    )
    if kind not in TABLE:
        given.refuse("that is unknown here", "update pyseq")
    made = TABLE[kind](b, given)
    made = made if isinstance(made, list) else [made]
    for slot, name, shape in zip(op["outputs"], made, y_shapes, strict=True):
        slots[slot] = b.reshape(name, (fold, *shape)) if skip else name


def _alive(b, outputs):
    """The nodes that the outputs need; constants that none of them reads go, too."""
    needed, kept = set(outputs), []
    for node in reversed(b.nodes):
        if needed.intersection(node.outputs):
            needed |= node.reads()
            kept.append(node)
    for name in [n for n in b.constants if n not in needed]:
        del b.constants[name]
    return kept[::-1]


def size(b):
    """Bytes of all constants."""
    return sum(np.asarray(array).nbytes for array in b.constants.values())
