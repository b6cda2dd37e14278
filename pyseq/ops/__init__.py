"""Array functions under the names of `keras.ops`, on NumPy arrays.

In the `call` of a user's layer, in losses, Lambda functions and regularizers they also take the
symbolic tensors of a program, which trains through them (`pyseq.tracing`).

>>> from pyseq import ops
>>> ops.relu(ops.array([-1.0, 2.0])).tolist()
[0.0, 2.0]
"""

from __future__ import annotations

import builtins

import numpy as np

from pyseq import activations, dtypes, hooks, losses, settings, symbolic
from pyseq.special import erf as erf

# Same name, same meaning in NumPy.
_NUMPY = (
    "abs absolute add allclose append arccos arccosh arcsin arcsinh arctan arctan2 arctanh argsort "
    "average bincount bitwise_and bitwise_not bitwise_or bitwise_xor broadcast_to ceil concatenate "
    "conjugate copy corrcoef correlate cos cosh count_nonzero cross cumprod cumsum deg2rad diag "
    "diagonal diff digitize divide dot einsum equal exp exp2 expand_dims expm1 flip fliplr flipud "
    "floor floor_divide fmax fmin full_like gcd greater greater_equal histogram hstack hypot imag "
    "inner isclose isfinite isin isinf isnan kron lcm less less_equal log log10 log1p log2 "
    "logaddexp logical_and logical_not logical_or logical_xor logspace matmul maximum meshgrid "
    "minimum mod moveaxis multiply nan_to_num ndim negative nonzero not_equal ones_like outer "
    "percentile power quantile rad2deg ravel real reciprocal repeat roll rot90 round searchsorted "
    "select sign signbit sin sinh size sort split sqrt square squeeze stack subtract swapaxes take "
    "take_along_axis tan tanh tensordot trace transpose tril triu true_divide trunc unique vander "
    "vdot vectorize vstack zeros_like"
).split()
# Same name and meaning in pyseq.activations.
_ACTIVATIONS = (
    "celu elu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu log_sigmoid "
    "log_softmax relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus "
    "sparse_sigmoid sparsemax squareplus swish tanh_shrink threshold"
).split()


def convert_to_tensor(x, dtype=None, sparse=None, ragged=None):
    """Return `x` as an array; Python numbers become `floatx()` or int32, as in Keras."""
    if symbolic.is_traced(x):
        return symbolic.as_array(x, dtype)
    if dtype is None and not hasattr(x, "dtype") and not hasattr(x, "__array__"):
        array = np.asarray(x)
        # Arrays within lists keep their dtype.
        if array.dtype == np.float64 and not _holds_arrays(x):
            dtype = settings.floatx
        elif array.dtype == np.int64 and not _holds_arrays(x):
            dtype = "int32"
        return array if dtype is None else array.astype(dtypes.numpy_dtype(dtype))
    return np.asarray(x, dtype=dtypes.numpy_dtype(dtype))


def _holds_arrays(x):
    while isinstance(x, (list, tuple)) and len(x):
        x = x[0]
    return hasattr(x, "dtype")


array = convert_to_tensor


def zeros(shape, dtype=None):
    """Return an array of zeros, of `floatx()` by default."""
    return full(shape, 0, dtype or settings.floatx)


def ones(shape, dtype=None):
    """Return an array of ones, of `floatx()` by default."""
    return full(shape, 1, dtype or settings.floatx)


def empty(shape, dtype=None):
    """Return an array whose content is not defined, of `floatx()` by default."""
    return np.empty(shape, dtype or settings.floatx)


def full(shape, fill_value, dtype=None):
    """Return an array filled with one value."""
    dtype = dtype or convert_to_tensor(fill_value).dtype
    trace = symbolic.trace.get()
    if trace is not None:
        filled = hooks.ask("filled", trace, shape, fill_value, dtype)
        if filled is not None:
            return filled
    return np.full(shape, fill_value, dtype)


def eye(N, M=None, k=0, dtype=None):
    """Return an identity matrix, of `floatx()` by default."""
    return np.eye(N, M, k, dtype or settings.floatx)


