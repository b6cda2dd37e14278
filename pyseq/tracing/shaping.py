"""Shapes of symbolic tensors: broadcasting, reshaping, slicing, joining."""

from __future__ import annotations

import math

import numpy as np

from pyseq.tracing import across
from pyseq.tracing.tensor import NUMPY, Tensor, common_dtype


def axes_of(x, axis):
    """`axis` (None, one or several) as a sorted tuple of positive axes of `x`."""
    if axis is None:
        return tuple(range(x.ndim))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = [int(a) for a in axes]
    for a in axes:
        if not -x.ndim <= a < max(x.ndim, 1):
            raise ValueError(
                f"{x.trace.name}: expected an axis of a tensor of shape {x.shape}, got {a}"
            )
    return tuple(sorted({a % x.ndim for a in axes}) if x.ndim else ())


def inner_axis(x, axis):
    """The axis of the value of `x` that its axis `axis` (not the batch) is."""
    axis %= x.ndim
    if x.batched and axis == 0:
        raise x.trace.error(
            "expected an axis other than the batch, got 0", "rows of a batch stay as they are"
        )
    return axis - 1 + x.lead if x.batched else axis


def with_inner(x, inner, batched=None, lead=None):
    """`x` with its value in another shape of the same size."""
    batched = x.batched if batched is None else batched
    lead = x.lead if lead is None else lead
    inner = tuple(int(d) for d in inner)
    if inner == x.inner:
        return Tensor(x.trace, x.value, batched, x.dtype, lead=lead)
    return x.trace.op("reshape", x.value, inner, batched, x.dtype, lead=lead)


def align(trace, tensors, what):
    """Operands whose values broadcast: (operands, inner shape, batched, lead)."""
    rank = max(t.ndim for t in tensors)
    some = [t for t in tensors if t.batched]
    lead = some[0].lead if some else 0
    shapes = tuple(t.shape for t in tensors)
    for t in some:
        if t.ndim != rank or t.lead != lead or (lead and t.inner[0] != some[0].inner[0]):
            raise trace.error(
                f"expected tensors whose batches are one axis, got shapes {shapes} for {what}",
                "give them one rank first, such as with x[:, None]",
            )
    operands = []
    for t in tensors:
        if some and not t.batched and t.ndim == rank and rank:
            if t.shape[0] != 1:
                raise trace.error(
                    f"expected a size of 1 beside the batch, got shapes {shapes} for {what}"
                )
            t = with_inner(t, t.inner[1:])
        operands.append(t)
    try:
        inner = np.broadcast_shapes(*(t.inner for t in operands))
    except ValueError:
        raise ValueError(
            f"{trace.name}: expected shapes that broadcast, got {shapes} for {what}"
        ) from None
    return operands, inner, bool(some), lead


def broadcast(x, inner, batched=None, lead=None):
    """`x` with its value repeated to the shape `inner`."""
    if x.inner == tuple(inner):
        return with_inner(x, inner, batched, lead)
    ones = x.trace.tensor(np.ones(inner, np.float32))
    batched = x.batched if batched is None else batched
    lead = x.lead if lead is None else lead
    attrs = {"function": "multiply", "weights": [ones.param]}
    return x.trace.op("binary", x.value, inner, batched, x.dtype, lead=lead, **attrs)


