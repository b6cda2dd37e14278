"""Layers of convolutions, pooling, padding and larger images."""

from __future__ import annotations

import numpy as np

from pyseq import layers
from pyseq.saving.from_onnx import sizes


def _spatial(line, node):
    """The number of spatial axes; the channels come last then."""
    rank = line.rank - 2
    if rank not in (1, 2, 3):
        line.file.refuse(node, "1 to 3 spatial axes", rank)
    line.channels_last(node)
    return rank


def _numbers(line, node, given, name, rank, default=1):
    values = given.get(name) or [default] * rank
    if len(values) != rank:
        line.file.refuse(node, f"{rank} numbers in {name}", values)
    return [int(v) for v in values]


def _same(sizes, kernel, strides, dilations):
    """What Keras pads for "same": `(begin, end)`, the odd one at the end."""
    total = [
        max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        for n, k, s, d in zip(sizes, kernel, strides, dilations, strict=True)
    ]
    return [t // 2 for t in total], [t - t // 2 for t in total]


def _padding(line, node, given, kernel, strides, dilations):
    """"valid", "same", or `(begin, end)` of what else is padded."""
    rank = len(kernel)
    same = _same(line.shape[:-1], kernel, strides, dilations)
    auto = given.get("auto_pad", "NOTSET")
    if auto == "VALID":
        return "valid"
    if auto == "SAME_UPPER":
        return "same"
    if auto == "SAME_LOWER":
        begin, end = same[1], same[0]
    else:
        pads = _numbers(line, node, given, "pads", 2 * rank, 0)
        begin, end = pads[:rank], pads[rank:]
    if min(*begin, *end) < 0:
        line.file.refuse(node, "pads of 0 or more", (begin, end))
    if not any(begin) and not any(end):
        return "valid"
    return "same" if (begin, end) == same else (begin, end)


def _zeros(line, node, pads):
    rank = len(pads[0])
    cls = (layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D)[rank - 1]
    pairs = [list(pair) for pair in zip(*pads, strict=True)]
    line.add(node, cls, padding=pairs[0] if rank == 1 else pairs)


def conv(line, node, given):
    rank = _spatial(line, node)
    kernel = line.need(node, 1, "weights")
    bias = line.optional(node, 2, "a bias")
    groups, channels = given.get("group", 1), line.shape[-1]
    if kernel.ndim != rank + 2 or kernel.shape[1] * groups != channels or groups < 1:
        line.file.refuse(node, f"a kernel for {channels} channels", kernel.shape)
    size = list(kernel.shape[2:])
    strides = _numbers(line, node, given, "strides", rank)
    dilations = _numbers(line, node, given, "dilations", rank)
    padding = _padding(line, node, given, size, strides, dilations)
    if not isinstance(padding, str):
        _zeros(line, node, padding)
        padding = "valid"
    arguments = {
        "kernel_size": size, "strides": strides, "dilation_rate": dilations, "padding": padding,
        "use_bias": bias is not None,
    }
    if groups == channels and groups > 1 and rank < 3:
        cls = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)[rank - 1]
        count = kernel.shape[0] // groups
        kernel = kernel.reshape(groups, count, *size).transpose(*range(2, rank + 2), 0, 1)
        arguments["depth_multiplier"] = count
        if rank == 2 and strides[0] != strides[1]:
            cls = layers.Conv2D
    else:
        cls = (layers.Conv1D, layers.Conv2D, layers.Conv3D)[rank - 1]
        arguments.update(filters=kernel.shape[0], groups=groups)
        kernel = kernel.transpose(*range(2, rank + 2), 1, 0)
    weights = [kernel] if bias is None else [kernel, bias]
    line.add(node, cls, weights, open=True, unbiased=bias is None, **arguments)


