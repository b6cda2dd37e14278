"""Ops that move numbers, choose among them, or sum them up."""

from __future__ import annotations

import numpy as np

_REDUCERS = {
    "sum": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax", "min": "ReduceMin",
    "prod": "ReduceProd",
}
_PLACES = {"argmax": "ArgMax", "argmin": "ArgMin"}


def reshape(b, op):
    return b.reshape(op.x[0], op.attrs["dims"])


def permute(b, op):
    return b.transpose(op.x[0], [0, *(d + 1 for d in op.attrs["dims"])])


def pad(b, op):
    begin, end = op.attrs["begin"], op.attrs["end"]
    dtype = "int64" if op.int64[0] else None
    value = b.constant(op.attrs.get("value", 0), dtype)
    pads = b.integers(0, *begin, 0, *end)
    return b.add("Pad", [op.x[0], pads, value], (None, *op.y_shapes[0]), mode="constant")


def crop(b, op):
    sizes = op.shapes[0]
    moved = [i for i, n in enumerate(sizes) if op.attrs["begin"][i] or op.attrs["end"][i]]
    if not moved:
        return op.x[0]
    begin = [op.attrs["begin"][i] for i in moved]
    end = [sizes[i] - op.attrs["end"][i] for i in moved]
    return b.slice(op.x[0], [i + 1 for i in moved], begin, end, [1] * len(moved))


def slice_(b, op):
    axes, begins, ends, steps = [], [], [], []
    lists = zip(op.attrs["begin"], op.attrs["size"], op.attrs["step"], op.shapes[0], strict=True)
    for axis, (begin, size, step, whole) in enumerate(lists, 1):
        if (begin, size, step) != (0, whole, 1):
            axes.append(axis), begins.append(begin), steps.append(step)
            ends.append(begin + size * step)
    return b.slice(op.x[0], axes, begins, ends, steps) if axes else op.x[0]


def concat(b, op):
    if len(op.x) == 1:
        return op.x[0]
    axis = op.attrs.get("axis", -1) % len(op.shapes[0]) + 1
    return b.add("Concat", op.x, (None, *op.y_shapes[0]), axis=axis)


def gather(b, op):
    axis = op.attrs["axis"] % len(op.shapes[0]) + 1
    size = op.shapes[0][axis - 1]
    if len(op.x) == 2:
        limits = b.constant(-size, "int64"), b.constant(size - 1, "int64")
        index = b.cast(op.x[1], "int64")
        index = b.add("Clip", [index, *limits], b.shape(index))
        return b.add("GatherElements", [op.x[0], index], b.shape(index), axis=axis)
    index = op.weights[0].numpy() if op.weights else op.attrs["indices"]
    index = np.trunc(np.asarray(index)).astype("int64")
    index = np.clip(np.where(index < 0, index + size, index), 0, size - 1)
    return b.gather(op.x[0], index, axis)


def reverse_time(b, op):
    return b.slice(op.x[0], [1], [op.shapes[0][0] - 1], [-1], [-1])


def repeat_vector(b, op):
    t, (d,) = op.attrs["n"], op.shapes[0]
    x = b.reshape(op.x[0], (1, d))
    return b.add("Tile", [x, b.integers(1, t, 1)], (None, t, d))


def stack_time(b, op):
    parts = [b.reshape(x, (1, *shape)) for x, shape in zip(op.x, op.shapes, strict=True)]
    return parts[0] if len(parts) == 1 else b.add("Concat", parts, (None, *op.y_shapes[0]), axis=1)


def unstack_time(b, op):
    return [b.gather(op.x[0], t, 1) for t in range(op.shapes[0][0])]


def bits(b, op):
    # Ops between two of these only move numbers: each int64 goes along as often as it has reals.
    if op.int64[0]:
        count = op.y_shapes[0][-1]
        wide = b.reshape(op.x[0], (*op.shapes[0], 1))
        sizes = b.integers(*[1] * (len(op.shapes[0]) + 1), count)
        return b.add("Tile", [wide, sizes], (None, *op.y_shapes[0]))
    return b.gather(op.x[0], 0, len(op.shapes[0]))


