"""The functions that scripts of Keras 2 call as `K.mean(x)`; `pyseq.backend` offers them.

They are `pyseq.ops` under older names and argument orders.
"""

from __future__ import annotations

import numpy as np

from pyseq import activations, losses, ops
from pyseq.layers.merging import batch_dot as batch_dot
from pyseq.layers.merging import l2_normalize as l2_normalize
from pyseq.variable import Variable

# The same name and arguments in pyseq.ops.
_SAME = frozenset(
    "abs all any arange argmax argmin cast clip concatenate cos cumprod cumsum elu equal exp eye "
    "greater greater_equal hard_sigmoid less less_equal log logsumexp max maximum mean min minimum "
    "ndim not_equal one_hot ones ones_like prod relu reshape round shape sigmoid sign sin softmax "
    "softplus softsign sqrt square squeeze stack std stop_gradient sum tanh tile transpose var "
    "zeros zeros_like".split()
)


def expand_dims(x, axis=-1):
    """A new axis of size 1."""
    return ops.expand_dims(x, axis)


def pow(x, a):
    """x to the power of a."""
    return ops.power(x, a)


def flatten(x):
    """All elements in one axis."""
    return ops.reshape(x, (-1,))


def batch_flatten(x):
    """The elements of each row in one axis."""
    return ops.reshape(x, (-1, int(np.prod(ops.shape(x)[1:]))))


def int_shape(x):
    """The shape as a tuple, None for a batch that is not known."""
    return tuple(x.shape)


def dot(x, y):
    """Product over the last axis of x and the last but one of y."""
    return ops.dot(x, y)


def permute_dimensions(x, pattern):
    """Axes in another order."""
    return ops.transpose(x, tuple(pattern))


def repeat(x, n):
    """(N, d) to (N, n, d)."""
    return ops.repeat(ops.expand_dims(x, 1), n, axis=1)


def repeat_elements(x, rep, axis):
    """Each element along an axis several times."""
    return ops.repeat(x, rep, axis=axis)


def reverse(x, axes):
    """Elements along axes in reverse."""
    return ops.flip(x, axis=axes)


def gather(reference, indices):
    """Rows of `reference`."""
    return ops.take(reference, indices, axis=0)


def switch(condition, then_expression, else_expression):
    """One of two values, which may be functions without arguments."""
    values = [v() if callable(v) else v for v in (then_expression, else_expression)]
    return ops.where(condition, *values)


def constant(value, dtype=None, shape=None, name=None):
    """An array of one value, or of the values given."""
    value = ops.convert_to_tensor(value, dtype)
    return value if shape is None else np.broadcast_to(value, shape)


def variable(value, dtype=None, name=None, constraint=None):
    """A `Variable` with an initial value."""
    return Variable(value, dtype=dtype, name=name or "variable")


def dtype(x):
    """Name of the dtype."""
    return np.dtype(x.dtype).name


def eval(x):
    """The numbers of an array or variable."""
    return np.array(x)


get_value = eval


def set_value(x, value):
    """Assign a variable."""
    x.assign(value)


def count_params(x):
    """Number of elements."""
    return int(np.prod(x.shape))


def _crossentropy(function):
    def call(target, output, from_logits=False, axis=-1):
        return function(target, output, from_logits=from_logits, axis=axis)

    call.__doc__ = f"`losses.{function.__name__}` of (target, output)."
    return call


categorical_crossentropy = _crossentropy(losses.categorical_crossentropy)
sparse_categorical_crossentropy = _crossentropy(losses.sparse_categorical_crossentropy)


def binary_crossentropy(target, output, from_logits=False):
    """Cross-entropy of each element, not averaged."""
    if from_logits:
        output = activations.sigmoid(output)
    small = 1e-7
    output = ops.clip(output, small, 1 - small)
    return -(target * ops.log(output) + (1 - target) * ops.log(1 - output))


def __getattr__(name):
    if name in _SAME:
        return getattr(ops, name)
    raise AttributeError(name)
