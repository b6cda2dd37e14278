"""What NumPy's functions do with symbolic tensors: each appends ops of the core."""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np

from pyseq import dtypes, hooks
from pyseq.integers import keeps_dtype
from pyseq.tracing import across, shaping
from pyseq.tracing.products import dot, einsum, matmul, outer, tensordot
from pyseq.tracing.tensor import NUMPY, Tensor, common_dtype, is_float

_UNARY = {
    "negative": "negative",
    "absolute": "abs",
    "fabs": "abs",
    "rint": "round",
    **{
        name: name
        for name in (
            "sign square sqrt reciprocal exp expm1 log log1p log2 log10 sin cos tan arcsin arccos "
            "arctan sinh cosh arcsinh arccosh arctanh floor ceil trunc"
        ).split()
    },
}
_TESTS = {name: name for name in ("isnan", "isfinite", "isinf", "logical_not")}
_BINARY = {
    "fmax": "maximum",
    "fmin": "minimum",
    "remainder": "mod",
    "float_power": "power",
    **{
        name: name
        for name in (
            "add subtract multiply divide power maximum minimum floor_divide arctan2"
        ).split()
    },
}
_LOGIC = {
    "bitwise_and": "logical_and",
    "bitwise_or": "logical_or",
    "bitwise_xor": "logical_xor",
    **{
        name: name
        for name in (
            "equal not_equal less less_equal greater greater_equal "
            "logical_and logical_or logical_xor"
        ).split()
    },
}


@hooks.answers("unary")
def unary(trace, x, function, dtype=None):
    """An op `map`."""
    x = trace.tensor(x)
    if isinstance(x, across.Wide):
        return x.through(lambda plain: unary(trace, plain, function, dtype))
    if dtype is None:
        keeps = x.is_float or function in ("negative", "abs", "sign", "square")
        dtype = x.dtype if keeps else trace.dtype
    attrs = {"function": function}
    return trace.op("map", x.value, x.inner, x.batched, dtype, lead=x.lead, **attrs)


def _common_dtype(trace, a, b):
    """What two tensors give; a number does not widen the integers that it meets."""
    if a.is_float != b.is_float:
        return (a if a.is_float else b).dtype
    for x, other in ((a, b), (b, a)):
        if other.number is not None and x.number is None and x.dtype.kind != "b":
            return x.dtype
    return common_dtype(a.dtype, b.dtype)


def binary(trace, a, b, function, dtype=None):
    """An op `binary`, with a number, a weight or a tensor on either side."""
    a, b = trace.tensor(a), trace.tensor(b)
    if across.crosses((a, b)):
        return across.elementwise(trace, (a, b), lambda a, b: binary(trace, a, b, function, dtype))
    if dtype is None:
        dtype = _common_dtype(trace, a, b)
        if function == "divide" and not is_float(dtype):
            dtype = trace.dtype
    for x, other, swap in ((a, b, False), (b, a, True)):
        if other.number is not None and x.number is None:
            attrs = {"function": function, "number": float(other.number), "swap": swap}
            return trace.op("binary", x.value, x.inner, x.batched, dtype, lead=x.lead, **attrs)
    (a, b), inner, batched, lead = shaping.align(trace, (a, b), function)
    attrs = {"function": function}
    inputs = [a, b]
    if b._value is None:
        inputs, attrs["weights"] = [a], [b.param]
    elif a._value is None:
        inputs, attrs["weights"], attrs["swap"] = [b], [a.param], True
    return trace.op("binary", [t.value for t in inputs], inner, batched, dtype, lead=lead, **attrs)


def activate(x, name, arguments=()):
    """An op `activation`: functions of one number that the core has as a whole."""
    if isinstance(x, across.Wide):
        return x.through(lambda plain: activate(plain, name, arguments))
    attrs = {"activation": name, "activation_args": [float(a) for a in arguments]}
    dtype = x.dtype if x.is_float or keeps_dtype("activation", attrs) else x.trace.dtype
    return x.trace.op("activation", x.value, x.inner, x.batched, dtype, lead=x.lead, **attrs)