def reduce(b, op):
    name, x, shape = op.attrs["function"], op.x[0], op.shapes[0]
    axes = sorted(a % len(shape) + 1 for a in op.attrs["axes"])
    batch = op.attrs.get("batch", False)
    if name in _PLACES:
        return _place(b, op, _PLACES[name], axes, batch)
    whole = [0, *axes] if batch else axes
    if not whole:
        return x
    y = b.reduce(_REDUCERS[name], x, whole, keep=False)
    return b.expand(y, x, op.y_shapes[0]) if batch else y


def _place(b, op, kind, axes, batch):
    x, shape = op.x[0], op.shapes[0]
    if not batch and len(axes) == 1:
        y = b.add(kind, [x], (None, *op.y_shapes[0]), axis=axes[0], keepdims=0)
        return b.cast(y, "float")
    if not batch and len(axes) == len(shape):
        y = b.add(kind, [b.reshape(x, (int(np.prod(shape, dtype=int)),))], (None,), axis=1,
                  keepdims=0)
        return b.cast(y, "float")
    if batch and len(axes) == len(shape):
        flat = b.add("Reshape", [x, b.integers(-1)], (None,))
    elif batch and not axes:
        flat = x
    else:
        op.refuse(f"over the axes {axes}", "take one axis at a time")
    y = b.add(kind, [flat], tuple(op.y_shapes[0]), axis=0, keepdims=0)
    return b.expand(b.cast(y, "float"), x, op.y_shapes[0])


def scan(b, op):
    x, axis = op.x[0], op.attrs["axis"] % len(op.shapes[0]) + 1
    reverse = bool(op.attrs.get("reverse"))
    if op.attrs["function"] == "cumsum":
        at = b.constant(axis, "int64")
        return b.add("CumSum", [x, at], b.shape(x), reverse=int(reverse))
    # No operator multiplies up: a product for each place, over 1 where elements do not count.
    n, shape = op.shapes[0][axis - 1], op.shapes[0]
    counts = np.triu(np.ones((n, n), bool)) if reverse else np.tril(np.ones((n, n), bool))
    after = len(shape) - axis
    counts = b.constant(counts.reshape(n, n, *[1] * after), "bool")
    wide = b.reshape(x, (*shape[: axis - 1], 1, *shape[axis - 1 :]))
    terms = b.where(counts, wide, 1.0)
    return b.reduce("ReduceProd", terms, [axis + 1], keep=False)


def matmul(b, op):
    rank = max(map(len, op.shapes))
    x, y = (b.aligned(v, rank) for v in op.x)
    swap = [*range(rank - 1), rank, rank - 1]
    if op.attrs.get("transpose_a"):
        x = b.transpose(x, swap)
    if op.attrs.get("transpose_b"):
        y = b.transpose(y, swap)
    return b.add("MatMul", [x, y], (None, *op.y_shapes[0]))


def variable(b, op):
    return b.expand(b.weight(op.weights[0]), op.x[0], op.y_shapes[0])


def rows(b, op):
    return b.expand(b.cast(b.row_count(op.x[0]), "float"), op.x[0], ())


def assign(b, op):
    op.refuse("of a variable", "a graph of ONNX keeps nothing from call to call: leave out what "
              "counts or stores at inference")


def host(b, op):
    op.refuse("of a Python function", "write it with pyseq.ops, which can be traced")


TABLE = {
    "assign": assign,
    "bits": bits,
    "concat": concat,
    "crop": crop,
    "delay": assign,
    "gather": gather,
    "host": host,
    "matmul": matmul,
    "pad": pad,
    "permute": permute,
    "reduce": reduce,
    "repeat_vector": repeat_vector,
    "reshape": reshape,
    "reverse_time": reverse_time,
    "rows": rows,
    "scan": scan,
    "slice": slice_,
    "stack_time": stack_time,
    "unstack_time": unstack_time,
    "variable": variable,
}
