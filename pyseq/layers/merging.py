"""Layers of Keras that cannot stand in a straight line: their names, and errors that say so."""

from __future__ import annotations

from pyseq.layers.base import Layer
from pyseq.saving.registration import builtin


class _ManyInputs(Layer):
    _instead = "use a library with a functional API, such as Keras, for models that branch"

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
class Add(_ManyInputs):
    """Sum of several inputs. Not for a Sequential: creating it raises a ValueError."""


@builtin("layers")
class Average(_ManyInputs):
    """Mean of several inputs. Not for a Sequential: creating it raises a ValueError."""


@builtin("layers")
class Concatenate(_ManyInputs):
    """Several inputs side by side. Not for a Sequential: creating it raises a ValueError."""


@builtin("layers")
class Dot(_ManyInputs):
    """Product of two inputs. Not for a Sequential: creating it raises a ValueError."""


@builtin("layers")
class Maximum(_ManyInputs):
    """Maximum of several inputs. Not for a Sequential: creating it raises a ValueError."""


@builtin("layers")
class Minimum(_ManyInputs):
    """Minimum of several inputs. Not for a Sequential: creating it raises a ValueError."""


@builtin("layers")
class Multiply(_ManyInputs):
    """Product of several inputs. Not for a Sequential: creating it raises a ValueError."""


@builtin("layers")
class Subtract(_ManyInputs):
    """Difference of two inputs. Not for a Sequential: creating it raises a ValueError."""


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


def _merge(cls):
    def merge(*args, **kwargs):
        return cls(*args, **kwargs)

    merge.__name__ = merge.__qualname__ = cls.__name__.lower()
    merge.__doc__ = f"The functional form of `{cls.__name__}`: raises a ValueError."
    return merge


add = _merge(Add)
average = _merge(Average)
concatenate = _merge(Concatenate)
dot = _merge(Dot)
maximum = _merge(Maximum)
minimum = _merge(Minimum)
multiply = _merge(Multiply)
subtract = _merge(Subtract)