def softmax(x, axis=-1, log=False):
    if isinstance(x, across.Wide):
        return across.softmax(x, shaping.axes_of(x, axis), log)
    axes = [shaping.inner_axis(x, a) for a in shaping.axes_of(x, axis)]
    return x.trace.op(
        "softmax", x.value, x.inner, x.batched, x.dtype, lead=x.lead, axes=axes, log=log
    )


_COMPOSED = {
    "tanh": lambda t, x: activate(t.tensor(x), "tanh"),
    "exp2": lambda t, x: np.exp(x * math.log(2)),
    "positive": lambda t, x: x,
    "conjugate": lambda t, x: x,
    "signbit": lambda t, x: np.less(x, 0),
    "deg2rad": lambda t, x: x * (math.pi / 180),
    "rad2deg": lambda t, x: x * (180 / math.pi),
    "hypot": lambda t, a, b: np.sqrt(np.square(a) + np.square(b)),
    "logaddexp": lambda t, a, b: np.maximum(a, b) + np.log1p(np.exp(-np.abs(np.subtract(a, b)))),
    "matmul": matmul,
}


def call_ufunc(trace, ufunc, method, inputs, kwargs):
    """A NumPy ufunc on tensors."""
    name = {"true_divide": "divide", "mod": "remainder"}.get(ufunc.__name__, ufunc.__name__)
    extra = [k for k, v in kwargs.items() if k not in ("dtype", "casting") and v is not None]
    if method != "__call__" or extra:
        raise trace.error(f"expected a plain call of numpy.{name}, got {method} with {extra}")
    if name in _UNARY:
        return unary(trace, *inputs, _UNARY[name])
    if name in _TESTS:
        return unary(trace, *inputs, _TESTS[name], np.dtype(bool))
    if name in _BINARY:
        return binary(trace, *inputs, _BINARY[name])
    if name in _LOGIC:
        tensors = [t for t in map(trace.tensor, inputs) if t.number is None]
        if name.startswith("bitwise") and any(t.dtype.kind in "iu" for t in tensors):
            raise trace.error(f"expected {name} of booleans")
        return binary(trace, *inputs, _LOGIC[name], np.dtype(bool))
    if name in _COMPOSED:
        return _COMPOSED[name](trace, *inputs)
    raise trace.error(f"expected an operation that the core can run, got numpy.{name}")


def reduce(x, function, axis=None, keepdims=False, dtype=None):
    """An op `reduce`; over the batch too where `axis` says so."""
    axes = shaping.axes_of(x, axis)
    if isinstance(x, across.Wide):
        run = functools.partial(reduce, function=function, axis=axes, keepdims=keepdims)
        return across.reduce(x, function, axes, lambda plain: run(plain, dtype=dtype), keepdims)
    batch = x.batched and 0 in axes
    drop = [a - 1 + x.lead if x.batched else a for a in axes if not (x.batched and a == 0)]
    if batch:
        drop = [*range(x.lead), *drop]
    inner = [d for a, d in enumerate(x.inner) if a not in drop]
    lead = 0 if batch else x.lead
    batched = x.batched and not batch
    dtype = dtype or x.dtype
    if not drop and not batch:
        return x.astype(dtype)
    attrs = {"function": function, "axes": drop, "batch": batch}
    y = x.trace.op("reduce", x.value, inner, batched, dtype, lead=lead, **attrs)
    if not keepdims:
        return y
    shape = [1 if a in axes else d for a, d in enumerate(x.shape)]
    return shaping.with_inner(y, [*x.inner[:lead], *shape[1:]] if batched else shape)


def _expect_none(trace, function, arguments):
    given = {k: v for k, v in arguments.items() if v is not None and v is not np._NoValue}
    if given:
        raise trace.error(f"expected no further arguments of {function}, got {sorted(given)}")


def _reduction(function):
    def call(trace, x, axis=None, dtype=None, out=None, keepdims=False, **more):
        _expect_none(trace, function, more)
        x = trace.tensor(x)
        if x.is_float or function in ("max", "min"):
            kind = x.dtype
        elif function == "mean":
            kind = trace.dtype
        else:
            kind = np.dtype("int64" if x.dtype.itemsize == 8 else "int32")
        return reduce(x, function, axis, bool(keepdims), kind)

    return call


