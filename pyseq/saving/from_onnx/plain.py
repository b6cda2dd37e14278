"""Layers of nodes that are no convolution, pooling or recurrence."""

from __future__ import annotations

import math

import numpy as np

from pyseq import layers
from pyseq.saving.from_onnx import sizes
from pyseq.saving.from_onnx.images import row_of

_ACTIVATIONS = {
    "Exp": "exponential", "HardSwish": "hard_silu", "Mish": "mish", "Relu": "relu", "Selu": "selu",
    "Sigmoid": "sigmoid", "Softplus": "softplus", "Softsign": "softsign", "Tanh": "tanh",
}
_SELU = {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}


def activation(line, node, given):
    if node.op_type == "Selu":
        if any(abs(given.get(k, v) - v) > 1e-4 for k, v in _SELU.items()):
            line.file.refuse(node, f"the numbers {_SELU}", given)
    line.activate(node, _ACTIVATIONS[node.op_type])


def gelu(line, node, given):
    if given.get("approximate", "none") == "none":
        line.activate(node, "gelu")
        return
    line.file.refuse(node, "approximate='none'", given["approximate"])


def hard_sigmoid(line, node, given):
    alpha, beta = given.get("alpha", 0.2), given.get("beta", 0.5)
    for name, slope in (("hard_sigmoid", 1 / 6), ("sparse_sigmoid", 0.5)):
        if abs(alpha - slope) < 1e-4 and abs(beta - 0.5) < 1e-6:
            line.activate(node, name)
            return
    line.file.refuse(node, "alpha=1/6 or 1/2 and beta=0.5", (alpha, beta))


def leaky_relu(line, node, given):
    line.add(node, layers.LeakyReLU, negative_slope=given.get("alpha", 0.01))


def elu(line, node, given):
    line.add(node, layers.ELU, alpha=given.get("alpha", 1.0))


def celu(line, node, given):
    if given.get("alpha", 1.0) != 1:
        line.file.refuse(node, "alpha=1", given["alpha"])
    line.activate(node, "celu")


def shrink(line, node, given):
    at, bias = given.get("lambd", 0.5), given.get("bias", 0.0)
    if at != 0.5 or bias not in (0.0, 0.5):
        line.file.refuse(node, "lambd=0.5, and bias=0 or 0.5", (at, bias))
    line.activate(node, "soft_shrink" if bias else "hard_shrink")


def prelu(line, node, given):
    alpha = line.need(node, 1, "slopes")
    wide = alpha.reshape((1,) * (line.rank - 1 - alpha.ndim) + alpha.shape)
    # ONNX's axes 1 and up, as pyseq has them.
    places = [line.order[i] for i in range(1, line.rank)]
    if 0 in places:
        line.plain(node)
    wide = wide.transpose(np.argsort(places))
    shared = [i for i, n in enumerate(wide.shape, 1) if n == 1]
    line.add(node, layers.PReLU, [wide], shared_axes=shared or None)


def clip(line, node, given):
    if len(node.input) > 1:
        low, high = (line.optional(node, i, "limits") for i in (1, 2))
    else:
        low, high = given.get("min"), given.get("max")
    low, high = (None if v is None else float(np.asarray(v).reshape(())) for v in (low, high))
    if (low, high) == (-1.0, 1.0):
        line.activate(node, "hard_tanh")
    elif low == 0:
        _limited(line, node, high)
    else:
        line.file.refuse(node, "limits of 0 and some number, or -1 and 1", (low, high))


def _limited(line, node, high):
    """At least 0, and at most `high` where that is a number."""
    if high is None or high > 1e37:
        line.activate(node, "relu")
    elif high == 6:
        line.activate(node, "relu6")
    else:
        line.add(node, layers.ReLU, max_value=high)