def conv_transpose(line, node, given):
    rank = _spatial(line, node)
    kernel = line.need(node, 1, "weights")
    bias = line.optional(node, 2, "a bias")
    if given.get("group", 1) != 1 or kernel.ndim != rank + 2 or kernel.shape[0] != line.shape[-1]:
        line.file.refuse(node, f"a kernel for {line.shape[-1]} channels, group=1", kernel.shape)
    if given.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or given.get("output_shape"):
        line.file.refuse(node, "pads in numbers", given)
    size = list(kernel.shape[2:])
    strides = _numbers(line, node, given, "strides", rank)
    dilations = _numbers(line, node, given, "dilations", rank)
    pads = _numbers(line, node, given, "pads", 2 * rank, 0)
    more = _numbers(line, node, given, "output_padding", rank, 0)
    wanted = [
        (n - 1) * s + (k - 1) * d + 1 + m - pads[i] - pads[rank + i]
        for i, (n, s, k, d, m) in enumerate(
            zip(line.shape, strides, size, dilations, more, strict=False)
        )
    ]
    cls = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)[rank - 1]
    line.add(
        node, cls, [kernel.transpose(*range(2, rank + 2), 1, 0), *([] if bias is None else [bias])],
        filters=kernel.shape[1], kernel_size=size, strides=strides, dilation_rate=dilations,
        use_bias=bias is not None,
    )
    made = line.shape[:-1]
    cut = [[p, n - p - w] for p, n, w in zip(pads, made, wanted, strict=False)]
    if any(c < 0 for pair in cut for c in pair):
        line.file.refuse(node, f"an output within {made}", wanted)
    if any(c for pair in cut for c in pair):
        crop = (layers.Cropping1D, layers.Cropping2D, layers.Cropping3D)[rank - 1]
        line.add(node, crop, cropping=cut[0] if rank == 1 else cut)


def pool(line, node, given):
    rank = _spatial(line, node)
    size = _numbers(line, node, given, "kernel_shape", rank)
    strides = _numbers(line, node, given, "strides", rank)
    if any(d != 1 for d in given.get("dilations") or ()) or len(node.output) > 1:
        line.file.refuse(node, "dilations of 1 and one output", given)
    is_max = node.op_type == "MaxPool"
    padding = _padding(line, node, given, size, strides, [1] * rank)
    counts = not is_max and given.get("count_include_pad", 0)
    if not isinstance(padding, str) or (padding == "same" and counts):
        pads = padding if not isinstance(padding, str) else _same(
            line.shape[:-1], size, strides, [1] * rank
        )
        if not counts and not (is_max and line.is_not_negative()):
            line.file.refuse(
                node, "pads as for 'same' in Keras, or zeros that count", pads
            )
        _zeros(line, node, pads)
        padding = "valid"
    if given.get("ceil_mode", 0) and padding == "valid":
        left = [(n - k) % s for n, k, s in zip(line.shape, size, strides, strict=False)]
        if any(left):
            line.file.refuse(node, "ceil_mode=0, or windows that fit", line.shape)
    names = "MaxPooling" if is_max else "AveragePooling"
    cls = getattr(layers, f"{names}{rank}D")
    line.add(node, cls, pool_size=size, strides=strides, padding=padding)


def global_pool(line, node, given):
    rank = _spatial(line, node)
    name = "Max" if node.op_type == "GlobalMaxPool" else "Average"
    line.add(node, getattr(layers, f"Global{name}Pooling{rank}D"), keepdims=True)


def reduce(line, node, given):
    axes = line.optional(node, 1, "axes") if len(node.input) > 1 else given.get("axes")
    axes = sorted(int(a) % line.rank for a in (axes if axes is not None else ()))
    kept = [i for i in range(1, line.rank) if i not in axes]
    rank = line.rank - 2
    if len(kept) != 1 or 0 in axes or rank not in (1, 2, 3):
        line.file.refuse(node, "all axes but the batch and one more", axes)
    order = [0] * line.rank
    order[kept[0]] = line.rank - 1
    for place, axis in enumerate(axes, 1):
        order[axis] = place
    line.lay(node, order)
    name, keep = "Max" if node.op_type == "ReduceMax" else "Average", bool(given.get("keepdims", 1))
    line.add(node, getattr(layers, f"Global{name}Pooling{rank}D"), keepdims=keep)
    if not keep:
        line.order = [0, 1]


