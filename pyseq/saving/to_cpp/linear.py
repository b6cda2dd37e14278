"""Dense layers, convolutions and pooling."""

from __future__ import annotations

import math

import numpy as np

from pyseq.saving.to_cpp import packing
from pyseq.saving.to_cpp.shaping import place
from pyseq.saving.to_cpp.writer import ints
from pyseq.saving.to_onnx.spatial import _resize_matrix

_FEW, _MANY = 12, 128  # outputs and inputs that are better multiplied along the inputs


def _deep(values, rank=3, fill=1):
    """Numbers of one to three axes as those of three."""
    values = list(values)
    return [fill] * (rank - len(values)) + values


def dense(w, op, x, y):
    kernel, units = op.weights[0], op.weights[0].shape[1]
    rows = math.prod(op.shapes[0][:-1])
    if units <= _FEW and units % 8 and len(kernel) >= _MANY:
        bias = op.bias()[0] if op.bias() else np.zeros(units)
        arrays = [w.array(op, "kernel", kernel.T), w.array(op, "bias", bias)]
        arguments = [x[0], *arrays, y[0], w.ending(op)]
        return w.call("linear", "dense_dots", [rows, len(kernel), units], arguments)
    arguments = [
        x[0], w.array(op, "kernel", packing.panels(kernel)),
        w.array(op, "bias", packing.bias(*(op.bias() or [None]), units)), y[0], w.ending(op),
    ]
    w.call("linear", "dense", [rows, len(kernel), units, packing.panel_width(units)], arguments)


def _around(w, op, x):
    """`(pointer, sizes)` of the input with the zeros that the windows want around it."""
    *sizes, channels = op.shapes[0]
    begin, end = op.attrs["pads_begin"], op.attrs["pads_end"]
    if not any(begin) and not any(end):
        return x, sizes
    whole = [b + n + e for b, n, e in zip(begin, sizes, end, strict=True)]
    if op.padded:
        return op.padded, whole
    to = w.buffer(op, "padded", math.prod(whole) * channels)
    place(w, x, to, op.shapes[0], (*whole, channels), (*begin, 0))
    return to, whole


def _window(sizes, channels, taps, op, filters, groups, width):
    numbers = [
        *_deep(sizes), channels, *_deep(taps), *_deep(op.attrs["strides"]),
        *_deep(op.attrs["dilations"]), filters, groups, width,
    ]
    return f"kernels::Window<{', '.join(map(str, numbers))}>"


def conv(w, op, x, y):
    kernel, groups = op.weights[0], op.attrs.get("groups", 1)
    *taps, inputs, filters = kernel.shape
    own = filters // groups
    bias = packing.bias(op.weights[1] if len(op.weights) > 1 else None, own, groups)
    matrix = kernel.reshape(-1, filters)
    weights = w.array(op, "kernel", packing.panels(matrix, groups)), w.array(op, "bias", bias)
    if op.streams:
        steps = (taps[0] - 1) * op.attrs["dilations"][0] + 1
        from_, sizes = _delayed(w, op, x[0], steps, inputs * groups), [steps]
    else:
        from_, sizes = _around(w, op, x[0])
    window = _window(sizes, inputs * groups, taps, op, filters, groups, packing.panel_width(own))
    w.call("linear", "conv", [window], [from_, *weights, y[0], w.ending(op)])


def _delayed(w, op, x, steps, channels):
    if steps == 1:
        return x
    w.use("delay")
    return f"{w.state(op, f'kernels::Delay<{steps}, {channels}>', 'steps')}.push({x})"