def limit(line, node, given):
    """Min, as it stands behind a Relu; Max with 0."""
    number = [line.file.constant(name) for name in node.input if name != line.tensor]
    number = number[0] if len(number) == 1 else None
    if number is None or np.size(number) != 1:
        line.file.refuse(node, "one number beside the tensor", list(node.input))
    number, last = float(np.reshape(number, ())), line.last
    if node.op_type == "Max" and number == 0:
        line.activate(node, "relu")
    elif node.op_type == "Min" and last and last.arguments.get("activation") == "relu":
        if last.cls is layers.Activation:
            line.made.pop()
            _limited(line, node, number)
        elif number == 6:
            last.arguments["activation"] = "relu6"
        else:
            last.arguments.pop("activation")
            line.add(node, layers.ReLU, max_value=number)
    else:
        line.file.refuse(node, "Min behind Relu, or Max with 0", number)


def softmax(line, node, given):
    default = -1 if line.file.opset >= 13 else 1
    axis = given.get("axis", default) % line.rank
    if line.file.opset < 13 and axis != line.rank - 1:
        line.file.refuse(node, "the last axis in operators before version 13", axis)
    place = line.order[axis]
    if place == 0:
        line.file.refuse(node, "an axis of the sample", "the batch")
    name = "log_softmax" if node.op_type == "LogSoftmax" else "softmax"
    if place == line.rank - 1:
        line.activate(node, name)
    elif name == "softmax":
        line.add(node, layers.Softmax, axis=place)
    else:
        line.plain(node)
        line.file.refuse(node, "the last axis", axis)


def skip(line, node, given):
    if node.op_type == "Cast" and line.file.makers.get(node.output[0]) is node:
        readers = line.file.readers.get(node.output[0], ())
        gathers = [n for n in readers if n.op_type == "Gather" and n.input[1] == node.output[0]]
        if given.get("to") not in (1, 10, 11, 16) and (line.made or not gathers):
            line.file.refuse(node, "floats, or ids for a table", f"type {given.get('to')}")


def dropout(line, node, given):
    ratio = given.get("ratio", 0.5)
    if len(node.input) > 1 and node.input[1]:
        ratio = float(np.reshape(line.need(node, 1, "ratio"), ()))
    line.add(node, layers.Dropout, rate=ratio)


def transpose(line, node, given):
    perm = given.get("perm") or list(range(line.rank))[::-1]
    if sorted(perm) != list(range(line.rank)):
        line.file.refuse(node, f"a permutation of {line.rank} axes", perm)
    line.order = [line.order[p] for p in perm]


def flatten(line, node, given):
    if given.get("axis", 1) % (line.rank + 1) != 1:
        line.file.refuse(node, "axis=1, behind the batch", given["axis"])
    _reshape(line, node, [math.prod(line.shape)])


def reshape(line, node, given):
    _reshape(line, node, line.target(node, sizes.of_reshape(line, node)))


def squeeze(line, node, given):
    axes = line.optional(node, 1, "axes") if len(node.input) > 1 else given.get("axes")
    if axes is None:
        axes = [i for i in range(line.rank) if line.size(i) == 1]
    axes = [int(a) % line.rank for a in axes]
    if any(line.size(a) != 1 for a in axes):
        line.file.refuse(node, "axes of length 1", axes)
    _reshape(line, node, [line.size(i) for i in range(line.rank)
                          if i not in axes and line.size(i) is not None], axes)


def unsqueeze(line, node, given):
    axes = line.optional(node, 1, "axes") if len(node.input) > 1 else given["axes"]
    axes = sorted(int(a) % (line.rank + len(axes)) for a in axes)
    if not axes or axes[0] == 0:
        line.file.refuse(node, "axes behind the batch", axes)
    line.plain(node)
    dims = [line.size(i) for i in range(1, line.rank)]
    for axis in axes:
        dims.insert(axis - 1, 1)
    _reshape(line, node, dims)


def _reshape(line, node, dims, squeezed=None):
    last = line.last
    pooled = last is not None and last.arguments.get("keepdims") is True
    if pooled and len(dims) == 1:
        last.arguments["keepdims"] = False
        line.shape, line.order = tuple(dims), [0, 1]
        return
    line.plain(node)
    if tuple(dims) == line.shape:
        return
    if len(dims) == 1:
        line.add(node, layers.Flatten)
    else:
        line.add(node, layers.Reshape, target_shape=list(dims))
    line.order = list(range(len(dims) + 1))


