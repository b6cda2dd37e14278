"""Dense products, tables, normalizations and what sums to 1."""

from __future__ import annotations

import math

import numpy as np

from pyseq.saving.to_onnx.elementwise import finish

_LETTERS = "abcdefghijklmnopqrstuvwxyABCDEFGHIJKLMNOPQRSTUVWXY"  # z is the batch


def dense(b, op):
    x, shape = op.x[0], op.shapes[0]
    w = b.weight(op.weights[0])
    y_shape = (None, *op.y_shapes[0])
    bias = [b.weight(op.weights[1])] if op.attrs.get("use_bias", True) else []
    if len(shape) == 1:
        y = b.add("Gemm", [x, w, *bias], y_shape)
    else:
        y = b.add("MatMul", [x, w], y_shape)
        y = b.through("Add", y, bias[0]) if bias else y
    return finish(b, op, y)


def einsum_dense(b, op):
    numbers = [op.attrs[k] for k in ("x_axes", "w_axes", "y_axes")]
    letters = dict(zip(dict.fromkeys(n for part in numbers for n in part), _LETTERS))
    x, w, y = ("".join(letters[n] for n in part) for part in numbers)
    inputs = [op.x[0], b.weight(op.weights[0])]
    return b.add("Einsum", inputs, (None, *op.y_shapes[0]), equation=f"z{x},{w}->z{y}")


def embedding(b, op):
    ids = op.x[0] if op.int64[0] else b.cast(op.x[0], "int64")
    return b.add("Gather", [b.weight(op.weights[0]), ids], (None, *op.y_shapes[0]), axis=0)


def glu(b, op):
    axis = op.attrs.get("axis", -1) % len(op.shapes[0])
    half = op.shapes[0][axis] // 2
    a, c = (b.slice(op.x[0], [axis + 1], [i * half], [(i + 1) * half], [1]) for i in range(2))
    return b.through("Mul", a, b.through("Sigmoid", c))


def softmax(b, op):
    x, shape = op.x[0], op.shapes[0]
    axes = sorted(a % len(shape) for a in op.attrs.get("axes", [op.attrs.get("axis", -1)]))
    kind = "LogSoftmax" if op.attrs.get("log") else "Softmax"
    first, last = axes[0], axes[-1] + 1
    flat = b.reshape(x, (*shape[:first], math.prod(shape[first:last]), *shape[last:]))
    return b.reshape(b.add(kind, [flat], b.shape(flat), axis=first + 1), shape)


def sparsemax(b, op):
    # Sorted downwards, the support is the first k elements with 1 + k z_k > z_1 + ... + z_k.
    rank = len(op.shapes[0])
    axis = op.attrs.get("axis", -1) % rank + 1
    n = op.shapes[0][axis - 1]
    x = b.through("Sub", op.x[0], b.reduce("ReduceMax", op.x[0], [axis]))
    ordered, _ = b.add("TopK", [x, b.integers(n)], [b.shape(x)] * 2, axis=axis)
    sums = b.add("CumSum", [ordered, b.constant(axis, "int64")], b.shape(x))
    places = b.constant(np.arange(1.0, n + 1).reshape(n, *[1] * (rank - axis)))
    inside = b.through("Greater", b.number("Add", b.through("Mul", ordered, places), 1.0), sums)
    inside = b.flags(inside)
    count = b.reduce("ReduceSum", inside, [axis])
    total = b.reduce("ReduceSum", b.through("Mul", ordered, inside), [axis])
    tau = b.through("Div", b.number("Sub", total, 1.0), count)
    return b.through("Relu", b.through("Sub", x, tau))


def _scale_and_center(b, op, y, shape=None):
    """y gamma + beta, for the ops that have a variable for each where they are wanted."""
    weights = list(op.weights)
    change = None if shape is None else lambda a: a.reshape(shape)
    for flag, kind in (("scale", "Mul"), ("center", "Add")):
        if op.attrs.get(flag, True):
            y = b.through(kind, y, b.weight(weights.pop(0), change))
    return y


def batch_norm(b, op):
    if op.attrs.get("batch_statistics"):
        op.refuse("with the statistics of the batch", "call the layer with training=False")
    weights, channels = list(op.weights), op.shapes[0][-1]
    gamma, beta = (
        b.weight(weights.pop(0)) if op.attrs.get(flag, True) else b.constant(np.full(channels, v))
        for flag, v in (("scale", 1.0), ("center", 0.0))
    )
    x = b.channels_first(op.x[0])
    inputs = [x, gamma, beta, *(b.weight(w) for w in weights[:2])]
    y = b.add("BatchNormalization", inputs, b.shape(x), epsilon=op.attrs["epsilon"])
    return b.channels_last(y)


def layer_norm(b, op):
    x, shape = op.x[0], op.shapes[0]
    axes = op.attrs.get("axes", 1)
    own = shape[len(shape) - axes :]
    last = [len(shape) + 1 - axes + i for i in range(axes)]
    if op.attrs.get("rms_scaling"):
        off = b.through("Sub", x, b.reduce("ReduceMean", x, last))
        variance = b.reduce("ReduceMean", b.through("Mul", off, off), last)
        root = b.through("Sqrt", b.number("Add", variance, op.attrs["epsilon"]))
        return _scale_and_center(b, op, b.through("Div", x, root), own)
    weights = list(op.weights)
    gamma = b.constant(np.ones(own))
    if op.attrs.get("scale", True):
        gamma = b.weight(weights.pop(0), lambda a: a.reshape(own))
    beta = [b.weight(w, lambda a: a.reshape(own)) for w in weights[:1]]
    return b.add(
        "LayerNormalization", [x, gamma, *beta], b.shape(x), axis=-axes,
        epsilon=op.attrs["epsilon"],
    )


def rms_norm(b, op):
    x, shape = op.x[0], op.shapes[0]
    axes = op.attrs.get("axes", 1)
    last = [len(shape) + 1 - axes + i for i in range(axes)]
    mean = b.reduce("ReduceMean", b.through("Mul", x, x), last)
    root = b.through("Sqrt", b.number("Add", mean, op.attrs["epsilon"]))
    own = shape[len(shape) - axes :]
    scale = b.weight(op.weights[0], lambda a: a.reshape(own))
    return b.through("Mul", b.through("Div", x, root), scale)


def group_norm(b, op):
    shape = op.shapes[0]
    channels, groups = shape[-1], op.attrs["groups"]
    x = b.reshape(op.x[0], (math.prod(shape[:-1]), groups, channels // groups))
    off = b.through("Sub", x, b.reduce("ReduceMean", x, [1, 3]))
    variance = b.reduce("ReduceMean", b.through("Mul", off, off), [1, 3])
    root = b.through("Sqrt", b.number("Add", variance, op.attrs["epsilon"]))
    y = b.reshape(b.through("Div", off, root), shape)
    return _scale_and_center(b, op, y)


def unit_norm(b, op):
    rank, axes = len(op.shapes[0]), op.attrs.get("axes", 1)
    last = [rank + 1 - axes + i for i in range(axes)]
    length = b.reduce("ReduceL2", op.x[0], last)
    return b.through("Div", op.x[0], b.number("Max", length, 1e-12))


TABLE = {
    "batch_norm": batch_norm,
    "dense": dense,
    "einsum_dense": einsum_dense,
    "embedding": embedding,
    "glu": glu,
    "group_norm": group_norm,
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "softmax": softmax,
    "sparsemax": sparsemax,
    "unit_norm": unit_norm,
}
