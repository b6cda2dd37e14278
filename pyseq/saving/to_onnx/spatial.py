"""Convolutions, pooling, and images of other sizes; ONNX has the channels first."""

from __future__ import annotations

import math

import numpy as np

from pyseq.saving.to_onnx.elementwise import finish


def _pads(op):
    return [*op.attrs["pads_begin"], *op.attrs["pads_end"]]


def _first(shape):
    """The shape of a sample with its channels first, behind the rows."""
    return (None, shape[-1], *shape[:-1])


def _kernel_first(array):
    """(k..., in, out) as (out, in, k...)."""
    rank = array.ndim
    return array.transpose(rank - 1, rank - 2, *range(rank - 2))


def _depthwise_first(array):
    """(k..., C, m) as (C m, 1, k...)."""
    rank = array.ndim
    moved = array.transpose(rank - 2, rank - 1, *range(rank - 2))
    return moved.reshape(-1, 1, *moved.shape[2:])


def conv(b, op):
    return _convolved(b, op, _kernel_first, op.attrs.get("groups", 1))


def depthwise_conv(b, op):
    return _convolved(b, op, _depthwise_first, op.shapes[0][-1])


def _convolved(b, op, arrange, groups):
    kernel = b.weight(op.weights[0], arrange)
    inputs = [b.channels_first(op.x[0]), kernel, *(b.weight(w) for w in op.weights[1:])]
    y = b.add(
        "Conv", inputs, _first(op.y_shapes[0]), kernel_shape=list(b.shape(kernel)[2:]),
        strides=op.attrs["strides"], dilations=op.attrs["dilations"], pads=_pads(op),
        group=groups,
    )
    return b.channels_last(finish(b, op, y))


def conv_transpose(b, op):
    kernel = b.weight(op.weights[0], _kernel_first)
    bias = [b.weight(w) for w in op.weights[1:]]
    begin, wanted = op.attrs["pads"], op.attrs["output"]
    strides, dilations = op.attrs["strides"], op.attrs["dilations"]
    sizes, kernels = op.shapes[0][:-1], b.shape(kernel)[2:]
    # What is left over at the end of each axis, or is missing there.
    full = [(n - 1) * s + (k - 1) * d + 1
            for n, s, k, d in zip(sizes, strides, kernels, dilations, strict=True)]
    left = [f - p - w for f, p, w in zip(full, begin, wanted, strict=True)]
    cut, missing = [max(n, 0) for n in left], [max(-n, 0) for n in left]
    shape = _first(op.y_shapes[0])
    made = (*shape[:2], *(w - m for w, m in zip(wanted, missing, strict=True)))
    late = bias if any(missing) else []
    y = b.add(
        "ConvTranspose", [b.channels_first(op.x[0]), kernel, *([] if late else bias)], made,
        kernel_shape=list(kernels), strides=strides, dilations=dilations, pads=[*begin, *cut],
    )
    if any(missing):
        y = b.add("Pad", [y, b.integers(*[0] * (len(missing) + 4), *missing), b.constant(0.0)],
                  shape, mode="constant")
    for each in late:
        dims = (-1, *[1] * len(kernels))
        wide = b.constant(b.constants[each].reshape(dims))
        y = b.through("Add", y, wide)
    return b.channels_last(finish(b, op, y))


def max_pool(b, op):
    return _pooled(b, op, "MaxPool")


def average_pool(b, op):
    return _pooled(b, op, "AveragePool", count_include_pad=0)


def _pooled(b, op, kind, **attributes):
    y = b.add(
        kind, [b.channels_first(op.x[0])], _first(op.y_shapes[0]),
        kernel_shape=op.attrs["pool_size"], strides=op.attrs["strides"], pads=_pads(op),
        **attributes,
    )
    return b.channels_last(y)


def global_pool(b, op):
    if len(op.x) > 1:
        mask = b.reshape(op.x[1], (*op.shapes[0][:-1], 1))
        axes = list(range(1, len(op.shapes[0])))
        total = b.reduce("ReduceSum", b.through("Mul", op.x[0], mask), axes)
        y = b.through("Div", total, b.reduce("ReduceSum", mask, axes))
        return b.reshape(y, op.y_shapes[0])
    kind = "GlobalMaxPool" if op.attrs["mode"] == "max" else "GlobalAveragePool"
    x = b.channels_first(op.x[0])
    shape = (*b.shape(x)[:2], *[1] * (len(b.shape(x)) - 2))
    return b.reshape(b.add(kind, [x], shape), op.y_shapes[0])


