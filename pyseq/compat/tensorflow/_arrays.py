"""Functions of `tf` on arrays whose arguments or results differ from those of `pyseq.ops`.

All take symbolic tensors as well, unless what they do needs values.
"""

from __future__ import annotations

import builtins

import numpy as np

from pyseq import ops, symbolic
from pyseq.compat.tensorflow._tensors import TensorShape, as_dtype, as_tensor, operands
from pyseq.ops import is_tensor as is_tensor, stop_gradient as stop_gradient

newaxis = None


def _given(x):
    """One argument as an array, texts as objects; a symbolic tensor as it is."""
    return symbolic.traced(operands([x])[0])


def _numpy(dtype):
    return as_dtype(dtype).dtype


def _sizes(shape):
    """A shape as a tuple of numbers; -1 where the batch of a trace stands."""
    if np.ndim(shape) == 0 and not isinstance(shape, (tuple, list)):
        shape = (shape,)
    known = (-1 if n is None or symbolic.is_traced(n) else int(n) for n in shape)
    return tuple(known)


# --- making


def constant(value, dtype=None, shape=None, name="Const"):
    """Return a copy of a value as a tensor, filled up to `shape` where it is one number."""
    array = _given(value)
    array = np.array(array, None if dtype is None else _numpy(dtype))
    if shape is not None:
        array = np.broadcast_to(array, shape).copy() if array.size == 1 else array.reshape(shape)
    return array


def convert_to_tensor(value, dtype=None, dtype_hint=None, name=None):
    """Return a value as a tensor."""
    return _given(value) if dtype is None else cast(value, dtype)


def cast(x, dtype, name=None):
    """Return a tensor in another dtype; fractions are cut off for integers."""
    x = _given(x)
    if symbolic.is_traced(x):
        return ops.cast(x, as_dtype(dtype).name)
    return x.astype(_numpy(dtype))


def saturate_cast(value, dtype, name=None):
    """Return a tensor in another dtype, limited to what that holds."""
    kind = as_dtype(dtype)
    return cast(ops.clip(_given(value), kind.min, kind.max), kind)


def to_float(x, name=None):
    """Return a tensor as float32."""
    return cast(x, "float32")


def to_int32(x, name=None):
    """Return a tensor as int32."""
    return cast(x, "int32")


def zeros(shape, dtype="float32", name=None):
    """Return zeros, or empty texts."""
    return fill(shape, "" if as_dtype(dtype).name == "string" else 0, dtype)


def ones(shape, dtype="float32", name=None):
    """Return ones."""
    return fill(shape, 1, dtype)


def fill(dims, value, dtype=None, name=None):
    """Return a tensor that holds one value."""
    dtype = _given(value).dtype if dtype is None else _numpy(dtype)
    if symbolic.trace.get() is not None:
        return ops.full(dims, value, dtype.name)
    return np.full(_sizes(dims), value, dtype)


def zeros_like(input, dtype=None, name=None):
    """Return zeros of the shape of a tensor."""
    return ops.zeros_like(_given(input), **_dtype(dtype))


def ones_like(input, dtype=None, name=None):
    """Return ones of the shape of a tensor."""
    return ops.ones_like(_given(input), **_dtype(dtype))


def _dtype(dtype):
    return {} if dtype is None else {"dtype": _numpy(dtype)}


def range(start, limit=None, delta=1, dtype=None, name="range"):
    """Return evenly spaced numbers: int32 of Python's integers."""
    start, limit = (0, start) if limit is None else (start, limit)
    given = operands([start, limit, delta])
    kind = np.result_type(*given) if dtype is None else _numpy(dtype)
    return np.arange(*(g[()] for g in given), dtype=kind)


def linspace(start, stop, num, name=None, axis=0):
    """Return `num` evenly spaced numbers, both ends included."""
    start, stop = operands([start, stop])
    kind = start.dtype if start.dtype.kind == "f" else np.dtype("float64")
    return np.linspace(start, stop, int(num), dtype=kind, axis=axis)


def eye(num_rows, num_columns=None, batch_shape=None, dtype="float32", name=None):
    """Return an identity matrix, or a batch of them."""
    one = np.eye(int(num_rows), num_columns, dtype=_numpy(dtype))
    return one if batch_shape is None else np.broadcast_to(one, (*batch_shape, *one.shape)).copy()