def reshape(x, shape):
    """`np.reshape`; the batch stays in front, alone or with axes merged into it."""
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    shape = tuple(-1 if d is None or isinstance(d, Tensor) else int(d) for d in shape)
    if isinstance(x, across.Wide) or (_leads_off(x, shape) and across.is_possible(x.trace)):
        return across.reshape(x, shape)
    size = math.prod(x.inner)
    if not x.batched:
        known = math.prod(d for d in shape if d != -1)
        return with_inner(x, [size // known if d == -1 else d for d in shape], False, 0)
    bad = x.trace.error(
        f"expected a shape that keeps the batch in front, got {shape} for {x.shape}",
        "begin the new shape with -1",
    )
    if not shape or shape[0] != -1:
        raise bad
    rest = shape[1:]
    if -1 in rest:
        known = math.prod(d for d in rest if d != -1)
        if rest.count(-1) > 1 or not known or size % known:
            raise bad
        rest = tuple(size // known if d == -1 else d for d in rest)
    inside = math.prod(rest)
    if inside == size:
        return with_inner(x, rest, True, 0)
    if not inside or size % inside:
        raise bad
    return with_inner(x, (size // inside, *rest), True, 1)


def _leads_off(x, shape):
    """Whether a shape such as (1, -1) puts a batch of numbers along another axis."""
    return x.batched and not x.lead and math.prod(x.inner) == 1 and shape[:1] == (1,)


def transpose(x, axes=None):
    axes = tuple(range(x.ndim))[::-1] if axes is None else tuple(a % x.ndim for a in axes)
    if axes == tuple(range(x.ndim)):
        return x
    if isinstance(x, across.Wide) or (x.batched and axes[0] and across.is_possible(x.trace)):
        return across.transpose(x, axes)
    if x.batched:
        if axes[0] != 0:
            raise x.trace.error(
                f"expected the batch to stay in front, got the order {axes} for {x.shape}"
            )
        dims = [*range(x.lead), *(a - 1 + x.lead for a in axes[1:])]
    else:
        dims = list(axes)
    inner = [x.inner[d] for d in dims]
    return x.trace.op("permute", x.value, inner, x.batched, x.dtype, lead=x.lead, dims=dims)


def expand_dims(x, axis):
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    rank = x.ndim + len(axes)
    shape = list(x.shape)
    axes = sorted(a % rank for a in axes)
    if isinstance(x, across.Wide) or (x.batched and 0 in axes and across.is_possible(x.trace)):
        return across.expand_dims(x, axes)
    for a in axes:
        shape.insert(a, 1)
    if x.batched and shape[0] is not None:
        raise x.trace.error("expected the batch to stay in front, got a new axis 0")
    return with_inner(x, [*x.inner[: x.lead], *shape[1:]] if x.batched else shape)


def squeeze(x, axis=None):
    axes = [a for a, d in enumerate(x.shape) if d == 1] if axis is None else axes_of(x, axis)
    for a in axes:
        if x.shape[a] != 1:
            raise ValueError(f"{x.trace.name}: expected a size of 1 along axis {a}, got {x.shape}")
    if isinstance(x, across.Wide):
        return across.squeeze(x, axes)
    shape = [d for a, d in enumerate(x.shape) if a not in axes]
    return with_inner(x, [*x.inner[: x.lead], *shape[1:]] if x.batched else shape)


def get_item(x, key):
    """Basic indexing, and a list of integers along one axis."""
    keys = list(key) if isinstance(key, tuple) else [key]
    if any(isinstance(k, Tensor) and k.dtype.kind == "b" for k in keys):
        raise x.trace.error(
            "expected indices, got a mask of bools, whose number of values is not known",
            "use where(mask, x, 0)",
        )
    count = sum(k is not None and k is not Ellipsis for k in keys)
    at = next((i for i, k in enumerate(keys) if k is Ellipsis), len(keys))
    keys[at : at + 1] = [slice(None)] * (x.ndim - count)
    if len([k for k in keys if k is not None]) > x.ndim:
        raise IndexError(f"{x.trace.name}: too many indices for shape {x.shape}")
    first = x.batched and keys[:1] == [None] and across.is_possible(x.trace)
    if first or isinstance(x, across.Wide):
        return across.get_item(x, keys)
    shape, lists, begins, sizes, steps, axis = [], [], [], [], [], 0
    for k in keys:
        if k is None:
            if x.batched and not shape:
                raise x.trace.error(
                    "expected the batch to stay in front, got a new axis 0",
                    "put the new axis behind the batch, as in x[:, None]",
                )
            shape.append(1)
            continue
        size = x.shape[axis]
        if size is None:
            if not isinstance(k, slice) or k != slice(None):
                raise x.trace.error(
                    f"expected all rows of the batch, got index {k}",
                    "begin with `:`, as in x[:, 0]",
                )
            shape.append(None)
        elif isinstance(k, slice):
            start, stop, step = k.indices(size)
            length = len(range(start, stop, step))
            shape.append(length)
            begins.append(start if length else 0), sizes.append(length), steps.append(step)
        elif isinstance(k, (list, np.ndarray)) and np.asarray(k).dtype.kind in "iu":
            lists.append((axis, np.asarray(k)))
            shape.extend(np.shape(k))
            begins.append(0), sizes.append(size), steps.append(1)
        elif not hasattr(k, "__index__"):
            raise IndexError(f"{x.trace.name}: expected integers and slices as indices, got {k!r}")
        else:
            index = int(k) + (size if int(k) < 0 else 0)
            if not 0 <= index < size:
                raise IndexError(
                    f"{x.trace.name}: index {k} is out of range for axis {axis} of {x.shape}"
                )
            begins.append(index), sizes.append(1), steps.append(1)
        axis += 1
    lead = list(x.inner[: x.lead])
    y = x
    inner = [*lead, *sizes]
    if inner != list(x.inner) or any(s != 1 for s in steps):
        zeros, ones = [0] * x.lead, [1] * x.lead
        attrs = {"begin": [*zeros, *begins], "size": inner, "step": [*ones, *steps]}
        y = x.trace.op("slice", x.value, inner, x.batched, x.dtype, lead=x.lead, **attrs)
    for axis, indices in lists:
        y = take(y, indices, axis)
    return with_inner(y, [*lead, *shape[1:]] if x.batched else shape)


def take(x, indices, axis):
    """Known indices along one axis; their shape takes the axis's place."""
    indices = np.asarray(indices)
    at = inner_axis(x, axis)
    size = x.inner[at]
    if indices.size and (indices.min() < -size or indices.max() >= size):
        raise IndexError(f"{x.trace.name}: indices out of range for axis {axis} of {x.shape}")
    flat = [int(i) % size for i in indices.ravel()]
    inner = [*x.inner[:at], len(flat), *x.inner[at + 1 :]]
    attrs = {"indices": flat}
    if len(flat) > 256:
        attrs = {"weights": [x.trace.tensor(np.array(flat, np.float32)).param]}
    y = x.trace.op("gather", x.value, inner, x.batched, x.dtype, lead=x.lead, axis=at, **attrs)
    return with_inner(y, [*x.inner[:at], *indices.shape, *x.inner[at + 1 :]])


def diagonal(trace, x, offset=0, axis1=0, axis2=1):
    """Elements (i, i + offset) of two axes, along a new last axis."""
    x = trace.tensor(x)
    if isinstance(x, across.Wide):
        return across.diagonal(x, offset)
    axis1, axis2 = axis1 % x.ndim, axis2 % x.ndim
    x = transpose(x, [*(a for a in range(x.ndim) if a not in (axis1, axis2)), axis1, axis2])
    height, width = (x.known(d, "a diagonal along the batch") for d in x.shape[-2:])
    rows = np.arange(max(0, -offset), max(0, -offset, min(height, width - offset)))
    flat = reshape(x, (*x.shape[:-2], height * width))
    return take(flat, rows * width + rows + offset, x.ndim - 2)


def diag(trace, x, k=0):
    """The diagonal of a matrix, or a vector as one."""
    x = trace.tensor(x)
    if x.ndim != 1 or k or x.batched:
        return diagonal(trace, x, k)
    return np.eye(x.shape[0], dtype=trace.stored) * expand_dims(x, 1)


def concatenate(trace, tensors, axis):
    tensors = [trace.tensor(t) for t in tensors]
    axis = axis % tensors[0].ndim
    some = next((t for t in tensors if t.batched), None)
    parts = []
    for t in tensors:
        if some is not None and not t.batched:
            if t.ndim != some.ndim or t.shape[0] != 1:
                raise trace.error(
                    f"expected tensors (n, ...) to join, got shapes {[t.shape for t in tensors]}"
                )
            t = with_inner(t, [*([1] * some.lead), *t.inner[1:]], True, some.lead)
        parts.append(t)
    at = inner_axis(parts[0], axis)
    if len(parts) == 1:
        return parts[0]
    inner = list(parts[0].inner)
    inner[at] = sum(t.inner[at] for t in parts)
    dtype = common_dtype(*(t.dtype for t in parts))
    values = [t.value for t in parts]
    first = parts[0]
    return trace.op("concat", values, inner, first.batched, dtype, lead=first.lead, axis=at)


NUMPY["item"] = get_item
