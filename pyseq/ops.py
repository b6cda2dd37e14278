"""Array functions under the names of `keras.ops`, on NumPy arrays.

They serve metrics, callbacks, Lambda layers and data preparation; they carry no gradient.

>>> import numpy as np
>>> convert_to_numpy(relu(np.array([-1.0, 2.0]))).tolist()
[0.0, 2.0]
"""

from __future__ import annotations

import numpy as np

from pyseq import activations

# Same name, same meaning in NumPy.
_NUMPY = (
    "abs absolute add all any append arange arccos arccosh arcsin arcsinh arctan arctan2 arctanh "
    "argmax argmin argsort array average bincount bitwise_and bitwise_not bitwise_or bitwise_xor "
    "broadcast_to ceil clip concatenate conjugate copy corrcoef correlate cos cosh count_nonzero "
    "cross cumprod cumsum diag diagonal diff digitize divide dot einsum empty equal exp exp2 "
    "expand_dims expm1 eye flip floor floor_divide full full_like gcd greater greater_equal "
    "histogram hstack hypot identity imag inner isclose isfinite isin isinf isnan kron lcm less "
    "less_equal linspace log log10 log1p log2 logaddexp logical_and logical_not logical_or "
    "logical_xor logspace matmul max maximum mean median meshgrid min minimum mod moveaxis "
    "multiply "
    "nan_to_num ndim negative nonzero not_equal ones ones_like outer pad percentile power prod "
    "quantile ravel real reciprocal repeat reshape roll rot90 round searchsorted select sign "
    "signbit sin sinh size sort split sqrt square squeeze stack std subtract sum swapaxes take "
    "take_along_axis tan tanh tensordot tile trace transpose tri tril triu true_divide trunc "
    "unique "
    "vander var vdot vectorize vstack where zeros zeros_like"
).split()
# Same name and meaning in pyseq.activations.
_ACTIVATIONS = (
    "celu elu gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu "
    "log_sigmoid log_softmax relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign "
    "sparse_plus sparse_sigmoid sparsemax squareplus swish tanh_shrink threshold"
).split()


def convert_to_tensor(x, dtype=None, sparse=None, ragged=None):
    """Return `x` as an array."""
    return np.asarray(x, dtype=dtype)


def convert_to_numpy(x):
    """Return `x` as an array."""
    return np.asarray(x)


def is_tensor(x):
    """True for arrays."""
    return isinstance(x, np.ndarray)


def cast(x, dtype):
    """Return `x` in another dtype."""
    return np.asarray(x).astype(dtype)


def shape(x):
    """Return the shape of `x`."""
    return np.shape(x)


def stop_gradient(x):
    """Return `x`: arrays carry no gradient."""
    return x


def one_hot(x, num_classes, axis=-1, dtype=None, sparse=False):
    """Return one-hot rows of integer `x`; ids out of range give rows of zeros."""
    x = np.asarray(x).astype("int64")
    hot = (x[..., None] == np.arange(num_classes)).astype(dtype or "float32")
    return np.moveaxis(hot, -1, axis)


def norm(x, ord=None, axis=None, keepdims=False):
    """Return the vector or matrix norm."""
    return np.linalg.norm(x, ord=ord, axis=axis, keepdims=keepdims)


def rsqrt(x):
    """Return 1 / sqrt(x)."""
    return 1.0 / np.sqrt(x)


def logsumexp(x, axis=None, keepdims=False):
    """Return log(sum(exp(x))), safe for large x."""
    x = np.asarray(x)
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    total = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axis=axis)


def top_k(x, k, sorted=True):
    """Return the k largest values of the last axis and their indices, largest first."""
    x = np.asarray(x)
    indices = np.argsort(-x, axis=-1, kind="stable")[..., :k]
    return np.take_along_axis(x, indices, axis=-1), indices.astype("int32")


def in_top_k(targets, predictions, k):
    """True for each row whose target class is among the k largest predictions (ties count)."""
    predictions = np.asarray(predictions)
    chosen = np.take_along_axis(predictions, np.asarray(targets)[:, None].astype("int64"), axis=-1)
    return np.sum(predictions > chosen, axis=-1) < k


def normalize(x, axis=-1, order=2, epsilon=None):
    """Return x divided by its norm along `axis`."""
    x = np.asarray(x)
    size = np.linalg.norm(x, ord=order, axis=axis, keepdims=True)
    return x / np.maximum(size, 1e-12 if epsilon is None else epsilon)


def moments(x, axes, keepdims=False, synchronized=False):
    """Return mean and variance over `axes`."""
    x = np.asarray(x)
    axes = tuple(axes) if isinstance(axes, (list, tuple)) else axes
    return np.mean(x, axis=axes, keepdims=keepdims), np.var(x, axis=axes, keepdims=keepdims)


def amax(x, axis=None, keepdims=False):
    """Return the maximum."""
    return np.max(x, axis=axis, keepdims=keepdims)


def amin(x, axis=None, keepdims=False):
    """Return the minimum."""
    return np.min(x, axis=axis, keepdims=keepdims)


def erf(x):
    """Return the error function."""
    import math

    return np.vectorize(math.erf, otypes=[np.result_type(x, np.float32)])(x)


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