def identity(n, dtype=None):
    """Return a square identity matrix, of `floatx()` by default."""
    return eye(n, dtype=dtype)


def tri(N, M=None, k=0, dtype=None):
    """Return a lower triangle of ones, of `floatx()` by default."""
    return np.tri(N, M, k, dtype or settings.floatx)


def arange(start, stop=None, step=None, dtype=None):
    """Return evenly spaced numbers: int32 of integers, else `floatx()`."""
    given = [v for v in (start, stop, step) if v is not None]
    dtype = dtype or np.result_type(*[convert_to_tensor(v).dtype for v in given])
    return np.arange(*((0, start) if stop is None else (start, stop)), step or 1, dtype=dtype)


def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0):
    """Return evenly spaced numbers, of `floatx()` by default."""
    return np.linspace(start, stop, num, endpoint, retstep, dtype or settings.floatx, axis)


def slice(inputs, start_indices, shape):
    """Return the part of `inputs` of `shape` that begins at `start_indices`."""
    ends = np.add(start_indices, shape)
    return symbolic.as_array(inputs)[tuple(map(builtins.slice, start_indices, ends))]


def slice_update(inputs, start_indices, updates):
    """Return `inputs` with `updates` written at `start_indices`."""
    result = np.array(inputs)
    ends = np.add(start_indices, np.shape(updates))
    result[tuple(map(builtins.slice, start_indices, ends))] = updates
    return result


def unstack(x, num=None, axis=0):
    """Return the parts of `x` along `axis` as a list."""
    x = symbolic.as_array(x)
    axis %= x.ndim
    if symbolic.is_traced(x):
        before = (builtins.slice(None),) * axis
        return [x[(*before, i)] for i in range(x.known(x.shape[axis], "a batch to unstack"))]
    return list(np.moveaxis(x, axis, 0))


def divide_no_nan(x1, x2):
    """Return x1 / x2, and 0 where x2 is 0."""
    if symbolic.is_traced(x1) or symbolic.is_traced(x2):
        zero = np.equal(x2, 0)
        return np.where(zero, 0.0, np.divide(x1, np.where(zero, 1.0, x2)))
    return np.divide(x1, x2, out=np.zeros(np.broadcast(x1, x2).shape), where=np.not_equal(x2, 0))


def convert_to_numpy(x):
    """Return `x` as an array."""
    return np.asarray(x)


def is_tensor(x):
    """True for arrays and for the tensors of a trace."""
    return isinstance(x, np.ndarray) or symbolic.is_traced(x)


def cast(x, dtype):
    """Return `x` in another dtype."""
    return symbolic.as_array(x).astype(dtypes.numpy_dtype(dtype))


def shape(x):
    """Return the shape of `x`; the batch of a tensor in a trace is a tensor itself."""
    x = symbolic.traced(x)
    return np.shape(x)


def stop_gradient(x):
    """Return `x`; while training nothing before it gets a gradient through it."""
    if symbolic.is_traced(x):
        return hooks.ask("unary", symbolic.trace.get(), x, "stop_gradient")
    return x


def one_hot(x, num_classes, axis=-1, dtype=None, sparse=False):
    """Return one-hot rows of integer `x`; ids out of range give rows of zeros."""
    x = symbolic.as_array(x).astype("int64")
    hot = (x[..., None] == np.arange(num_classes)).astype(dtype or "float32")
    return np.moveaxis(hot, -1, axis)


def norm(x, ord=None, axis=None, keepdims=False):
    """Return the vector or matrix norm."""
    return np.linalg.norm(x, ord=ord, axis=axis, keepdims=keepdims)


def gelu(x, approximate=True):
    """Return `activations.gelu`; as in Keras, this name approximates it by default."""
    return activations.gelu(x, approximate)


def clip(x, x_min, x_max):
    """Return `x` between two bounds."""
    return np.clip(x, x_min, x_max)


def where(condition, x1=None, x2=None):
    """Return elements of `x1` where the condition holds, else of `x2`."""
    return np.where(condition) if x1 is None and x2 is None else np.where(condition, x1, x2)


def reshape(x, newshape):
    """Return `x` in another shape of the same size."""
    return np.reshape(x, newshape)