def identity(input, name=None):
    """Return a copy of a tensor."""
    x = _given(input)
    return x if symbolic.is_traced(x) else x.copy()


def one_hot(indices, depth, on_value=1, off_value=0, axis=-1, dtype=None, name=None):
    """Return `on_value` where an index is, `off_value` elsewhere; float32 by default."""
    hot = ops.one_hot(_given(indices), int(depth), axis=axis)
    if (on_value, off_value) != (1, 0):
        hot = hot * (on_value - off_value) + off_value
    return cast(hot, "float32" if dtype is None else dtype)


def sequence_mask(lengths, maxlen=None, dtype="bool", name=None):
    """Return True for the first `lengths` of `maxlen` places."""
    lengths = _given(lengths)
    maxlen = int(np.max(lengths)) if maxlen is None else int(maxlen)
    return cast(np.arange(maxlen) < lengths[..., None], dtype)


# --- shapes


def shape(input, out_type="int32", name=None):
    """Return the shape as integers; in a trace a tuple with None for the batch."""
    x = _given(input)
    return x.shape if symbolic.is_traced(x) else np.array(np.shape(x), _numpy(out_type))


def size(input, out_type="int32", name=None):
    """Return the number of elements."""
    return np.array(np.size(_given(input)), _numpy(out_type))


def rank(input, name=None):
    """Return the number of axes."""
    return np.array(_given(input).ndim, "int32")


def ensure_shape(x, shape, name=None):
    """Return a tensor; a ValueError where it has another shape."""
    x = _given(x)
    if not symbolic.is_traced(x):
        as_tensor(x).set_shape(TensorShape(shape))
    return x


def reshape(tensor, shape, name=None):
    """Return a tensor in another shape of the same size."""
    return ops.reshape(_given(tensor), _sizes(shape))


def transpose(a, perm=None, conjugate=False, name=None):
    """Return a tensor with its axes in another order, reversed by default."""
    return np.transpose(_given(a), None if perm is None else _sizes(perm))


def expand_dims(input, axis, name=None):
    """Return a tensor with a new axis of size 1."""
    return np.expand_dims(_given(input), axis)


def squeeze(input, axis=None, name=None):
    """Return a tensor without axes of size 1."""
    return np.squeeze(_given(input), tuple(axis) if isinstance(axis, list) else axis)


def concat(values, axis, name="concat"):
    """Return tensors one behind the other along an axis."""
    return np.concatenate(operands(values), axis=int(axis))


def stack(values, axis=0, name="stack"):
    """Return tensors along a new axis."""
    return np.stack(operands(values), axis=axis)


def unstack(value, num=None, axis=0, name="unstack"):
    """Return the parts along an axis as a list."""
    return ops.unstack(_given(value), axis=axis)


def split(value, num_or_size_splits, axis=0, num=None, name="split"):
    """Return a list of equal parts along an axis, or of parts of given sizes."""
    if np.ndim(num_or_size_splits) == 0:
        return list(np.split(_given(value), int(num_or_size_splits), axis))
    return list(np.split(_given(value), np.cumsum(_sizes(num_or_size_splits))[:-1], axis))


def slice(input_, begin, size, name=None):
    """Return the part of a tensor that begins somewhere and has a size, -1 for all."""
    x = _given(input_)
    begins, sizes = _sizes(begin), _sizes(size)
    ends = [None if n == -1 else b + n for b, n in zip(begins, sizes)]
    # A slice from 0 is one of the whole batch of a trace, which None says.
    return x[tuple(builtins.slice(b or None, e) for b, e in zip(begins, ends))]


def tile(input, multiples, name=None):
    """Return a tensor repeated along each axis."""
    return np.tile(_given(input), _sizes(multiples))


def repeat(input, repeats, axis=None, name=None):
    """Return a tensor whose elements along an axis are repeated."""
    return np.repeat(_given(input), repeats, axis)


def broadcast_to(input, shape, name=None):
    """Return a tensor repeated to a shape."""
    x = np.broadcast_to(_given(input), _sizes(shape))
    return x if symbolic.is_traced(x) else x.copy()


