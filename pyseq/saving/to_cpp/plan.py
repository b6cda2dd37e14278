"""A lowered model as a list of ops with their weights, and where its values lie."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from pyseq import lowering

_LINEAR = frozenset(("conv", "conv_transpose", "dense", "depthwise_conv"))
# Ops that give what they get, under another shape perhaps.
_SAME = frozenset(
    (
        "activity_regularizer add_loss dropout gaussian_dropout gaussian_noise reshape "
        "spectral_norm"
    ).split()
)
_ALIGNED = 16  # floats: a cache line


@dataclasses.dataclass
class Op:
    """An op as the functions of the tables get it.

    Attributes:
        kind, name: of the op and of its layer.
        inputs, outputs: numbers of its values.
        weights: arrays.
        attrs: numbers and texts, as the core's op takes them.
        fold: how often it runs: the first dimension of its values is counted as rows.
        folded: whether they have such a dimension.
        shapes, y_shapes: of one run.
        int64, y_int64: whether each input is int64, and whether the outputs are.
        streams: it works on the next step of a sequence, with a state.
        padded: the name of the buffer, zeros included, that its input lies in already.
    """

    kind: str
    name: str
    inputs: list
    outputs: list
    weights: list
    attrs: dict
    fold: int = 1
    folded: bool = False
    shapes: list = dataclasses.field(default_factory=list)
    y_shapes: list = dataclasses.field(default_factory=list)
    int64: list = dataclasses.field(default_factory=list)
    y_int64: bool = False
    streams: bool = False
    padded: str | None = None

    def refuse(self, problem, advice):
        """Raise the error of an op that a header cannot do."""
        raise ValueError(
            f"{self.name}: expected ops that a C++ header has, got {self.kind!r} {problem}; "
            f"{advice}"
        )

    def bias(self):
        """The variables behind the kernel, where there are some."""
        return self.weights[1:2] if self.attrs.get("use_bias", True) else []


@dataclasses.dataclass
class Program:
    """Ops in order; `shapes` of all values (of one row), those in `int64` are integers."""

    shapes: list
    int64: set
    ops: list
    given: int
    wanted: int

    def finish(self):
        """Fill in what ops know of their values."""
        for op in self.ops:
            skip = 1 if op.folded else 0
            op.shapes = [tuple(self.shapes[s][skip:]) for s in op.inputs]
            op.y_shapes = [tuple(self.shapes[s][skip:]) for s in op.outputs]
            op.int64 = [s in self.int64 for s in op.inputs]
            op.y_int64 = op.outputs[0] in self.int64
        return self


def lowered(model, shape):
    """The inference program of a built model on rows of `shape`.

    Raises:
        ValueError: a layer runs in Python, there are several outputs, or floats are of 64 bits.
    """
    graph, output = lowering.lower(
        model, shape, training=False, batch_size=model.input_shape[0], portable=True
    )
    if isinstance(output, (list, tuple)):
        raise ValueError(f"{model.name}.export: expected one output, got {len(output)}")
    if graph.dtype != "float32":
        raise ValueError(
            f"{model.name}.export: expected a model of float32 for a C++ header, got "
            f"{graph.dtype}; build it with dtype='float32', or export it as .pyseq"
        )
    ops = [
        Op(
            op["kind"], op["name"], list(op["inputs"]), list(op["outputs"]),
            [np.asarray(graph.variables[i].numpy(), "float32") for i in op["params"]],
            dict(op["attrs"]), op["fold"], op["fold"] > 1,
        )
        for op in graph.ops
    ]
    program = Program(list(graph.shapes), set(graph.int64), ops, 0, output.slot)
    return fused(program).finish()


def fused(program):
    """The same program with activations and normalizations done by the op in front of them."""
    readers = {program.wanted: 2}  # it stays
    for op in program.ops:
        for slot in op.inputs:
            readers[slot] = readers.get(slot, 0) + 1
    makers, ops = {}, []
    for op in program.ops:
        before = makers.get(op.inputs[0]) if op.inputs else None
        alone = before is not None and readers[op.inputs[0]] == 1 and before.fold == op.fold
        if alone and _merge(before, op):
            before.outputs = op.outputs
        else:
            ops.append(op)
            before = op if op.kind in _LINEAR else None
        if before is not None:
            makers[op.outputs[0]] = before
    return dataclasses.replace(program, ops=ops)


def _merge(before, op):
    if before.attrs.get("activation", "linear") != "linear":
        return False
    if op.kind == "activation":
        before.attrs = {**before.attrs, **op.attrs}
        return True
    if op.kind != "batch_norm" or op.attrs.get("batch_statistics") or len(op.inputs) > 1:
        return False
    scale, shift = norm_factors(op)
    kernel, bias = before.weights[0], before.bias()
    per_filter = scale.reshape(_filters_last(before.kind, kernel.shape))
    old = bias[0].astype("float64") if bias else 0.0
    before.weights = [
        kernel * per_filter.astype("float32"),
        (old * scale + shift).astype("float32").reshape(-1),
    ]
    before.attrs = {**before.attrs, "use_bias": True}
    return True


def _filters_last(kind, shape):
    """The shape of one number for each filter beside a kernel."""
    if kind == "conv_transpose":
        return (*[1] * (len(shape) - 2), shape[-2], 1)
    if kind == "depthwise_conv":
        return (*[1] * (len(shape) - 2), *shape[-2:])
    return (*[1] * (len(shape) - 1), shape[-1])


def norm_factors(op):
    """`(scale, shift)` in float64 of a normalization by moving statistics."""
    if op.attrs.get("batch_statistics"):
        op.refuse("with the statistics of the batch", "call the layer with training=False")
    weights = [w.astype("float64") for w in op.weights]
    gamma = weights.pop(0) if op.attrs.get("scale", True) else 1.0
    beta = weights.pop(0) if op.attrs.get("center", True) else 0.0
    mean, variance = weights[:2]
    scale = gamma / np.sqrt(variance + op.attrs["epsilon"])
    return scale, beta - mean * scale


def aliases(program):
    """`{value: the value that it is, under another shape}`."""
    roots = {}
    for op in program.ops:
        if op.kind in _SAME:
            if op.attrs.get("training"):
                op.refuse("that draws random numbers", "call the layer with training=False")
            roots[op.outputs[0]] = roots.get(op.inputs[0], op.inputs[0])
    return roots


def places(program, roots, elsewhere=()):
    """`({value: offset}, floats, integers)`: where values lie that are not given and not wanted.

    Nor `elsewhere`.

    Values whose lives do not overlap share memory; floats and int64 have one each.
    """
    last, born = {}, {}
    for time, op in enumerate(program.ops):
        for slot in op.outputs:
            born.setdefault(roots.get(slot, slot), time)
        for slot in (*op.inputs, *op.outputs):
            last[roots.get(slot, slot)] = time
    outside = {program.given, roots.get(program.wanted, program.wanted), *elsewhere}
    offsets, totals = {}, [0, 0]
    for whole in (False, True):
        taken = []  # (first op, last op, begin, end)
        mine = [s for s in born if s not in outside and (s in program.int64) == whole]
        for slot in sorted(mine, key=lambda s: (-math.prod(program.shapes[s]), s)):
            size = -(-math.prod(program.shapes[slot]) // _ALIGNED) * _ALIGNED
            begin = 0
            for first, end_time, low, high in sorted(taken, key=lambda t: t[2]):
                if end_time < born[slot] or first > last[slot]:
                    continue
                if begin + size <= low:
                    break
                begin = max(begin, high)
            taken.append((born[slot], last[slot], begin, begin + size))
            offsets[slot] = begin
            totals[whole] = max(totals[whole], begin + size)
    return offsets, *totals


def is_same(op):
    return op.kind in _SAME
