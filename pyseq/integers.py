"""Integers in programs of floats: which ops keep them, and how those do that lose no digit."""

from __future__ import annotations

import dataclasses

import numpy as np

from pyseq.ops import pooling

# Integers that a float does not hold exactly; slots keep them as int64.
WIDE = frozenset(("int32", "int64", "uint32", "uint64"))
# Ops that take int64 as it is; for all others it is cast.
TAKES_INT64 = frozenset(("bits", "cast", "embedding", "host", "reshape"))
# Ops that only move numbers: `(attributes, rank of a sample, reals of an int64)` to the attributes
# for int64 as that many reals along a last axis; None where other numbers would come in between.
_MOVES = {
    "concat": lambda a, rank, reals: {**a, "axis": a["axis"] % rank},
    "crop": lambda a, rank, reals: {**a, "begin": [*a["begin"], 0], "end": [*a["end"], 0]},
    "gather": lambda a, rank, reals: a,
    "pad": lambda a, rank, reals: None
    if a.get("value")
    else {**a, "begin": [*a["begin"], 0], "end": [*a["end"], 0]},
    "permute": lambda a, rank, reals: {**a, "dims": [*a["dims"], rank]},
    "slice": lambda a, rank, reals: {
        **a,
        "begin": [*a["begin"], 0],
        "size": [*a["size"], reals],
        "step": [*a["step"], 1],
    },
    "stack_time": lambda a, rank, reals: a,
    "unstack_time": lambda a, rank, reals: a,
}
# Ops that move all channels of a place together: an int64 is as many channels as it has reals.
_MOVES_PLACES = frozenset(("repeat_vector", "upsample"))
# Ops that move or choose numbers, which keep their dtype.
_KEEPS = frozenset(("crop", "masking", "max_pool", "pad", "permute", "repeat_vector", "upsample"))
_CHOOSES = {"adaptive_pool": ("mode", "max"), "global_pool": ("mode", "max"),
            "resize": ("interpolation", "nearest")}
_WHOLE_ACTIVATIONS = frozenset(("relu", "relu6", "hard_tanh"))


def keeps_dtype(kind, attrs):
    """Whether the first output of an op holds numbers of the kind that its first input holds."""
    if kind == "activation":
        slope = (attrs.get("activation_args") or (0,))[0]
        return attrs["activation"] in _WHOLE_ACTIVATIONS and not slope
    if kind in _CHOOSES:
        name, value = _CHOOSES[kind]
        return attrs[name] == value
    return kind in _KEEPS


def exactly(graph, kind, inputs, shapes, name, attrs):
    """The outputs of an op on int64 that loses no digit; None where floats have to do."""
    if kind in _MOVES:
        return _moved(graph, kind, inputs, shapes, name, attrs)
    if kind == "masking":
        return _masked(graph, inputs[0], shapes, name, attrs)
    if not keeps_dtype(kind, attrs):
        return None
    if kind in _MOVES_PLACES:
        return _moved_places(graph, kind, inputs[0], shapes[0], name, attrs)
    if kind in _LARGEST and graph.calls_python:
        x, function = inputs[0], _LARGEST[kind]
        return (graph.host(lambda a: function(a, attrs), x, shapes[0], name, x.dtype),)
    return None


def _reals(graph):
    """How many reals are as long as an int64."""
    return 1 if graph.dtype == "float64" else 2


def _moved(graph, kind, inputs, shapes, name, attrs):
    reals = _reals(graph)
    attrs = _MOVES[kind](attrs, len(inputs[0].shape), reals)
    if attrs is None:
        return None
    parts = [graph.op("bits", v, (*v.shape, reals), name=name) for v in inputs]
    shapes = [(*shape, reals) for shape in shapes]
    moved = graph.op_multi(kind, parts, shapes, name=name, **attrs)
    return tuple(_whole(graph, part, inputs[0], name) for part in moved)


def _moved_places(graph, kind, x, shape, name, attrs):
    reals = _reals(graph)
    part = graph.op("bits", x, (*x.shape, reals), name=name)
    part = graph.op("reshape", part, (*x.shape[:-1], x.shape[-1] * reals), name=name)
    part = graph.op(kind, part, (*shape[:-1], shape[-1] * reals), name=name, **attrs)
    part = graph.op("reshape", part, (*shape, reals), name=name)
    return (_whole(graph, part, x, name),)


def _masked(graph, x, shapes, name, attrs):
    value, reals = attrs["mask_value"], _reals(graph)
    # Beyond that, several integers have one float.
    limit = 2.0 ** (53 if graph.dtype == "float64" else 24)
    if isinstance(value, int) and abs(value) >= limit and graph.calls_python:
        mask = graph.host(lambda a: np.any(a != value, axis=-1), x, shapes[1], name)
    else:
        attrs = {**attrs, "mask_value": float(value)}
        _, mask = graph.op_multi("masking", graph.real(x), shapes, name=name, **attrs)
    part = graph.op("bits", x, (*x.shape, reals), name=name)
    on = graph.op("reshape", mask, (*mask.shape, 1, 1), name=name)
    part = graph.op("select", [on, part], part.shape, name=name, b=0.0)
    return _whole(graph, part, x, name), mask


def _whole(graph, part, like, name):
    """The integers, of the dtype of `like`, whose reals are the last axis of `part`."""
    y = graph.op("bits", part, part.shape[:-1], name=name, int64=True)
    return dataclasses.replace(y, dtype=like.dtype)


def _largest_of_windows(a, attrs):
    pads = [(0, 0), *zip(attrs["pads_begin"], attrs["pads_end"], strict=True), (0, 0)]
    a = np.pad(a, pads, constant_values=np.iinfo(a.dtype).min)
    size, strides = attrs["pool_size"], attrs["strides"]
    return pooling.max_pool(a, size, strides, "valid", "channels_last")


def _largest_of_all(a, attrs):
    axes = tuple(range(1, a.ndim - 1))
    return a.max(axis=axes, keepdims=attrs["keepdims"])


def _largest_of_cells(a, attrs):
    return pooling.adaptive_max_pool(a, attrs["output_size"], "channels_last")


# No op of the core compares int64: `(array, attributes)` to the output.
_LARGEST = {
    "adaptive_pool": _largest_of_cells,
    "global_pool": _largest_of_all,
    "max_pool": _largest_of_windows,
}