def pad(tensor, paddings, mode="CONSTANT", constant_values=0, name=None):
    """Return a tensor with values around it: one, or those inside by `REFLECT`, `SYMMETRIC`."""
    widths = [tuple(map(int, pair)) for pair in np.asarray(paddings)]
    more = {"constant_values": constant_values} if mode.upper() == "CONSTANT" else {}
    return np.pad(_given(tensor), widths, mode=mode.lower(), **more)


def reverse(tensor, axis, name=None):
    """Return a tensor with the order along axes reversed."""
    return np.flip(_given(tensor), _sizes(axis))


def roll(input, shift, axis, name=None):
    """Return a tensor whose elements are moved along axes."""
    return np.roll(_given(input), shift, axis)


def meshgrid(*args, indexing="xy", name=None):
    """Return the coordinates of a grid as a list."""
    return list(np.meshgrid(*operands(args), indexing=indexing))


# --- choosing


def where(condition, x=None, y=None, name=None):
    """Return `x` where a condition holds, else `y`; without them the places `(n, axes)`."""
    condition = _given(condition)
    if x is None and y is None:
        return np.argwhere(condition)
    return np.where(condition, *operands([x, y]))


def gather(params, indices, validate_indices=None, axis=0, batch_dims=0, name=None):
    """Return the elements along an axis with the given indices."""
    params, indices = _given(params), _given(indices)
    if batch_dims:
        if batch_dims != 1 or axis not in (0, 1) or indices.ndim != 2:
            raise ValueError(
                f"tf.gather: expected batch_dims 0, or 1 with indices (n, k), got {batch_dims}; "
                "use take_along_axis of pyseq.ops"
            )
        return params[np.arange(len(indices))[:, None], indices]
    return np.take(params, indices, axis=axis)


def gather_nd(params, indices, batch_dims=0, name=None):
    """Return the elements at the places that the last axis of `indices` holds."""
    indices = np.asarray(indices)
    return _given(params)[tuple(np.moveaxis(indices, -1, 0))]


def boolean_mask(tensor, mask, axis=None, name="boolean_mask"):
    """Return the elements for which a mask is true."""
    x = np.moveaxis(_given(tensor), axis or 0, 0) if axis else _given(tensor)
    chosen = x[np.asarray(mask, bool)]
    return np.moveaxis(chosen, 0, axis) if axis else chosen


def unique(x, out_idx="int32", name=None):
    """Return the different values in the order of their first places, and the number of each."""
    values, first, inverse = np.unique(_given(x), return_index=True, return_inverse=True)
    order = np.argsort(first)
    numbers = np.argsort(order)[inverse.ravel()]
    return values[order], numbers.astype(_numpy(out_idx))


def sort(values, axis=-1, direction="ASCENDING", name=None):
    """Return values in order."""
    return np.take_along_axis(_given(values), argsort(values, axis, direction), axis)


def argsort(values, axis=-1, direction="ASCENDING", stable=True, name=None):
    """Return the indices that put values in order."""
    values = _given(values)
    if direction.upper() == "DESCENDING":
        # Equal values stay in their order.
        back = np.flip(np.argsort(np.flip(values, axis), axis, kind="stable"), axis)
        return (values.shape[axis] - 1 - back).astype("int32")
    return np.argsort(values, axis, kind="stable").astype("int32")


def searchsorted(sorted_sequence, values, side="left", out_type="int32", name=None):
    """Return where values belong in sorted rows."""
    found = np.searchsorted(_given(sorted_sequence), _given(values), side)
    return found.astype(_numpy(out_type))


def clip_by_value(t, clip_value_min, clip_value_max, name=None):
    """Return values between two bounds."""
    return ops.clip(*operands([t, clip_value_min, clip_value_max]))


def clip_by_norm(t, clip_norm, axes=None, name=None):
    """Return a tensor scaled to a norm where it has a larger one."""
    t = _given(t)
    size = np.sqrt(np.sum(np.square(t), axis=axes, keepdims=True))
    return t * (clip_norm / np.maximum(size, clip_norm))


def top_k(input, k=1, sorted=True, name=None):
    """Return the largest values of each row and their indices."""
    return ops.top_k(_given(input), k)


def in_top_k(targets, predictions, k, name=None):
    """Return whether the target of each row is among its largest predictions."""
    return ops.in_top_k(_given(targets), _given(predictions), k)


# --- computing


def _axes(axis):
    return axis if axis is None or np.ndim(axis) == 0 else tuple(int(a) for a in axis)