def _any(trace, x, axis=None, out=None, keepdims=False, **_):
    return reduce(np.not_equal(trace.tensor(x), 0), "max", axis, bool(keepdims))


def _all(trace, x, axis=None, out=None, keepdims=False, **_):
    return reduce(np.not_equal(trace.tensor(x), 0), "min", axis, bool(keepdims))


def _argument(function):
    def call(trace, x, axis=None, out=None, keepdims=False, **_):
        x = trace.tensor(x)
        if axis is None or (x.batched and axis % x.ndim == 0):
            raise trace.error(f"expected {function} along an axis other than the batch")
        return reduce(x, function, axis, bool(keepdims), np.dtype("int32"))

    return call


def _variance(trace, x, axis=None, dtype=None, out=None, ddof=0, keepdims=False, **_):
    x = trace.tensor(x)
    if ddof:
        raise trace.error(f"expected ddof=0, got {ddof}")
    centered = x - np.mean(x, axis=axis, keepdims=True)
    return np.mean(np.square(centered), axis=axis, keepdims=bool(keepdims))


def _deviation(trace, x, *args, **kwargs):
    return np.sqrt(_variance(trace, x, *args, **kwargs))


def _scan(function):
    def call(trace, x, axis=None, dtype=None, out=None):
        x = trace.tensor(x)
        x = np.reshape(x, -1) if axis is None and not x.batched else x
        if function == "cumsum" and _along_batch(x, axis):
            return across.cumsum(x)
        at = shaping.inner_axis(x, -1 if axis is None and x.ndim == 1 else axis)
        attrs = {"function": function, "axis": at, "reverse": False}
        return trace.op("scan", x.value, x.inner, x.batched, x.dtype, lead=x.lead, **attrs)

    return call


def where(trace, condition, a=None, b=None):
    """An op `select`."""
    if a is None:
        raise trace.error("expected where(condition, a, b), got the condition alone")
    c, a, b = trace.tensor(condition), trace.tensor(a), trace.tensor(b)
    if across.crosses((c, a, b)):
        return across.elementwise(trace, (c, a, b), lambda c, a, b: where(trace, c, a, b))
    floats = [t for t in (a, b) if t.number is None] or [a, b]
    dtype = common_dtype(*(t.dtype for t in floats))
    if a.is_float or b.is_float:
        dtype = dtype if is_float(dtype) else trace.dtype
    given = [t for t in (c, a, b) if t is c or t.number is None]
    given, inner, batched, lead = shaping.align(trace, given, "where")
    attrs = {k: float(t.number) for k, t in (("a", a), ("b", b)) if t.number is not None}
    inputs = [t.value for t in given]
    return trace.op("select", inputs, inner, batched, dtype, lead=lead, **attrs)


def clip(trace, x, a_min=None, a_max=None, out=None, min=None, max=None, **more):
    _expect_none(trace, "clip", more)
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    x = trace.tensor(x)
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


def constant_like(trace, x, value, dtype=None):
    """A tensor of the shape of `x`, batch included, that holds one number; also for NaN in `x`."""
    x = trace.tensor(x)
    dtype = np.dtype(dtypes.numpy_dtype(dtype or x.dtype))
    zeros = binary(trace, x, 0.0, "logical_and", dtype)
    return zeros if value == 0 else zeros + dtype.type(value)


def _pad(trace, x, pad_width, mode="constant", constant_values=0, **_):
    x = trace.tensor(x)
    if mode != "constant":
        raise trace.error(f"expected pad mode 'constant', got {mode!r}")
    width = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)).tolist()
    if x.batched:
        if any(width[0]):
            raise trace.error("expected no padding of the batch")
        width = [[0, 0]] * x.lead + width[1:]
    begin, end = [w[0] for w in width], [w[1] for w in width]
    inner = [d + b + e for d, b, e in zip(x.inner, begin, end)]
    attrs = {"begin": begin, "end": end, "value": float(constant_values)}
    return trace.op("pad", x.value, inner, x.batched, x.dtype, lead=x.lead, **attrs)


