"""Functions of `tf.nn` and `tf.random`, and those that call functions of users."""

from __future__ import annotations

import numpy as np

from pyseq import activations, random, symbolic
from pyseq.compat.tensorflow._arrays import _axes, _given, _sizes, cast, one_hot
from pyseq.compat.tensorflow._tensors import as_dtype, as_tensor, operands
from pyseq.utils.seed import set_random_seed

# --- tf.nn


def moments(x, axes, shift=None, keepdims=False, name=None):
    """Return mean and variance over axes."""
    x = _given(x)
    axes = _axes(axes)
    return tuple(f(x, axis=axes, keepdims=keepdims) for f in (np.mean, np.var))


def softmax_cross_entropy_with_logits(labels, logits, axis=-1, name=None):
    """Return the cross-entropy of distributions and of logits along an axis."""
    labels, logits = operands([labels, logits])
    return -np.sum(labels * activations.log_softmax(logits, axis), axis=axis)


def sparse_softmax_cross_entropy_with_logits(labels, logits, name=None):
    """Return the cross-entropy of class numbers and of logits along the last axis."""
    logits = _given(logits)
    hot = one_hot(labels, logits.shape[-1])
    return softmax_cross_entropy_with_logits(hot, logits)


def sigmoid_cross_entropy_with_logits(labels=None, logits=None, name=None):
    """Return the cross-entropy of probabilities and of logits, element by element."""
    labels, logits = operands([labels, logits])
    return np.maximum(logits, 0) - logits * labels + np.log1p(np.exp(-np.abs(logits)))


def weighted_cross_entropy_with_logits(labels, logits, pos_weight, name=None):
    """Return the same with the positive part times `pos_weight`."""
    labels, logits = operands([labels, logits])
    weight = 1 + (pos_weight - 1) * labels
    tail = np.log1p(np.exp(-np.abs(logits))) + np.maximum(-logits, 0)
    return (1 - labels) * logits + weight * tail


def l2_loss(t, name=None):
    """Return half the sum of squares."""
    return np.sum(np.square(_given(t))) / 2


def dropout(x, rate, noise_shape=None, seed=None, name=None):
    """Return x with a share `rate` of it set to 0, and the rest divided by 1 - rate."""
    return random.dropout(_given(x), rate, noise_shape, seed)


def bias_add(value, bias, data_format=None, name=None):
    """Return a tensor with a bias added along its last axis, or its first after the batch."""
    value, bias = operands([value, bias])
    if data_format is not None and data_format.startswith("NC"):
        bias = np.reshape(bias, (-1, *[1] * (value.ndim - 2)))
    return value + bias


def zero_fraction(value, name=None):
    """Return the share of zeros."""
    return cast(np.mean(cast(np.equal(_given(value), 0), "float32")), "float32")


# --- tf.random


def set_seed(seed):
    """Seed all random numbers: those of pyseq, NumPy and Python."""
    set_random_seed(int(seed))


def _drawn(shape):
    """A shape to draw numbers of; in a trace it may begin with the batch."""
    return tuple(shape) if symbolic.trace.get() is not None else _sizes(shape)


def normal(shape, mean=0.0, stddev=1.0, dtype="float32", seed=None, name=None):
    """Return normally distributed numbers."""
    return random.normal(_drawn(shape), mean, stddev, as_dtype(dtype).name, seed)


def truncated_normal(shape, mean=0.0, stddev=1.0, dtype="float32", seed=None, name=None):
    """Return normally distributed numbers within two standard deviations."""
    return random.truncated_normal(_sizes(shape), mean, stddev, as_dtype(dtype).name, seed)


def uniform(shape, minval=0, maxval=None, dtype="float32", seed=None, name=None):
    """Return numbers of [minval, maxval), whose default is 1 for floats.

    Raises:
        ValueError: integers without `maxval`.
    """
    kind = as_dtype(dtype)
    if kind.is_floating:
        return random.uniform(
            _drawn(shape), minval, 1 if maxval is None else maxval, kind.name, seed
        )
    if maxval is None:
        raise ValueError("tf.random.uniform: expected maxval for integers, got None; pass it")
    return random.randint(_drawn(shape), minval, maxval, kind.name, seed)