def gemm(line, node, given):
    if line.rank != 2:
        line.file.refuse(node, "a matrix", f"{line.rank} axes")
    if given.get("transA", 0) or given.get("alpha", 1.0) != 1 or given.get("beta", 1.0) != 1:
        line.file.refuse(node, "alpha=1, beta=1, transA=0", given)
    kernel = line.need(node, 1, "weights")
    kernel = kernel.T if given.get("transB", 0) else kernel
    bias = line.optional(node, 2, "a bias")
    if bias is not None:
        bias = np.broadcast_to(bias, (kernel.shape[1],)) if bias.ndim < 2 else bias.reshape(-1)
    _dense(line, node, kernel, bias)


def matmul(line, node, given):
    kernel = line.need(node, 1, "weights on the right")
    if kernel.ndim != 2 or line.rank < 2:
        line.file.refuse(node, "weights of two axes", kernel.shape)
    if line.order[0] != 0 or line.order[-1] != line.rank - 1:
        line.plain(node)
    _dense(line, node, kernel, None)


def _dense(line, node, kernel, bias):
    if kernel.shape[0] != line.shape[-1]:
        line.file.refuse(node, f"weights for {line.shape[-1]} numbers", kernel.shape)
    order = line.order
    weights = [kernel] if bias is None else [kernel, bias]
    line.add(
        node, layers.Dense, weights, open=True, unbiased=bias is None, units=kernel.shape[1],
        use_bias=bias is not None,
    )
    line.order = order


def arithmetic(line, node, given):
    """Add, Sub, Mul, Div by a constant: a bias, a Rescaling, or a scale and offset a channel."""
    index = list(node.input).index(line.tensor)
    name = node.input[1 - index]
    value = line.file.constant(name)
    if value is None:
        line.file.refuse(
            node, "a straight line of nodes", f"the two computed tensors {list(node.input)}",
            "a Sequential model has no branches: rebuild the model with layers of your own",
        )
    kind = node.op_type
    if index == 1 and kind in ("Sub", "Div"):
        line.file.refuse(node, "the computed tensor on the left", list(node.input))
    value = value.astype("float64")
    if kind in ("Sub", "Div"):
        value = -value if kind == "Sub" else 1 / value
    scales = kind in ("Mul", "Div")
    last = line.last
    if last is not None and last.unbiased and not scales:
        place, numbers = _channel(line, node, value)
        if place == line.rank - 1:
            last.weights.append(numbers)
            last.arguments["use_bias"] = True
            last.unbiased = False
            return
    if value.size == 1:
        number = float(value.reshape(()))
        if last is None or last.cls is not layers.Rescaling:
            line.add(node, layers.Rescaling, scale=1.0, offset=0.0)
        arguments = line.last.arguments
        for name in ("scale", "offset") if scales else ("offset",):
            old = arguments[name]
            arguments[name] = old * number if scales else old + number
        return
    place, numbers = _channel(line, node, value)
    if last is None or last.arguments.get("epsilon") != 0 or last.arguments["axis"] != place:
        ones, zeros = np.ones_like(numbers), np.zeros_like(numbers)
        weights = [ones, zeros, zeros, ones]
        line.add(node, layers.BatchNormalization, weights, axis=place, epsilon=0.0)
    gamma, beta, *rest = line.last.weights
    pair = [gamma * numbers, beta * numbers] if scales else [gamma, beta + numbers]
    line.last.weights = [*pair, *rest]


def _channel(line, node, value):
    """`(axis of pyseq's, numbers)` of a constant that differs along one axis."""
    wide = value.reshape((1,) * max(0, line.rank - value.ndim) + value.shape)
    axes = [i for i, n in enumerate(wide.shape) if n > 1]
    axes = axes or [wide.ndim - 1]
    if wide.ndim != line.rank or len(axes) != 1 or line.order[axes[0]] == 0:
        line.file.refuse(node, "a constant that differs along one axis", value.shape)
    place = line.order[axes[0]]
    size = line.shape[place - 1]
    if wide.size not in (1, size):
        line.file.refuse(node, f"{size} numbers", value.shape)
    return place, np.broadcast_to(wide.reshape(-1), (size,)).copy()