def tile(x, repeats):
    """Return `x` repeated along each axis."""
    return np.tile(x, repeats)


def pad(x, pad_width, mode="constant", constant_values=None):
    """Return `x` with values before and behind it along each axis."""
    given = {} if constant_values is None else {"constant_values": constant_values}
    return np.pad(x, pad_width, mode, **given)


def _reduction(name):
    def reduction(x, axis=None, keepdims=False, **arguments):
        axis = tuple(axis) if isinstance(axis, list) else axis
        return getattr(np, name)(x, axis=axis, keepdims=keepdims, **arguments)

    reduction.__name__ = reduction.__qualname__ = name
    reduction.__doc__ = f"Return `numpy.{name}`, whose third argument is `keepdims` in Keras."
    return reduction


for _name in (
    "sum mean max min prod std var any all argmax argmin median nanmax nanmean nanmin nanstd "
    "nansum nanvar"
).split():
    globals()[_name] = _reduction(_name)


def binary_crossentropy(target, output, from_logits=False):
    """Return the cross-entropy of each element."""
    target, output = symbolic.as_array(target), symbolic.as_array(output)
    if from_logits:
        positive = np.maximum(output, 0)
        return positive - output * target + np.log1p(np.exp(-np.abs(output)))
    small = 1e-7
    output = np.clip(output, small, 1 - small)
    return -(target * np.log(output) + (1 - target) * np.log(1 - output))


def categorical_crossentropy(target, output, from_logits=False, axis=-1):
    """Return the cross-entropy of distributions along `axis`."""
    return losses.categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)


def sparse_categorical_crossentropy(target, output, from_logits=False, axis=-1):
    """Return the cross-entropy of class ids and distributions along `axis`."""
    return losses.sparse_categorical_crossentropy(
        target, output, from_logits=from_logits, axis=axis
    )


def rsqrt(x):
    """Return 1 / sqrt(x)."""
    return 1.0 / np.sqrt(x)


def logsumexp(x, axis=None, keepdims=False):
    """Return log(sum(exp(x))), safe for large x."""
    x = symbolic.as_array(x)
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    total = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axis=axis)


def top_k(x, k, sorted=True):
    """Return the k largest values of the last axis and their indices, largest first."""
    x = symbolic.as_array(x)
    # Unsigned numbers have no negative ones.
    keys = x.astype("int64") if x.dtype.kind in "ub" else x
    indices = np.argsort(-keys, axis=-1, kind="stable")[..., :k]
    return np.take_along_axis(x, indices, axis=-1), indices.astype("int32")


def in_top_k(targets, predictions, k):
    """True for each row whose target class is among the k largest predictions (ties count)."""
    predictions = np.asarray(predictions)
    chosen = np.take_along_axis(predictions, np.asarray(targets)[:, None].astype("int64"), axis=-1)
    return np.sum(predictions > chosen, axis=-1) < k


def normalize(x, axis=-1, order=2, epsilon=None):
    """Return x divided by its norm along `axis`."""
    x = symbolic.as_array(x)
    size = np.linalg.norm(x, ord=order, axis=axis, keepdims=True)
    return x / np.maximum(size, 1e-12 if epsilon is None else epsilon)


def moments(x, axes, keepdims=False, synchronized=False):
    """Return mean and variance over `axes`."""
    x = symbolic.as_array(x)
    axes = tuple(axes) if isinstance(axes, (list, tuple)) else axes
    return np.mean(x, axis=axes, keepdims=keepdims), np.var(x, axis=axes, keepdims=keepdims)


def amax(x, axis=None, keepdims=False):
    """Return the maximum."""
    return np.max(x, axis=axis, keepdims=keepdims)


def amin(x, axis=None, keepdims=False):
    """Return the minimum."""
    return np.min(x, axis=axis, keepdims=keepdims)


def __getattr__(name):
    if name in _ACTIVATIONS:
        return getattr(activations, name)
    if name in _NUMPY:
        return getattr(np, name)
    raise AttributeError(
        f"pyseq.ops: expected one of its functions, got {name!r}; use NumPy for array work"
    )


def __dir__():
    return sorted([*globals(), *_ACTIVATIONS, *_NUMPY])