def adaptive_pool(b, op):
    y = op.x[0]
    for axis, (size, wanted) in enumerate(zip(op.shapes[0], op.attrs["output_size"]), 1):
        windows = [(o * size // wanted, -(-(o + 1) * size // wanted)) for o in range(wanted)]
        width = max(end - begin for begin, end in windows)
        # Shorter windows repeat their last place, which a mean does not count.
        index = [[min(i, end - 1) for i in range(begin, begin + width)] for begin, end in windows]
        y = b.gather(y, index, axis)
        if op.attrs["mode"] == "max":
            y = b.reduce("ReduceMax", y, [axis + 1], keep=False)
            continue
        weights = np.array([
            [float(begin + i < end) / (end - begin) for i in range(width)]
            for begin, end in windows
        ])
        after = len(b.shape(y)) - axis - 2
        factors = b.constant(weights.reshape(wanted, width, *[1] * after))
        y = b.reduce("ReduceSum", b.through("Mul", y, factors), [axis + 1], keep=False)
    return y


def upsample(b, op):
    sizes = op.attrs["size"]
    if op.int64[0] or op.y_int64:
        y = op.x[0]
        for axis, (n, size) in enumerate(zip(op.shapes[0], sizes), 1):
            y = y if size == 1 else b.gather(y, np.repeat(np.arange(n), size), axis)
        return y
    x = b.channels_first(op.x[0])
    scales = b.constant([1.0, 1.0, *map(float, sizes)], "float32")
    y = b.add(
        "Resize", [x, "", scales], _first(op.y_shapes[0]), mode="nearest",
        coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )
    return b.channels_last(y)


_KERNELS = {"bilinear": 1, "bicubic": 2, "lanczos3": 3, "lanczos5": 5}


def _kernel_at(name, t):
    t, radius = abs(t), _KERNELS[name]
    if t >= radius:
        return 0.0
    if name == "bilinear":
        return 1 - t
    if name == "bicubic":
        return (1.5 * t - 2.5) * t * t + 1 if t < 1 else ((-0.5 * t + 2.5) * t - 4) * t + 2
    return float(np.sinc(t) * np.sinc(t / radius))


def _resize_matrix(name, size, wanted, antialias):
    """What one axis is multiplied with: (wanted, size), as the core's op `resize` weighs."""
    stretch = max(size / wanted, 1.0) if antialias else 1.0
    matrix = np.zeros((wanted, size))
    for o in range(wanted):
        u = (o + 0.5) * size / wanted - 0.5
        weights = [_kernel_at(name, (u - i) / stretch) for i in range(size)]
        matrix[o] = np.array(weights) / math.fsum(weights)
    return matrix


def resize(b, op):
    name = op.attrs.get("interpolation", "bilinear")
    sizes, wanted = op.shapes[0][:2], (op.attrs["height"], op.attrs["width"])
    if name == "nearest":
        y = op.x[0]
        for axis, (size, out) in enumerate(zip(sizes, wanted), 1):
            index = [int((o + 0.5) * size / out) for o in range(out)]
            y = b.gather(y, index, axis)
        return y
    x, shape = b.channels_first(op.x[0]), _first(op.y_shapes[0])
    # ONNX Runtime 1.17 fails at a cubic Resize beside a Transpose; the others are no operators.
    if name == "bilinear" and not op.attrs.get("antialias"):
        kept = b.add("Shape", [x], (2,), start=0, end=2)
        sizes = b.add("Concat", [kept, b.integers(*wanted)], (4,), axis=0)
        y = b.add(
            "Resize", [x, "", "", sizes], shape, mode="linear",
            coordinate_transformation_mode="half_pixel",
        )
        return b.channels_last(y)
    rows, columns = (
        _resize_matrix(name, n, out, op.attrs.get("antialias")) for n, out in zip(sizes, wanted)
    )
    y = b.add("MatMul", [b.constant(rows), x], (*shape[:3], sizes[1]))
    return b.channels_last(b.add("MatMul", [y, b.constant(columns.T)], shape))


TABLE = {
    "adaptive_pool": adaptive_pool,
    "average_pool": average_pool,
    "conv": conv,
    "conv_transpose": conv_transpose,
    "depthwise_conv": depthwise_conv,
    "global_pool": global_pool,
    "max_pool": max_pool,
    "resize": resize,
    "upsample": upsample,
}