def batch_norm(line, node, given):
    if given.get("training_mode", 0):
        line.file.refuse(node, "training_mode=0", 1)
    weights = [line.need(node, i, "weights") for i in range(1, 5)]
    line.add(
        node, layers.BatchNormalization, weights, axis=line.order[1],
        epsilon=given.get("epsilon", 1e-5), momentum=given.get("momentum", 0.9),
    )


def layer_norm(line, node, given):
    first = given.get("axis", -1) % line.rank
    axes = [line.order[i] for i in range(first, line.rank)]
    if axes != list(range(first, line.rank)):
        line.plain(node)
        axes = list(range(first, line.rank))
    gamma, beta = line.need(node, 1, "a scale"), line.optional(node, 2, "an offset")
    line.add(
        node, layers.LayerNormalization, [gamma] if beta is None else [gamma, beta],
        axis=axes if len(axes) > 1 else axes[0], epsilon=given.get("epsilon", 1e-5),
        center=beta is not None,
    )


def gather(line, node, given):
    axis = given.get("axis", 0)
    table = line.file.constant(node.input[0])
    if table is not None and axis == 0 and table.ndim == 2:
        line.plain(node)
        line.add(
            node, layers.Embedding, [table], input_dim=table.shape[0], output_dim=table.shape[1]
        )
        line.order = list(range(len(line.shape) + 1))
        return
    index = line.file.constant(node.input[1])
    axis %= line.rank
    if index is not None and np.size(index) == 1 and line.order[axis] == 1 and line.rank == 3:
        at, steps = int(np.reshape(index, ())), line.shape[0]
        last = line.last
        if last is not None and last.arguments.get("return_sequences") and at in (-1, steps - 1):
            last.arguments["return_sequences"] = False
            line.shape, line.order = line.shape[1:], [0, 1]
            if np.ndim(index):
                line.add(node, layers.Reshape, target_shape=[1, *line.shape])
            return
    line.file.refuse(node, "a table of weights, or the last step of a recurrence", axis)


def slice_(line, node, given):
    """Time turned around in front of a recurrence, or a cropped image or sequence."""
    if len(node.input) > 1:
        lists = [line.optional(node, i, "places") for i in range(1, 5)]
        begin, end, axes, steps = (None if v is None else v.reshape(-1).tolist() for v in lists)
    else:
        begin, end, axes, steps = given["starts"], given["ends"], given.get("axes"), None
    axes = [a % line.rank for a in (axes if axes is not None else range(len(begin)))]
    steps = steps or [1] * len(axes)
    if steps == [-1] and line.order[axes[0]] == 1 and line.rank == 3:
        n = line.size(axes[0])
        if range(n)[begin[0] : end[0] : -1] == range(n)[::-1]:
            line.turned = node
            return
    rank = line.rank - 2
    cut = [[0, 0] for _ in line.order]
    for axis, b, e, step in zip(axes, begin, end, steps, strict=True):
        size = line.size(axis)
        kept = range(size or 0)[b:e]
        if step != 1 or not kept or rank not in (1, 2, 3):
            line.file.refuse(node, "places in a row of spatial axes", (begin, end, steps))
        cut[axis] = [kept[0], size - 1 - kept[-1]]
    cut = row_of(line, node, cut)
    cls = (layers.Cropping1D, layers.Cropping2D, layers.Cropping3D)[rank - 1]
    line.add(node, cls, cropping=cut[0] if rank == 1 else cut)


TABLE = {
    **dict.fromkeys(_ACTIVATIONS, activation),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), arithmetic),
    **dict.fromkeys(("Identity", "Cast"), skip),
    **dict.fromkeys(("Softmax", "LogSoftmax"), softmax),
    **dict.fromkeys(("Min", "Max"), limit),
    "BatchNormalization": batch_norm,
    "Celu": celu,
    "Clip": clip,
    "Dropout": dropout,
    "Elu": elu,
    "Flatten": flatten,
    "Gather": gather,
    "Gelu": gelu,
    "Gemm": gemm,
    "HardSigmoid": hard_sigmoid,
    "LayerNormalization": layer_norm,
    "LeakyRelu": leaky_relu,
    "MatMul": matmul,
    "PRelu": prelu,
    "Reshape": reshape,
    "Shrink": shrink,
    "Slice": slice_,
    "Squeeze": squeeze,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}
