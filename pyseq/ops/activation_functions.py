"""The activations of `keras.ops`: those of `pyseq.activations` with Keras's dtypes and checks.

Floats keep their dtype. Integers become `floatx()`, but where nothing is computed of them they stay
what they are: in `relu`, `relu6`, `hard_tanh` and `threshold`.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import activations, symbolic
from pyseq.ops.promotion import checked_axes, convert_to_tensor, fractional, operation, own
from pyseq.registry import registration

if TYPE_CHECKING:
    from pyseq.types import Axis, T, Tensor


def _renamed(function: T) -> T:
    """The activation of that name as an operation; layers take it for the activation itself."""
    call = operation(fractional)(function)
    call.__module__ = __name__
    return registration.same_as(function)(call)


celu = _renamed(activations.celu)
elu = _renamed(activations.elu)
glu = _renamed(activations.glu)
hard_shrink = _renamed(activations.hard_shrink)
hard_sigmoid = _renamed(activations.hard_sigmoid)
hard_silu = hard_swish = _renamed(activations.hard_silu)
leaky_relu = _renamed(activations.leaky_relu)
log_sigmoid = _renamed(activations.log_sigmoid)
selu = _renamed(activations.selu)
sigmoid = _renamed(activations.sigmoid)
silu = swish = _renamed(activations.silu)
soft_shrink = _renamed(activations.soft_shrink)
softplus = _renamed(activations.softplus)
softsign = _renamed(activations.softsign)
sparse_plus = _renamed(activations.sparse_plus)
sparse_sigmoid = _renamed(activations.sparse_sigmoid)
sparsemax = _renamed(activations.sparsemax)
squareplus = _renamed(activations.squareplus)
tanh_shrink = _renamed(activations.tanh_shrink)


def _is_integer(x):
    return not symbolic.is_traced(x) and x.dtype.kind in "iu"


@registration.same_as(activations.relu)
@operation(own)
def relu(x: Tensor) -> Tensor:
    """max(x, 0).

    >>> relu([-1, 2]).tolist()
    [0, 2]
    """
    return np.maximum(x, x.dtype.type(0)) if _is_integer(x) else activations.relu(x)


@registration.same_as(activations.relu6)
@operation(own)
def relu6(x: Tensor) -> Tensor:
    """min(max(x, 0), 6).

    >>> relu6([-1, 8]).tolist()
    [0, 6]
    """
    return np.clip(x, 0, 6) if _is_integer(x) else activations.relu6(x)


@registration.same_as(activations.hard_tanh)
@operation(own)
def hard_tanh(x: Tensor) -> Tensor:
    """clip(x, -1, 1).

    >>> hard_tanh([-2.0, 0.5]).tolist()
    [-1.0, 0.5]
    """
    return np.clip(x, -1, 1) if x.dtype.kind == "i" else activations.hard_tanh(x)


@operation(own)
def threshold(x: Tensor, threshold: Any, default_value: Any) -> Tensor:
    """x where x > threshold, else default_value.

    >>> threshold([0.0, 2.0], 1.0, -1.0).tolist()
    [-1.0, 2.0]
    """
    if _is_integer(x):
        return np.where(x > threshold, x, np.asarray(default_value).astype(x.dtype))
    return activations.threshold(x, threshold, default_value)


@operation(fractional)
def gelu(x: Tensor, approximate: bool = True) -> Tensor:
    """x Phi(x) (Hendrycks, arXiv:1606.08415); as in Keras, this name approximates it by default.

    >>> print(gelu([0.0, 1.0], approximate=False).round(4))
    [0.     0.8413]
    """
    return activations.gelu(x, approximate)


@registration.same_as(activations.softmax)
def softmax(x: Tensor, axis: Axis = -1) -> Tensor:
    """e^x divided by its sum over `axis` (an integer, a tuple of them, or None for all).

    Warns where the axis has one entry, whose softmax is 1 whatever it is.

    >>> softmax([0.0, 0.0]).tolist()
    [0.5, 0.5]
    """
    x = _with_shape(x)
    axes = checked_axes("softmax", axis, x.shape)
    if isinstance(axis, int) and x.shape[axis] == 1:
        warnings.warn(
            f"softmax: expected an axis of several entries, got axis {axis} of shape "
            f"{tuple(x.shape)}, whose softmax is always 1; use sigmoid for one unit",
            stacklevel=2,
        )
    return _softmax(x, axes, activations.softmax)


@registration.same_as(activations.log_softmax)
def log_softmax(x: Tensor, axis: Axis = -1) -> Tensor:
    """log(softmax(x)) over `axis` (an integer, a tuple of them, or None for all).

    >>> log_softmax([0.0, 1000.0]).tolist()
    [-1000.0, 0.0]
    """
    x = _with_shape(x)
    axes = checked_axes("log_softmax", axis, x.shape)
    return _softmax(x, axes, activations.log_softmax)


def _with_shape(x):
    return x if hasattr(x, "shape") else convert_to_tensor(x)


@operation(fractional)
def _softmax(x, axes, function):
    x = symbolic.as_array(x)
    # Without an axis the core has it as one op.
    return function(x) if axes == (x.ndim - 1,) else function(x, axes)


__all__ = [
    "celu", "elu", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish",
    "hard_tanh", "leaky_relu", "log_sigmoid", "log_softmax", "relu", "relu6", "selu", "sigmoid",
    "silu", "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid",
    "sparsemax", "squareplus", "swish", "tanh_shrink", "threshold",
]  # fmt: skip