def _stack(trace, tensors, axis=0, **_):
    tensors = [trace.tensor(t) for t in tensors]
    rank = max(t.ndim for t in tensors) + 1
    return shaping.concatenate(trace, [np.expand_dims(t, axis % rank) for t in tensors], axis)


def _split(trace, x, sections, axis=0):
    x = trace.tensor(x)
    size = x.known(x.shape[axis], "a split of the batch")
    if isinstance(sections, (int, np.integer)):
        if size % sections:
            raise ValueError(f"{trace.name}: expected {size} to be divisible by {sections}")
        sections = range(size // sections, size, size // sections)
    cuts = [0, *sections, size]
    index = [slice(None)] * x.ndim
    parts = []
    for begin, end in itertools.pairwise(cuts):
        index[axis] = slice(begin, end)
        parts.append(x[tuple(index)])
    return parts


def _along_batch(x, axis):
    """Whether an axis is the batch, and rows can be brought to others."""
    batch = isinstance(axis, (int, np.integer)) and x.batched and axis % x.ndim == 0
    return batch and not x.lead and across.is_possible(x.trace)


def _flip(trace, x, axis=None):
    x = trace.tensor(x)
    axes = shaping.axes_of(x, axis)
    if _along_batch(x, 0) and 0 in axes:
        x = across.flip(x)
        axes = axes[1:]
    return x[tuple(slice(None, None, -1) if a in axes else slice(None) for a in range(x.ndim))]


def _roll(trace, x, shift, axis=None):
    x = trace.tensor(x)
    if axis is None:
        raise trace.error("expected roll with an axis")
    if _along_batch(x, axis):
        return across.roll(x, shift)
    size = x.known(x.shape[axis], "a roll of the batch")
    cut = -shift % size
    before, after = [slice(None)] * x.ndim, [slice(None)] * x.ndim
    before[axis], after[axis] = slice(cut, None), slice(None, cut)
    return np.concatenate([x[tuple(before)], x[tuple(after)]], axis=axis) if cut else x


def _is_for_each_row(x, axis, count):
    """True where the one entry along the first axis of an unbatched `x` is meant for each row."""
    return isinstance(count, Tensor) and axis == 0 and not x.batched and x.shape[0] == 1


def _repeat(trace, x, repeats, axis=None):
    x = trace.tensor(x)
    if axis is None:
        raise trace.error("expected repeat with an axis")
    if _is_for_each_row(x, axis, repeats):
        return _broadcast_to(trace, x, (None, *x.shape[1:]))
    size = x.known(x.shape[axis], "a repeat of rows")
    return shaping.take(x, np.repeat(np.arange(size), repeats), axis)


def _tile(trace, x, reps):
    x = trace.tensor(x)
    reps = tuple(reps) if isinstance(reps, (tuple, list)) else (reps,)
    reps = (1,) * (x.ndim - len(reps)) + reps
    if len(reps) > x.ndim:
        x = shaping.expand_dims(x, tuple(range(len(reps) - x.ndim)))
    for axis, count in enumerate(reps):
        if _is_for_each_row(x, axis, count):
            x = _broadcast_to(trace, x, (None, *x.shape[1:]))
        elif count != 1:
            size = x.known(x.shape[axis], "a tile of the batch")
            x = shaping.take(x, np.tile(np.arange(size), count), axis)
    return x


def _broadcast_to(trace, x, shape, **_):
    x = trace.tensor(x)
    if x.batched and len(shape) != x.ndim:
        raise trace.error(
            f"expected a shape that keeps the batch in front, got {tuple(shape)} for {x.shape}",
            "begin it with the batch",
        )
    batched = bool(shape) and (shape[0] is None or isinstance(shape[0], Tensor))
    if batched and not x.batched:
        x = np.reshape(x, x.shape[1:]) if x.ndim == len(shape) else x
        return shaping.broadcast(x, shape[1:], True, 0)
    return shaping.broadcast(x, [*x.inner[: x.lead], *shape[1:]] if x.batched else shape)


def _take(trace, x, indices, axis=None, out=None, mode=None):
    if isinstance(indices, Tensor) or axis is None:
        table = trace.tensor(x)
        if isinstance(indices, Tensor) and table._value is None and axis in (0, None):
            return embed(trace, table, indices)
        raise trace.error("expected take of known indices along an axis")
    return shaping.take(trace.tensor(x), indices, axis)


def embed(trace, table, ids):
    """Rows of a weight (or constant) `(V, ...)` that a tensor of ids chooses."""
    size = math.prod(table.inner[1:])
    ids = trace.tensor(ids)
    if len(table.inner) != 2:
        raise trace.error(f"expected a table of rank 2 to take rows of, got {table.inner}")
    inner = (*ids.inner, size)
    return trace.op(
        "embedding",
        ids.value,
        inner,
        ids.batched,
        table.dtype,
        lead=ids.lead,
        weights=[table.param],
    )


def _take_along(trace, x, indices, axis=-1):
    x, indices = trace.tensor(x), trace.tensor(indices)
    if isinstance(x, across.Wide) and axis % x.ndim == x.ndim - 1:
        return across.take_along(x, indices)
    if x.batched != indices.batched or x.ndim != indices.ndim or x.lead != indices.lead:
        raise trace.error(f"expected indices of rank {x.ndim}, got {indices.shape} for {x.shape}")
    at = shaping.inner_axis(x, axis)
    inner = [*x.inner[:at], indices.inner[at], *x.inner[at + 1 :]]
    inputs = [x.value, shaping.broadcast(indices, inner).value]
    return trace.op("gather", inputs, inner, x.batched, x.dtype, lead=x.lead, axis=at)


def _triangle(keep):
    def call(trace, x, k=0):
        x = trace.tensor(x)
        if isinstance(x, across.Wide):
            return across.triangle(x, k, keep is np.tril)
        return x * keep(np.ones(x.shape[-2:], np.float32), k)

    return call


def _diff(trace, x, n=1, axis=-1, **_):
    x = trace.tensor(x)
    for _ in range(n):
        first, second = [slice(None)] * x.ndim, [slice(None)] * x.ndim
        first[axis], second[axis] = slice(1, None), slice(None, -1)
        x = x[tuple(first)] - x[tuple(second)]
    return x


def _moveaxis(trace, x, source, destination):
    x = trace.tensor(x)
    sources = np.atleast_1d(source) % x.ndim
    order = [a for a in range(x.ndim) if a not in sources]
    for at, a in sorted(zip(np.atleast_1d(destination) % x.ndim, sources)):
        order.insert(int(at), int(a))
    return shaping.transpose(x, order)


def _swapaxes(trace, x, axis1, axis2):
    x = trace.tensor(x)
    order = list(range(x.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return shaping.transpose(x, order)


def _norm(trace, x, ord=None, axis=None, keepdims=False):
    x = trace.tensor(x)
    if ord in (None, 2, "fro"):
        if ord == 2 and (axis is None or not isinstance(axis, int)) and x.ndim > 1:
            raise trace.error("expected the norm along one axis for ord=2")
        return np.sqrt(np.sum(np.square(x), axis=axis, keepdims=keepdims))
    if ord == 1:
        return np.sum(np.abs(x), axis=axis, keepdims=keepdims)
    if ord == np.inf:
        return np.max(np.abs(x), axis=axis, keepdims=keepdims)
    raise trace.error(f"expected a norm of order 1, 2 or inf, got {ord!r}")


def _average(trace, x, axis=None, weights=None, **_):
    if weights is None:
        return np.mean(x, axis=axis)
    return np.sum(x * weights, axis=axis) / np.sum(weights + np.zeros_like(x), axis=axis)


def _round(trace, x, decimals=0, out=None):
    x = trace.tensor(x)
    if not x.is_float and decimals >= 0:
        return x
    return np.rint(x * 10.0**decimals) / 10.0**decimals


def _nan_to_num(trace, x, copy=True, nan=0.0, posinf=None, neginf=None):
    most = float(np.finfo(trace.stored).max)
    x = np.where(np.isnan(x), nan, x)
    return np.clip(x, -most if neginf is None else neginf, most if posinf is None else posinf)


@hooks.answers("rows")
def rows(trace):
    """The number of rows of a batch, as an unbatched tensor."""
    count = trace.op("rows", trace.anchor, (), False, np.dtype("int32"))
    count.counts_rows = True
    return count


def shape_of(trace, x):
    return tuple(rows(trace) if d is None else d for d in trace.tensor(x).shape)


def _size(trace, x, axis=None):
    x = trace.tensor(x)
    if axis is not None:
        return shape_of(trace, x)[axis]
    return x.size if x.size is not None else math.prod(shape_of(trace, x))


_FUNCTIONS = {
    np.sum: _reduction("sum"),
    np.mean: _reduction("mean"),
    np.prod: _reduction("prod"),
    np.max: _reduction("max"),
    np.min: _reduction("min"),
    np.var: _variance,
    np.std: _deviation,
    np.any: _any,
    np.all: _all,
    np.argmax: _argument("argmax"),
    np.argmin: _argument("argmin"),
    np.cumsum: _scan("cumsum"),
    np.cumprod: _scan("cumprod"),
    np.count_nonzero: lambda t, x, axis=None, keepdims=False: np.sum(
        np.not_equal(x, 0), axis=axis, keepdims=keepdims
    ),
    np.average: _average,
    np.reshape: lambda t, x, shape=None, order="C", newshape=None, **_: shaping.reshape(
        t.tensor(x), newshape if shape is None else shape
    ),
    np.ravel: lambda t, x, order="C": shaping.reshape(t.tensor(x), -1),
    np.transpose: lambda t, x, axes=None: shaping.transpose(t.tensor(x), axes),
    np.swapaxes: _swapaxes,
    np.moveaxis: _moveaxis,
    np.expand_dims: lambda t, x, axis: shaping.expand_dims(t.tensor(x), axis),
    np.squeeze: lambda t, x, axis=None: shaping.squeeze(t.tensor(x), axis),
    np.concatenate: lambda t, xs, axis=0, **_: shaping.concatenate(t, xs, axis),
    np.stack: _stack,
    np.hstack: lambda t, xs, **_: shaping.concatenate(t, xs, 1),
    np.split: _split,
    np.where: where,
    np.clip: clip,
    np.pad: _pad,
    np.flip: _flip,
    np.roll: _roll,
    np.repeat: _repeat,
    np.tile: _tile,
    np.broadcast_to: _broadcast_to,
    np.take: _take,
    np.take_along_axis: _take_along,
    np.tril: _triangle(np.tril),
    np.triu: _triangle(np.triu),
    np.diagonal: shaping.diagonal,
    np.diag: shaping.diag,
    np.trace: lambda t, x, *axes, **_: np.sum(shaping.diagonal(t, x, *axes), axis=-1),
    np.diff: _diff,
    np.dot: dot,
    np.tensordot: tensordot,
    np.einsum: einsum,
    np.outer: outer,
    np.vdot: lambda t, a, b: np.sum(np.multiply(a, b)),
    np.inner: lambda t, a, b: tensordot(t, a, b, axes=([-1], [-1])),
    np.linalg.norm: _norm,
    np.nan_to_num: _nan_to_num,
    np.round: _round,
    np.zeros_like: lambda t, x, dtype=None, **_: constant_like(t, x, 0.0, dtype),
    np.ones_like: lambda t, x, dtype=None, **_: constant_like(t, x, 1.0, dtype),
    np.full_like: lambda t, x, fill_value, dtype=None, **_: constant_like(t, x, fill_value, dtype),
    np.shape: shape_of,
    np.size: _size,
    np.ndim: lambda t, x: t.tensor(x).ndim,
    np.copy: lambda t, x, **_: x,
    np.real: lambda t, x: x,
    np.isclose: lambda t, a, b, rtol=1e-5, atol=1e-8, **_: np.less_equal(
        np.abs(np.subtract(a, b)), atol + rtol * np.abs(b)
    ),
}


def call_function(trace, function, args, kwargs):
    """A NumPy function with a tensor among its arguments."""
    handler = _FUNCTIONS.get(function)
    if handler is None:
        raise trace.error(
            f"expected an operation that the core can run, got numpy.{function.__name__}"
        )
    return handler(trace, *args, **kwargs)


NUMPY.update(ufunc=call_ufunc, function=call_function)
