"""Layers of Keras that cannot stand in a straight line.

Merging ones serve within users' layers, the others are errors that say so.
"""

from __future__ import annotations

import functools

import numpy as np

from pyseq import ops
from pyseq.layers.base import Layer
from pyseq.layers.keras_tensor import is_keras_tensor
from pyseq.registry.registration import builtin
from pyseq.symbolic import as_array


def batch_dot(x, y, axes=None):
    """Products of the rows of a batch, summed over one axis of each."""
    if axes is None:
        axes = (x.ndim - 1, max(y.ndim - 2, 1))
    axes = (axes, axes) if isinstance(axes, int) else tuple(axes)
    first = [chr(ord("b") + i) for i in range(x.ndim - 1)]
    second = [chr(ord("n") + i) for i in range(y.ndim - 1)]
    second[axes[1] % y.ndim - 1] = first[axes[0] % x.ndim - 1]
    summed = first[axes[0] % x.ndim - 1]
    result = [letter for letter in (*first, *second) if letter != summed]
    out = ops.einsum(f"a{''.join(first)},a{''.join(second)}->a{''.join(result)}", x, y)
    return out if result else ops.expand_dims(out, -1)


def l2_normalize(x, axis=None):
    """x divided by its length along `axis`."""
    return x / ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), 1e-12))


class ManyInputs(Layer):
    """A layer of several inputs: for arrays, and for tensors within a user's layer."""

    @classmethod
    def refusal(cls):
        return (
            f"{cls.__name__}: expected a layer with one input and one output, got one of several "
            "inputs; a Sequential is a straight line of layers: use it in the `call` of a layer or "
            "Model of your own, or a library with a functional API, such as Keras, for models that "
            "branch"
        )

    def check_place(self):
        raise ValueError(self.refusal())

    def run(self, inputs, kwargs, apart=False):
        """Build and call the layer; `apart`: inputs are arguments of their own, not a list."""
        if any(is_keras_tensor(x) for x in inputs):
            raise ValueError(self.refusal())
        inputs = [as_array(x) for x in inputs]
        if not self.built:
            shapes = [tuple(x.shape) for x in inputs]
            self.build(*shapes) if apart else self.build(shapes)
        return self.call(*inputs, **kwargs) if apart else self.call(inputs, **kwargs)


class _Merge(ManyInputs):
    """One output for a list of inputs."""

    def __call__(self, inputs, **kwargs):
        if not isinstance(inputs, (list, tuple)):
            raise ValueError(self.refusal())
        return self.run(inputs, {})


class _Refused(Layer):
    def __init__(self, *args, **kwargs):
        raise ValueError(
            f"{type(self).__name__}: expected a layer with one input and one output, got one of "
            f"several inputs; a Sequential is a straight line of layers: {self._instead}"
        )


class _OtherBackend(Layer):
    def __init__(self, *args, **kwargs):
        raise ValueError(
            f"{type(self).__name__}: expected a layer that pyseq computes itself, got a wrapper of "
            "another framework; convert the part into layers of pyseq, or use Keras"
        )


@builtin("layers")
class Add(_Merge):
    """Sum of several tensors within a user's layer; it cannot stand in a Sequential.

    >>> Add()([np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]])]).tolist()
    [[4.0, 7.0]]
    """

    def call(self, xs):
        return functools.reduce(np.add, xs)


@builtin("layers")
class Average(_Merge):
    """Mean of several tensors within a user's layer; it cannot stand in a Sequential.

    >>> Average()([np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]])]).tolist()
    [[2.0, 3.5]]
    """

    def call(self, xs):
        return functools.reduce(np.add, xs) / len(xs)


@builtin("layers")
class Concatenate(_Merge):
    """Several tensors side by side within a user's layer; it cannot stand in a Sequential.

    >>> Concatenate()([np.zeros((2, 3)), np.ones((2, 1))]).shape
    (2, 4)
    """

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, xs):
        return np.concatenate(xs, axis=self.axis)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}


@builtin("layers")
class Dot(_Merge):
    """Products of the rows of two tensors within a user's layer, not in a Sequential.

    >>> Dot(axes=1)([np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]])]).tolist()
    [[13.0]]
    """

    def __init__(self, axes, normalize=False, **kwargs):
        super().__init__(**kwargs)
        self.axes, self.normalize = axes, normalize

    def call(self, xs):
        axes = (self.axes, self.axes) if isinstance(self.axes, int) else tuple(self.axes)
        if self.normalize:
            xs = [l2_normalize(x, a) for x, a in zip(xs, axes, strict=True)]
        return batch_dot(*xs, axes=axes)

    def get_config(self):
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


@builtin("layers")
class Maximum(_Merge):
    """Maximum of several tensors within a user's layer; it cannot stand in a Sequential.

    >>> Maximum()([np.array([[1.0, 6.0]]), np.array([[3.0, 5.0]])]).tolist()
    [[3.0, 6.0]]
    """

    def call(self, xs):
        return functools.reduce(np.maximum, xs)


@builtin("layers")
class Minimum(_Merge):
    """Minimum of several tensors within a user's layer; it cannot stand in a Sequential.

    >>> Minimum()([np.array([[1.0, 6.0]]), np.array([[3.0, 5.0]])]).tolist()
    [[1.0, 5.0]]
    """

    def call(self, xs):
        return functools.reduce(np.minimum, xs)


@builtin("layers")
class Multiply(_Merge):
    """Product of several tensors within a user's layer; it cannot stand in a Sequential.

    >>> Multiply()([np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]])]).tolist()
    [[3.0, 10.0]]
    """

    def call(self, xs):
        return functools.reduce(np.multiply, xs)


@builtin("layers")
class Subtract(_Merge):
    """Difference of two tensors within a user's layer; it cannot stand in a Sequential.

    >>> Subtract()([np.array([[4.0, 2.0]]), np.array([[3.0, 5.0]])]).tolist()
    [[1.0, -3.0]]
    """

    def call(self, xs):
        return np.subtract(*xs)


@builtin("layers")
class HashedCrossing(_Refused):
    """Hash of several features. Not for a Sequential: creating it raises a ValueError."""

    _instead = "cross the features in NumPy before the model and use Hashing for one feature"


@builtin("layers")
class FlaxLayer(_OtherBackend):
    """A module of Flax. Creating it raises a ValueError."""


@builtin("layers")
class JaxLayer(_OtherBackend):
    """A function of JAX. Creating it raises a ValueError."""


@builtin("layers")
class TorchModuleWrapper(_OtherBackend):
    """A module of PyTorch. Creating it raises a ValueError."""


@builtin("layers")
class TFSMLayer(_OtherBackend):
    """A TensorFlow SavedModel. Creating it raises a ValueError."""


def _function(cls):
    def merge(inputs, **kwargs):
        return cls(**kwargs)(inputs)

    merge.__name__ = merge.__qualname__ = cls.__name__.lower()
    merge.__doc__ = f"The functional form of `{cls.__name__}`."
    return merge


add = _function(Add)
average = _function(Average)
concatenate = _function(Concatenate)
dot = _function(Dot)
maximum = _function(Maximum)
minimum = _function(Minimum)
multiply = _function(Multiply)
subtract = _function(Subtract)