def pad(line, node, given):
    if line.rank not in (3, 4, 5):
        line.file.refuse(node, "1 to 3 spatial axes", line.rank - 2)
    if len(node.input) > 1:
        pads = line.need(node, 1, "pads").reshape(-1).tolist()
        value = line.optional(node, 2, "a value")
        axes = line.optional(node, 3, "axes")
        if axes is not None:
            whole = [0] * (2 * line.rank)
            for i, axis in enumerate(axes.reshape(-1).tolist()):
                whole[axis % line.rank] = pads[i]
                whole[axis % line.rank + line.rank] = pads[len(axes) + i]
            pads = whole
    else:
        pads, value = given.get("pads", []), given.get("value", 0.0)
    if len(pads) != 2 * line.rank or any(p < 0 for p in pads):
        line.file.refuse(node, f"{2 * line.rank} pads of 0 or more", pads)
    if given.get("mode", "constant") != "constant" or np.any(value if value is not None else 0):
        line.file.refuse(node, "zeros as padding", given.get("mode", "constant"))
    pairs = row_of(line, node, list(zip(pads[: line.rank], pads[line.rank :], strict=True)))
    _zeros(line, node, ([b for b, _ in pairs], [e for _, e in pairs]))


def row_of(line, node, pairs):
    """Pairs of numbers, one for each axis of ONNX, as those of the spatial axes of pyseq.

    The last axis of pyseq is one that has zeros.
    """
    if any(pairs[line.order.index(line.rank - 1)]) or line.order[0] != 0:
        line.channels_last(node)
    moved = [pairs[line.order.index(j)] for j in range(line.rank)]
    if any(moved[0]) or any(moved[-1]):
        line.file.refuse(node, "changes of the spatial axes alone", pairs)
    return [list(pair) for pair in moved[1:-1]]


def resize(line, node, given):
    rank = _spatial(line, node)
    index = 1 if node.op_type == "Upsample" else 2
    now = [1, line.shape[-1], *line.shape[:-1]]
    scales = given.get("scales")
    if len(node.input) > index:
        scales = line.optional(node, index, "scales")
    if scales is None or np.size(scales) == 0:
        wanted = sizes.read(line, node.input[3]) if len(node.input) > 3 else None
        wanted = None if wanted is None or len(wanted) != len(now) else [1, *wanted[1:]]
        scales = None if wanted is None or None in wanted else np.divide(wanted, now)
    mode = given.get("coordinate_transformation_mode", "half_pixel")
    rounding = given.get("nearest_mode", "round_prefer_floor")
    fits = node.op_type == "Upsample" or (mode, rounding) in (
        ("asymmetric", "floor"), ("half_pixel", "round_prefer_floor"),
        ("half_pixel", "round_prefer_ceil"),
    )
    factors = [] if scales is None else [float(s) for s in np.reshape(scales, -1)]
    if given.get("mode") == "linear" and mode in ("half_pixel", "pytorch_half_pixel"):
        if rank == 2 and len(factors) == 4 and factors[1] == 1 and not given.get("antialias", 0):
            height, width = (round(n * f) for n, f in zip(line.shape[:2], factors[2:], strict=True))
            line.add(node, layers.Resizing, height=height, width=width)
            return
    if given.get("mode", "nearest") != "nearest" or not fits or len(factors) != rank + 2:
        line.file.refuse(node, "whole factors of the nearest place", (given, factors))
    if any(f != int(f) or f < 1 for f in factors) or factors[1] != 1:
        line.file.refuse(node, "whole factors of the spatial axes", factors)
    size = [int(f) for f in factors[2:]]
    cls = (layers.UpSampling1D, layers.UpSampling2D, layers.UpSampling3D)[rank - 1]
    line.add(node, cls, size=size[0] if rank == 1 else size)


TABLE = {
    "AveragePool": pool,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "GlobalAveragePool": global_pool,
    "GlobalMaxPool": global_pool,
    "MaxPool": pool,
    "Pad": pad,
    "ReduceMax": reduce,
    "ReduceMean": reduce,
    "Resize": resize,
    "Upsample": resize,
}