def depthwise_conv(w, op, x, y):
    kernel = op.weights[0]
    *taps, channels, each = kernel.shape
    from_, sizes = _around(w, op, x[0])
    if each > 1:  # every channel so many times
        count = math.prod(sizes) * channels
        to = w.buffer(op, "repeated", count * each)
        w.call("shaping", "move", [ints([count, each]), ints([1, 0]), ints([each, 1])],
               [from_, to])
        from_ = to
    whole, room = channels * each, -(-channels * each // 16) * 16
    rows = np.zeros((math.prod(taps) + 1, room), "float32")
    rows[:-1, :whole] = kernel.reshape(-1, whole)
    if len(op.weights) > 1:
        rows[-1, :whole] = op.weights[1]
    weights = w.array(op, "kernel", rows[:-1]), w.array(op, "bias", rows[-1])
    window = _window(sizes, whole, taps, op, whole, 1, 16)
    w.call("linear", "depthwise", [window, room], [from_, *weights, y[0], w.ending(op)])


def conv_transpose(w, op, x, y):
    kernel = op.weights[0]
    *taps, filters, inputs = kernel.shape
    matrix = np.swapaxes(kernel, -1, -2).reshape(-1, filters)
    bias = packing.bias(op.weights[1] if len(op.weights) > 1 else None, filters)
    weights = w.array(op, "kernel", packing.panels(matrix)), w.array(op, "bias", bias)
    window = _window(
        op.shapes[0][:-1], inputs, taps, op, filters, 1, packing.panel_width(filters)
    )
    cut = [*_deep(op.attrs["pads"], fill=0), *_deep(op.attrs["output"])]
    w.call("linear", "conv_transpose", [window, *cut], [x[0], *weights, y[0], w.ending(op)])


def pool(w, op, x, y):
    *sizes, channels = op.shapes[0]
    numbers = [
        *_deep(sizes), channels, *_deep(op.attrs["pool_size"]), *_deep(op.attrs["strides"]),
        *_deep(op.attrs["pads_begin"], fill=0), *_deep(op.y_shapes[0][:-1]),
    ]
    is_max = "true" if op.kind == "max_pool" else "false"
    w.call("pooling", "pool", [*numbers, is_max], [x[0], y[0]])


def global_pool(w, op, x, y):
    *sizes, channels = op.shapes[0]
    count = math.prod(sizes)
    if len(x) > 1:
        return w.call("pooling", "masked_mean", [count, channels], [x[0], x[1], y[0]])
    is_max = "true" if op.attrs["mode"] == "max" else "false"
    w.call("pooling", "global_pool", [count, channels, is_max], [x[0], y[0]])


def _axis_by_axis(w, op, x, y, wanted, write):
    """Change one axis after another; `write(axis, from, to, numbers)` does one."""
    sizes = list(op.shapes[0])
    axes = [i for i, n in enumerate(wanted)]
    at = x[0]
    for axis in axes:
        after = [*sizes[:axis], wanted[axis], *sizes[axis + 1 :]]
        to = y[0] if axis == axes[-1] else w.buffer(op, "between", math.prod(after))
        numbers = [math.prod(sizes[:axis]), sizes[axis], wanted[axis], math.prod(sizes[axis + 1 :])]
        write(axis, at, to, numbers)
        at, sizes = to, after


def adaptive_pool(w, op, x, y):
    is_max = "true" if op.attrs["mode"] == "max" else "false"

    def write(axis, at, to, numbers):
        w.call("pooling", "adaptive_pool", [*numbers, is_max], [at, to])

    wanted = op.attrs["output_size"]
    wanted = [wanted] if isinstance(wanted, int) else list(wanted)
    _axis_by_axis(w, op, x, y, wanted, write)


def resize(w, op, x, y):
    name = op.attrs.get("interpolation", "bilinear")
    wanted = [op.attrs["height"], op.attrs["width"]]

    def write(axis, at, to, numbers):
        size, out = numbers[1:3]
        if name == "nearest":
            index = [int((o + 0.5) * size / out) for o in range(out)]
            array = w.array(op, f"index_{axis}", index, "int32")
            return w.call("shaping", "gather", numbers, [at, array, to])
        matrix = _resize_matrix(name, size, out, op.attrs.get("antialias"))
        w.call("pooling", "weigh", numbers, [at, w.array(op, f"weights_{axis}", matrix), to])

    _axis_by_axis(w, op, x, y, wanted, write)


TABLE = {
    "adaptive_pool": adaptive_pool,
    "average_pool": pool,
    "conv": conv,
    "conv_transpose": conv_transpose,
    "dense": dense,
    "depthwise_conv": depthwise_conv,
    "global_pool": global_pool,
    "max_pool": pool,
    "resize": resize,
}
