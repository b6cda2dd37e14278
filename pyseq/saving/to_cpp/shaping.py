"""Ops that move numbers, choose among them, or sum them up."""

from __future__ import annotations

import math

import numpy as np

from pyseq.saving.to_cpp.writer import ints, number


def strides_of(shape):
    """How far apart neighbours along each axis lie."""
    return [math.prod(shape[i + 1 :]) for i in range(len(shape))]


def broadcast(shape, to):
    """Strides of a value of `shape` that is broadcast to another one."""
    own = [0 if n == 1 else s for n, s in zip(shape, strides_of(shape), strict=True)]
    return [0] * (len(to) - len(shape)) + own


def collapsed(sizes, *strides):
    """The same loops with axes of one place left out and neighbours made one."""
    axes = [(n, *s) for n, *s in zip(sizes, *strides, strict=True) if n != 1]
    made = []
    for axis in axes:
        if made and all(a == b * axis[0] for a, b in zip(made[-1][1:], axis[1:], strict=True)):
            made[-1] = (made[-1][0] * axis[0], *axis[1:])
        else:
            made.append(axis)
    made = made or [(1, *[0] * len(strides))]
    return [ints(column) for column in zip(*made, strict=True)]


def at(pointer, offset):
    return pointer if offset == 0 else f"{pointer} + {offset}"


def move(w, x, y, sizes, x_strides, y_strides, x_offset=0, y_offset=0):
    """Write the copy of places of x to places of y."""
    loops = collapsed(sizes, x_strides, y_strides)
    w.call("shaping", "move", loops, [at(x, x_offset), at(y, y_offset)])


def place(w, x, y, shape, whole, begin):
    """Write the copy of x into y of shape `whole`, from the place `begin` on."""
    strides = strides_of(whole)
    offset = sum(b * s for b, s in zip(begin, strides, strict=True))
    move(w, x, y, shape, strides_of(shape), strides, 0, offset)


def permute(w, op, x, y):
    dims, strides = op.attrs["dims"], strides_of(op.shapes[0])
    move(w, x[0], y[0], op.y_shapes[0], [strides[d] for d in dims], strides_of(op.y_shapes[0]))


def pad(w, op, x, y):
    value = number(op.attrs.get("value", 0))
    w.call("shaping", "fill", ["float", math.prod(op.y_shapes[0])], [y[0], value])
    place(w, x[0], y[0], op.shapes[0], op.y_shapes[0], op.attrs["begin"])


def _sliced(w, op, x, y, begin, step):
    strides = strides_of(op.shapes[0])
    offset = sum(b * s for b, s in zip(begin, strides, strict=True))
    steps = [s * k for s, k in zip(strides, step, strict=True)]
    move(w, x, y, op.y_shapes[0], steps, strides_of(op.y_shapes[0]), offset)


def crop(w, op, x, y):
    _sliced(w, op, x[0], y[0], op.attrs["begin"], [1] * len(op.shapes[0]))


def slice_(w, op, x, y):
    _sliced(w, op, x[0], y[0], op.attrs["begin"], op.attrs["step"])


def reverse_time(w, op, x, y):
    rank = len(op.shapes[0])
    begin, step = [op.shapes[0][0] - 1, *[0] * (rank - 1)], [-1, *[1] * (rank - 1)]
    _sliced(w, op, x[0], y[0], begin, step)


def concat(w, op, x, y):
    axis = op.attrs.get("axis", -1) % len(op.shapes[0])
    begin = [0] * len(op.shapes[0])
    for pointer, shape in zip(x, op.shapes, strict=True):
        place(w, pointer, y[0], shape, op.y_shapes[0], begin)
        begin[axis] += shape[axis]


def stack_time(w, op, x, y):
    size = math.prod(op.shapes[0])
    for t, pointer in enumerate(x):
        move(w, pointer, y[0], [size], [1], [1], 0, t * size)


def unstack_time(w, op, x, y):
    size = math.prod(op.y_shapes[0])
    for t, pointer in enumerate(y):
        move(w, x[0], pointer, [size], [1], [1], t * size)


def repeat_vector(w, op, x, y):
    (d,) = op.shapes[0]
    move(w, x[0], y[0], [op.attrs["n"], d], [0, 1], [d, 1])


def upsample(w, op, x, y):
    factors = [*op.attrs["size"], 1]
    sizes = [n for pair in zip(op.shapes[0], factors, strict=True) for n in pair]
    strides = [n for s in strides_of(op.shapes[0]) for n in (s, 0)]
    move(w, x[0], y[0], sizes, strides, strides_of(sizes))