def _one_seed(seed):
    return int(np.ravel(np.asarray(seed)).astype("uint64") @ np.uint64([1000003, 1])) % 2**32


def stateless_normal(shape, seed, mean=0.0, stddev=1.0, dtype="float32", name=None):
    """Return normally distributed numbers, the same for the same seed `(2,)`."""
    return normal(shape, mean, stddev, dtype, _one_seed(seed))


def stateless_uniform(shape, seed, minval=0, maxval=None, dtype="float32", name=None):
    """Return uniformly distributed numbers, the same for the same seed `(2,)`."""
    return uniform(shape, minval, maxval, dtype, _one_seed(seed))


def gamma(shape, alpha, beta=None, dtype="float32", seed=None, name=None):
    """Return gamma distributed numbers of shape `alpha` and rate `beta`."""
    drawn = random.gamma(_sizes(shape), alpha, as_dtype(dtype).name, seed)
    return drawn if beta is None else drawn / np.asarray(beta, drawn.dtype)


def shuffle(value, seed=None, name=None):
    """Return the rows in a random order."""
    return random.shuffle(_given(value), seed=seed)


def categorical(logits, num_samples, dtype="int64", seed=None, name=None):
    """Return numbers of classes `(n, num_samples)`, drawn with softmax(logits)."""
    return random.categorical(logits, int(num_samples), as_dtype(dtype).name, seed)


# --- functions of users


def function(func=None, **kwargs):
    """Return a function as it is: programs are compiled from layers, by themselves."""
    return (lambda inner: inner) if func is None else func


def no_op(name=None):
    """Do nothing."""


def group(*inputs, **kwargs):
    """Do nothing: what was computed is computed."""


def executing_eagerly():
    """Whether functions compute at once: not while the code of a layer is traced."""
    return symbolic.trace.get() is None


def map_fn(fn, elems, dtype=None, fn_output_signature=None, **kwargs):
    """Return what a function makes of each row."""
    rows = zip(*elems) if isinstance(elems, tuple) else as_tensor(np.asarray(_given(elems)))
    made = [fn(as_tensor(row)) for row in rows]
    wanted = fn_output_signature or dtype
    if isinstance(made[0], tuple):
        return tuple(np.stack(operands(parts)) for parts in zip(*made))
    stacked = np.stack(operands(made))
    return stacked if wanted is None else cast(stacked, wanted)


def py_function(func=None, inp=None, Tout=None, name=None):
    """Return what a function makes of tensors, in the dtypes `Tout`."""
    return _typed(func(*map(as_tensor, operands_each(inp))), Tout)


def numpy_function(func=None, inp=None, Tout=None, stateful=True, name=None):
    """Return what a function makes of arrays, in the dtypes `Tout`."""
    return _typed(func(*(as_tensor(x).numpy() for x in operands_each(inp))), Tout)


def operands_each(values):
    """Values as arrays, each in its own dtype."""
    return [_given(value) for value in values]


def _typed(made, kinds):
    if isinstance(kinds, (list, tuple)):
        parts = made if isinstance(made, (list, tuple)) else [made]
        return [_typed(part, kind) for part, kind in zip(parts, kinds)]
    if kinds is None or as_dtype(kinds).name == "string":
        return _given(made)
    return cast(made, kinds)


def cond(pred, true_fn=None, false_fn=None, name=None):
    """Return what one of two functions gives."""
    return true_fn() if pred else false_fn()


def while_loop(cond, body, loop_vars, **kwargs):
    """Return what a function makes of values, again and again while a condition holds."""
    while cond(*loop_vars):
        loop_vars = body(*loop_vars)
        loop_vars = loop_vars if isinstance(loop_vars, (tuple, list)) else (loop_vars,)
    return loop_vars


def print_values(*inputs, **kwargs):
    """Print values, as Python does."""
    kept = {k: v for k, v in kwargs.items() if k in ("sep", "end")}
    print(*(as_tensor(v).numpy() if isinstance(v, np.ndarray) else v for v in inputs), **kept)
