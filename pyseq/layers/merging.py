"""Layers of Keras that cannot stand in a straight line.

Merging ones serve within users' layers, the others are errors that say so.
"""

from __future__ import annotations

import functools

import numpy as np

from pyseq.arrays import as_array
from pyseq.layers.base import Layer
from pyseq.saving.registration import builtin


class _ManyInputs(Layer):
    _instead = "use a library with a functional API, such as Keras, for models that branch"

    def __init__(self, *args, **kwargs):
        raise ValueError(self._refusal())

    @classmethod
    def _refusal(cls):
        return (
            f"{cls.__name__}: expected a layer with one input and one output, got one of several "
            f"inputs; a Sequential is a straight line of layers: {cls._instead}"
        )


class _Merge(_ManyInputs):
    """A layer that only the `call` of a user's layer can use, on a list of tensors or arrays."""

    def __init__(self, **kwargs):
        Layer.__init__(self, **kwargs)

    def check_place(self):
        raise ValueError(self._refusal())

    def __call__(self, inputs, **kwargs):
        from pyseq.layers.core import KerasTensor

        if not isinstance(inputs, (list, tuple)) or any(isinstance(x, KerasTensor) for x in inputs):
            raise ValueError(self._refusal())
        return self._merge([as_array(x) for x in inputs])


class _OtherBackend(Layer):
    def __init__(self, *args, **kwargs):
        raise ValueError(
            f"{type(self).__name__}: expected a layer that pyseq computes itself, got a wrapper of "
            "another framework; convert the part into layers of pyseq, or use Keras"
        )


@builtin("layers")
class Add(_Merge):
    """Sum of several tensors within a user's layer; it cannot stand in a Sequential."""

    def _merge(self, xs):
        return functools.reduce(np.add, xs)


@builtin("layers")
class Average(_Merge):
    """Mean of several tensors within a user's layer; it cannot stand in a Sequential."""

    def _merge(self, xs):
        return functools.reduce(np.add, xs) / len(xs)


@builtin("layers")
class Concatenate(_Merge):
    """Several tensors side by side within a user's layer; it cannot stand in a Sequential."""

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis

    def _merge(self, xs):
        return np.concatenate(xs, axis=self.axis)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}


@builtin("layers")
class Dot(_Merge):
    """Products of the rows of two tensors within a user's layer, not in a Sequential."""

    def __init__(self, axes, normalize=False, **kwargs):
        super().__init__(**kwargs)
        self.axes, self.normalize = axes, normalize

    def _merge(self, xs):
        from pyseq import legacy_backend

        axes = (self.axes, self.axes) if isinstance(self.axes, int) else tuple(self.axes)
        if self.normalize:
            xs = [legacy_backend.l2_normalize(x, a) for x, a in zip(xs, axes, strict=True)]
        return legacy_backend.batch_dot(*xs, axes=axes)

    def get_config(self):
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


@builtin("layers")
class Maximum(_Merge):
    """Maximum of several tensors within a user's layer; it cannot stand in a Sequential."""

    def _merge(self, xs):
        return functools.reduce(np.maximum, xs)


@builtin("layers")
class Minimum(_Merge):
    """Minimum of several tensors within a user's layer; it cannot stand in a Sequential."""

    def _merge(self, xs):
        return functools.reduce(np.minimum, xs)


@builtin("layers")
class Multiply(_Merge):
    """Product of several tensors within a user's layer; it cannot stand in a Sequential."""

    def _merge(self, xs):
        return functools.reduce(np.multiply, xs)


@builtin("layers")
class Subtract(_Merge):
    """Difference of two tensors within a user's layer; it cannot stand in a Sequential."""

    def _merge(self, xs):
        return np.subtract(*xs)


class _Attends(_ManyInputs):
    _instead = (
        "use recurrent layers or Conv1D for sequences here, or a library with a functional API, "
        "such as Keras, for attention"
    )


@builtin("layers")
class Attention(_Attends):
    """Dot-product attention. Not for a Sequential: creating it raises a ValueError."""


@builtin("layers")
class AdditiveAttention(_Attends):
    """Additive attention. Not for a Sequential: creating it raises a ValueError."""


@builtin("layers")
class MultiHeadAttention(_Attends):
    """Multi-head attention. Not for a Sequential: creating it raises a ValueError."""


@builtin("layers", aliases=("GroupedQueryAttention",))
class GroupQueryAttention(_Attends):
    """Grouped-query attention. Not for a Sequential: creating it raises a ValueError."""


@builtin("layers")
class HashedCrossing(_ManyInputs):
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
