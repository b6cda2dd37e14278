"""`load_onnx`: the Sequential model of an ONNX file whose nodes are a straight line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from pyseq import layers, naming
from pyseq.registry import limits, serialization
from pyseq.registry.reading import reading
from pyseq.saving.from_onnx import bundles, images, plain, recurrent
from pyseq.saving.from_onnx.line import Line
from pyseq.saving.from_onnx.message import Message
from pyseq.saving.to_onnx.file import load_package

if TYPE_CHECKING:
    from pyseq.sequential import Sequential
    from pyseq.types import FileLike

_TABLE = {**images.TABLE, **plain.TABLE, **recurrent.TABLE}
_TURNED = frozenset(("GRU", "LSTM", "RNN", "Transpose"))
_BUNDLED = frozenset(("Max", "Min"))  # may be a bundle, too
_DTYPES = {1: "float32", 6: "int32", 7: "int64", 10: "float16", 11: "float64"}


def load_onnx(filepath: FileLike, *, allow_non_finite: bool = False) -> Sequential:
    """Return the Sequential model that an ONNX file describes, with its weights.

    The graph has to be a straight line of nodes that layers do: convolutions, dense and recurrent
    layers, pooling, normalizations, activations, reshapes. It may come from `Model.export`,
    PyTorch, tf2onnx and others; the model takes the input as the file does, with the channels
    first where that has them there. A file is data: reading it runs no code, opens no file outside
    of its folder, and is bounded in memory. Needs the package `onnx`.

    Args:
        filepath: path of an `.onnx` file.
        allow_non_finite: load NaN and infinite weights.

    Raises:
        ValueError: the file is damaged or hostile, its graph branches, or a node is none that a
            layer does; the message names the node.
        ImportError: the package `onnx` is not installed.
    """
    path = os.fspath(filepath) if isinstance(filepath, (str, os.PathLike)) else None
    if not isinstance(path, str):
        raise ValueError(f"load_onnx: expected a path, got {filepath!r}")
    if not os.path.isfile(path):
        raise ValueError(f"{path}: expected an ONNX file, got none; check the path")
    package = load_package("load_onnx")
    with reading(path):
        file = Message(path, path, package)
        name, shape, dtype = _input(file)
        line = Line(file, name, shape)
        _follow(line)
        return _model(line, shape, dtype, not allow_non_finite)


def _input(file):
    """`(name, shape of a sample, dtype)` of the one input."""
    constants = {t.name for t in file.graph.initializer}
    inputs = [v for v in file.graph.input if v.name not in constants]
    if len(inputs) != 1 or len(file.graph.output) != 1:
        raise ValueError(
            f"{file.where}: expected a graph of one input and one output, got "
            f"{[v.name for v in inputs]} and {[v.name for v in file.graph.output]}; a Sequential "
            "model has one of each"
        )
    tensor = inputs[0].type.tensor_type
    dims = [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]
    if not dims or any(d is None or d < 1 for d in dims[1:]):
        raise ValueError(
            f"{file.where}: expected input {inputs[0].name!r} with a batch and fixed sizes behind "
            f"it, got {dims}; export the model for fixed sizes"
        )
    if tensor.elem_type not in _DTYPES:
        raise ValueError(
            f"{file.where}: expected input {inputs[0].name!r} of {sorted(_DTYPES.values())}, got "
            f"type {tensor.elem_type} of ONNX"
        )
    return inputs[0].name, tuple(dims[1:]), _DTYPES[tensor.elem_type]


def _follow(line):
    """Take the line from the input to the output of its graph."""
    file, end = line.file, line.file.graph.output[0].name
    visited = set()
    while line.tensor != end:
        if line.tensor in visited:
            raise ValueError(f"{file.where}: expected a graph without cycles, got one")
        visited.add(line.tensor)
        line.seen[line.tensor] = [line.size(i) for i in range(line.rank)]
        node, found = _next(line)
        if found is not None:
            name, line.tensor = found
            line.activate(node, name)
            continue
        if node.op_type not in _TABLE or node.domain not in ("", "ai.onnx"):
            kind = f"{node.domain} {node.op_type}".strip()
            file.refuse(node, "a node that a layer does", repr(kind))
        if line.turned is not None and node.op_type not in _TURNED:
            file.refuse(line.turned, f"one of {sorted(_TURNED)} behind it", node.op_type)
        before = line.tensor
        _TABLE[node.op_type](line, node, file.attributes(node))
        if line.tensor == before:
            line.tensor = node.output[0]
    if line.turned is not None:
        file.refuse(line.turned, f"one of {sorted(_TURNED)} behind it", "the end of the graph")
    line.plain(file.makers.get(end))
    if not line.made:
        line.add(None, layers.Identity)


def _next(line):
    """`(node, None)`, or the first of several nodes with what `bundles.recognize` found."""
    file = line.file
    readers = [n for n in file.readers.get(line.tensor, ()) if n.op_type != "Shape"]
    if not readers:
        raise ValueError(
            f"{file.where}: expected a line of nodes from the input to the output, got one that "
            f"ends at {line.tensor!r}"
        )
    alone = len(readers) == 1 and list(readers[0].input).count(line.tensor) == 1
    if alone and readers[0].op_type in _TABLE and readers[0].op_type not in _BUNDLED:
        return readers[0], None
    found = bundles.recognize(file, line.tensor)
    if found is not None or alone:
        return readers[0], found
    names = [f"{n.op_type} {n.name!r}" for n in readers]
    raise ValueError(
        f"{file.where}: expected a straight line of nodes, got {line.tensor!r}, which "
        f"{' and '.join(names)} read; a Sequential model has no branches: rebuild the model with "
        "layers of your own"
    )


def _model(line, shape, dtype, finite):
    where = line.file.where
    weights = [w for made in line.made for w in made.weights]
    for array in weights:
        if finite and array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(
                f"{where}: expected finite weights, got NaN or infinity; pass "
                "allow_non_finite=True to load them"
            )
    parts = [made.cls(**made.arguments) for made in line.made]
    first = {"batch_shape": [None, *shape], "dtype": dtype}
    config = {
        "class_name": "Sequential",
        "config": {
            "name": naming.auto_name("sequential"),
            "layers": [
                {"class_name": "InputLayer", "config": first},
                *(serialization.serialize_keras_object(layer) for layer in parts),
            ]
        },
    }
    # Arrays may be stored with few bits, and are counted where they are shared.
    size = line.file.bytes + sum(w.size * 8 for w in weights)
    with limits.loading(size, where):
        model = serialization.deserialize_keras_object(config)
        for layer, made in zip(model.layers, line.made, strict=True):
            if made.weights:
                layer.set_weights([np.asarray(w) for w in made.weights])
    return model