def gather(w, op, x, y):
    shape = op.shapes[0]
    axis = op.attrs["axis"] % len(shape)
    size, numbers = shape[axis], [math.prod(shape[:axis]), shape[axis]]
    inner = math.prod(shape[axis + 1 :])
    if len(x) == 2:
        numbers += [op.shapes[1][axis], inner]
        return w.call("shaping", "gather_each", numbers, [x[0], x[1], y[0]])
    index = op.weights[0] if op.weights else op.attrs["indices"]
    index = np.trunc(np.asarray(index, "float64")).astype("int64").reshape(-1)
    index = np.clip(np.where(index < 0, index + size, index), 0, size - 1)
    array = w.array(op, "index", index, "int32")
    w.call("shaping", "gather", [*numbers, len(index), inner], [x[0], array, y[0]])


_REDUCERS = {
    "sum": "SumOf", "mean": "MeanOf", "max": "MaxOf", "min": "MinOf", "prod": "ProductOf",
    "argmax": "ArgmaxOf", "argmin": "ArgminOf",
}


def reduce(w, op, x, y):
    if op.attrs.get("batch"):
        op.refuse("over the rows of a batch", "a header takes one row: leave the first axis alone")
    shape = op.shapes[0]
    strides = strides_of(shape)
    axes = sorted(a % len(shape) for a in op.attrs["axes"])
    kept = [i for i in range(len(shape)) if i not in axes]
    loops = []
    for part in (kept, axes):
        loops += collapsed([shape[i] for i in part], [strides[i] for i in part])
    reducer = f"kernels::{_REDUCERS[op.attrs['function']]}{{}}"
    w.call("shaping", "reduce", loops, [x[0], y[0], reducer])


def scan(w, op, x, y):
    shape = op.shapes[0]
    axis = op.attrs["axis"] % len(shape)
    flags = ["true" if flag else "false"
             for flag in (op.attrs["function"] == "cumprod", op.attrs.get("reverse"))]
    numbers = [math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])]
    w.call("shaping", "scan", [*numbers, *flags], [x[0], y[0]])


def matmul(w, op, x, y):
    (*outer, m, p), (a, b) = op.y_shapes[0], op.shapes
    a_rows, a_columns = strides_of(a)[-2:]
    b_rows, b_columns = strides_of(b)[-2:]
    k = a[-1]
    if op.attrs.get("transpose_a"):
        a_rows, a_columns, k = a_columns, a_rows, a[-2]
    if op.attrs.get("transpose_b"):
        b_rows, b_columns = b_columns, b_rows
    operands = [_matrices(a, outer), _matrices(b, outer), [s * m * p for s in strides_of(outer)]]
    loops = collapsed(outer, *operands)
    numbers = [m, k, p, a_rows, a_columns, b_rows, b_columns]
    w.call("shaping", "matmul", [*loops, *numbers], [x[0], x[1], y[0]])


def _matrices(shape, outer):
    size = math.prod(shape[-2:])
    return [s * size for s in broadcast(shape[:-2], outer)]


def einsum_dense(w, op, x, y):
    names = [op.attrs[k] for k in ("x_axes", "w_axes", "y_axes")]
    shapes = op.shapes[0], op.weights[0].shape
    strides = [dict(zip(n, strides_of(s), strict=True)) for n, s in zip(names, shapes)]
    sizes = {n: d for axes, shape in zip(names, shapes) for n, d in zip(axes, shape, strict=True)}
    kept = list(names[2])
    summed = [n for n in sizes if n not in kept]
    loops = []
    for part in (kept, summed):
        steps = ([s.get(n, 0) for n in part] for s in strides)
        loops += collapsed([sizes[n] for n in part], *steps)
    w.call("shaping", "einsum", loops, [x[0], w.array(op, "kernel", op.weights[0]), y[0]])


def bits(w, op, x, y):
    size = math.prod(op.y_shapes[0]) * (8 if op.y_int64 else 4)
    w.lines.append(f"std::memcpy({y[0]}, {x[0]}, {size});")


def variable(w, op, x, y):
    size = math.prod(op.y_shapes[0])
    move(w, w.array(op, "value", op.weights[0]), y[0], [size], [1], [1])


def rows(w, op, x, y):
    w.lines.append(f"*({y[0]}) = 1.0f;")


TABLE = {
    "bits": bits,
    "concat": concat,
    "crop": crop,
    "einsum_dense": einsum_dense,
    "gather": gather,
    "matmul": matmul,
    "pad": pad,
    "permute": permute,
    "reduce": reduce,
    "repeat_vector": repeat_vector,
    "reverse_time": reverse_time,
    "rows": rows,
    "scan": scan,
    "slice": slice_,
    "stack_time": stack_time,
    "unstack_time": unstack_time,
    "upsample": upsample,
    "variable": variable,
}