def reduce_mean(input_tensor, axis=None, keepdims=False, name=None):
    """Return the mean; of integers in their dtype, cut off."""
    x = _given(input_tensor)
    mean = np.mean(x, axis=_axes(axis), keepdims=keepdims)
    whole = not symbolic.is_traced(x) and x.dtype.kind in "iu"
    return np.trunc(mean).astype(x.dtype) if whole else mean


def reduce_euclidean_norm(input_tensor, axis=None, keepdims=False, name=None):
    """Return the square root of the sum of squares."""
    return np.sqrt(np.sum(np.square(_given(input_tensor)), axis=_axes(axis), keepdims=keepdims))


def argmax(input, axis=None, output_type="int64", name=None):
    """Return the index of the largest value along an axis, the first by default."""
    return cast(ops.argmax(_given(input), axis=0 if axis is None else axis), output_type)


def argmin(input, axis=None, output_type="int64", name=None):
    """Return the index of the smallest value along an axis, the first by default."""
    return cast(ops.argmin(_given(input), axis=0 if axis is None else axis), output_type)


def cumsum(x, axis=0, exclusive=False, reverse=False, name=None):
    """Return sums of all elements up to each one."""
    return _running(np.cumsum, 0, _given(x), axis, exclusive, reverse)


def cumprod(x, axis=0, exclusive=False, reverse=False, name=None):
    """Return products of all elements up to each one."""
    return _running(np.cumprod, 1, _given(x), axis, exclusive, reverse)


def _running(function, neutral, x, axis, exclusive, reverse):
    x = np.flip(x, axis) if reverse else x
    made = function(x, axis=axis)
    if not symbolic.is_traced(x):
        made = made.astype(x.dtype)
    if exclusive:
        head, rest = np.split(made, [1], axis)[0], np.split(made, [-1], axis)[0]
        made = np.concatenate([head * 0 + neutral, rest], axis)
    return np.flip(made, axis) if reverse else made


def count_nonzero(input, axis=None, keepdims=False, dtype="int64", name=None):
    """Return how many elements are not 0."""
    return cast(np.sum(np.not_equal(_given(input), 0), axis=_axes(axis), keepdims=keepdims), dtype)


def add_n(inputs, name=None):
    """Return the sum of tensors of one shape."""
    return sum(operands(inputs)[1:], operands(inputs)[0])


def round(x, name=None):
    """Return the nearest integers, halves to even."""
    return np.rint(_given(x))


def squared_difference(x, y, name=None):
    """Return (x - y) squared."""
    x, y = operands([x, y])
    return np.square(x - y)


def xlogy(x, y, name=None):
    """Return x log(y), and 0 where x is 0."""
    x, y = operands([x, y])
    zero = np.equal(x, 0)
    return np.where(zero, 0.0, x * np.log(np.where(zero, 1.0, y)))


def divide_no_nan(x, y, name=None):
    """Return x / y, and 0 where y is 0."""
    x, y = operands([x, y])
    zero = np.equal(y, 0)
    return np.where(zero, 0.0, x / np.where(zero, 1.0, y))


def l2_normalize(x, axis=None, epsilon=1e-12, name=None):
    """Return x divided by its norm along axes."""
    x = _given(x)
    total = np.sum(np.square(x), axis=_axes(axis), keepdims=True)
    return x / np.sqrt(np.maximum(total, epsilon))


def bincount(arr, weights=None, minlength=None, maxlength=None, dtype="int32", name=None):
    """Return how often each number from 0 on is there."""
    weights = None if weights is None else np.ravel(_given(weights))
    count = np.bincount(np.ravel(_given(arr)), weights, int(minlength or 0))[:maxlength]
    return count.astype(_numpy(dtype) if weights is None else weights.dtype)


def confusion_matrix(labels, predictions, num_classes=None, weights=None, dtype="int32", name=None):
    """Return how often a label (row) was predicted as another (column)."""
    labels, predictions = (np.ravel(_given(x)).astype("int64") for x in (labels, predictions))
    if num_classes is None:
        num_classes = int(max(labels.max(initial=-1), predictions.max(initial=-1))) + 1
    matrix = np.zeros((num_classes, num_classes), _numpy(dtype))
    np.add.at(matrix, (labels, predictions), 1 if weights is None else np.asarray(weights))
    return matrix
