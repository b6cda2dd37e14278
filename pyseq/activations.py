"""Activation functions on NumPy arrays, with the names of `keras.activations`.

float32 and float64 inputs keep their dtype, integers become `floatx()`. `core(fn)` names the
compiled twin of a built-in.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, hooks, naming, special, symbolic
from pyseq.registry import registration
from pyseq.registry.serialization import deserialize_keras_object, serialize_keras_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyseq.types import ActivationLike, Axis, CustomObjects, T, Tensor

_SELU_SCALE = 1.0507009873554805
_SELU_ALPHA = 1.6732632423543772

# Arguments of the compiled twins; those missing here (relu, gelu) take the defaults of the core.
_CORE_ARGUMENTS = {
    "leaky_relu": (0.2,),
    "elu": (1.0,),
    "celu": (1.0,),
    "hard_shrink": (0.5,),
    "soft_shrink": (0.5,),
    "squareplus": (4.0,),
}

#: `{function name: name of its compiled twin}`.
CORE_NAME: dict[str, str] = {}


def _builtin(*aliases: str) -> Callable[[T], T]:
    def decorate(fn):
        @functools.wraps(fn)
        def function(x, *args, **kwargs):
            if symbolic.is_traced(x):
                x = symbolic.traced(x)
                whole = None if args or kwargs else hooks.ask("activation", x, function)
                return fn(x, *args, **kwargs) if whole is None else whole
            return fn(x, *args, **kwargs)

        registration.builtin("activations", aliases=aliases)(function)
        CORE_NAME[fn.__name__] = fn.__name__
        return function

    return decorate


def _floats(x):
    x = symbolic.as_array(x)
    if x.dtype.kind == "f" or (symbolic.is_traced(x) and x.is_float):
        return x
    return x.astype(dtypes.compute_dtype(None))


@_builtin()
def linear(x: Tensor) -> Tensor:
    """x.

    >>> linear(np.array([1.0])).tolist()
    [1.0]
    """
    return x


@_builtin()
def relu(
    x: Tensor, negative_slope: float = 0.0, max_value: Any = None, threshold: Any = 0.0
) -> Tensor:
    """min(x, max_value) where x > threshold, negative_slope (x - threshold) elsewhere.

    >>> relu(np.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    x = _floats(x)
    upper = x if max_value is None else np.clip(x, 0, x.dtype.type(max_value))
    below = negative_slope * (x - threshold) if negative_slope else np.zeros_like(x)
    # NaN compares false with everything; it must come out as NaN.
    return np.where(x <= threshold, below, upper).astype(x.dtype)


@_builtin()
def relu6(x: Tensor) -> Tensor:
    """min(max(x, 0), 6).

    >>> relu6(np.array([-1.0, 8.0])).tolist()
    [0.0, 6.0]
    """
    return np.clip(_floats(x), 0, 6)


@_builtin()
def leaky_relu(x: Tensor, negative_slope: float = 0.2) -> Tensor:
    """x where x >= 0, negative_slope x below (the layer's default slope is 0.3).

    >>> leaky_relu(np.array([-1.0, 2.0])).tolist()
    [-0.2, 2.0]
    """
    x = _floats(x)
    return np.where(x < 0, x.dtype.type(negative_slope) * x, x)


@_builtin()
def elu(x: Tensor, alpha: Any = 1.0) -> Tensor:
    """x where x > 0, alpha (e^x - 1) below (Clevert et al., arXiv:1511.07289).

    >>> elu(np.array([2.0, -1000.0])).tolist()
    [2.0, -1.0]
    """
    x = _floats(x)
    return np.where(x > 0, x, x.dtype.type(alpha) * np.expm1(np.minimum(x, 0)))


@_builtin()
def celu(x: Tensor, alpha: Any = 1.0) -> Tensor:
    """x where x > 0, alpha (e^(x / alpha) - 1) below (Barron, arXiv:1704.07483).

    >>> celu(np.array([2.0, -1000.0])).tolist()
    [2.0, -1.0]
    """
    x = _floats(x)
    alpha = x.dtype.type(alpha)
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha))


@_builtin()
def selu(x: Tensor) -> Tensor:
    """1.0507 elu(x, 1.6733) (Klambauer et al., arXiv:1706.02515).

    >>> selu(np.array([1.0])).round(4).tolist()
    [1.0507]
    """
    x = _floats(x)
    return x.dtype.type(_SELU_SCALE) * elu(x, _SELU_ALPHA)


@_builtin()
def exponential(x: Tensor) -> Tensor:
    """e^x.

    >>> exponential(np.array([0.0])).tolist()
    [1.0]
    """
    with np.errstate(over="ignore"):
        return np.exp(_floats(x))


@_builtin()
def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + e^-x).

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    x = _floats(x)
    small = np.exp(-np.abs(x))  # in (0, 1], so that nothing overflows
    return np.where(x >= 0, 1, small) / (1 + small)


@_builtin()
def log_sigmoid(x: Tensor) -> Tensor:
    """log(sigmoid(x)) = -softplus(-x).

    >>> log_sigmoid(np.array([-1000.0])).tolist()
    [-1000.0]
    """
    return -softplus(-_floats(x))


@_builtin()
def tanh(x: Tensor) -> Tensor:
    """Hyperbolic tangent.

    >>> tanh(np.array([0.0, 1000.0])).tolist()
    [0.0, 1.0]
    """
    return np.tanh(_floats(x))


@_builtin()
def tanh_shrink(x: Tensor) -> Tensor:
    """x - tanh(x).

    >>> tanh_shrink(np.array([1000.0])).tolist()
    [999.0]
    """
    x = _floats(x)
    return x - np.tanh(x)


@_builtin()
def softplus(x: Tensor) -> Tensor:
    """log(1 + e^x).

    >>> softplus(np.array([-1000.0, 1000.0])).tolist()
    [0.0, 1000.0]
    """
    x = _floats(x)
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


@_builtin()
def softsign(x: Tensor) -> Tensor:
    """x / (1 + |x|).

    >>> softsign(np.array([-1.0, 3.0])).tolist()
    [-0.5, 0.75]
    """
    x = _floats(x)
    return x / (1 + np.abs(x))


@_builtin("swish")
def silu(x: Tensor) -> Tensor:
    """x sigmoid(x), also called swish (Ramachandran et al., arXiv:1710.05941).

    >>> silu(np.array([0.0, 1000.0])).tolist()
    [0.0, 1000.0]
    """
    x = _floats(x)
    return x * sigmoid(x)


@_builtin()
def mish(x: Tensor) -> Tensor:
    """x tanh(softplus(x)) (Misra, arXiv:1908.08681).

    >>> mish(np.array([0.0, 1000.0])).tolist()
    [0.0, 1000.0]
    """
    x = _floats(x)
    return x * np.tanh(softplus(x))


@_builtin()
def gelu(x: Tensor, approximate: bool = False) -> Tensor:
    """x Phi(x) with the normal distribution function Phi (Hendrycks, arXiv:1606.08415).

    Args:
        x: array.
        approximate: use x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) instead.

    >>> gelu(np.array([0.0, 1.0])).round(4).tolist()
    [0.0, 0.8413]
    """
    x = _floats(x)
    if approximate:
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
        return (0.5 * x * (1 + np.tanh(inner))).astype(x.dtype)
    scaled = x * math.sqrt(0.5)
    if symbolic.is_traced(x):
        return 0.5 * x * (1 + special.erf(scaled))
    return np.asarray(0.5 * x * (1 + special.erf(np.float64(scaled))), dtype=x.dtype)


@_builtin()
def glu(x: Tensor, axis: Axis = -1) -> Tensor:
    """a sigmoid(b), where a and b are the halves of x along `axis` (arXiv:1612.08083).

    >>> glu(np.array([2.0, 0.0])).tolist()
    [1.0]
    """
    x = _floats(x)
    if x.shape[axis] % 2:
        raise ValueError(
            f"glu: expected an even size along axis {axis}, got shape {x.shape}; "
            f"it halves that axis"
        )
    a, b = np.split(x, 2, axis=axis)
    return a * sigmoid(b)


@_builtin()
def hard_sigmoid(x: Tensor) -> Tensor:
    """clip(x / 6 + 1/2, 0, 1).

    >>> hard_sigmoid(np.array([-4.0, 0.0, 4.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    x = _floats(x)
    return np.clip(x / 6 + x.dtype.type(0.5), 0, 1)


@_builtin("hard_swish")
def hard_silu(x: Tensor) -> Tensor:
    """x hard_sigmoid(x) (Howard et al., arXiv:1905.02244).

    >>> hard_silu(np.array([-4.0, 4.0])).tolist()
    [-0.0, 4.0]
    """
    x = _floats(x)
    return x * hard_sigmoid(x)


@_builtin()
def hard_tanh(x: Tensor) -> Tensor:
    """clip(x, -1, 1).

    >>> hard_tanh(np.array([-2.0, 0.5])).tolist()
    [-1.0, 0.5]
    """
    return np.clip(_floats(x), -1, 1)


@_builtin()
def hard_shrink(x: Tensor, threshold: Any = 0.5) -> Tensor:
    """x where |x| > threshold, else 0.

    >>> hard_shrink(np.array([-1.0, 0.25])).tolist()
    [-1.0, 0.0]
    """
    x = _floats(x)
    return np.where(np.abs(x) <= threshold, x.dtype.type(0), x)


@_builtin()
def soft_shrink(x: Tensor, threshold: Any = 0.5) -> Tensor:
    """sign(x) max(|x| - threshold, 0).

    >>> soft_shrink(np.array([-1.0, 0.25])).tolist()
    [-0.5, 0.0]
    """
    x = _floats(x)
    t = x.dtype.type(threshold)
    return np.maximum(x - t, 0) + np.minimum(x + t, 0)


@_builtin()
def sparse_plus(x: Tensor) -> Tensor:
    """0 for x <= -1, (x + 1)^2 / 4 in between, x for x >= 1.

    >>> sparse_plus(np.array([-2.0, 0.0, 2.0])).tolist()
    [0.0, 0.25, 2.0]
    """
    x = _floats(x)
    middle = np.square(np.clip(x, -1, 1) + 1) / 4
    return np.where(x >= 1, x, middle)


@_builtin()
def sparse_sigmoid(x: Tensor) -> Tensor:
    """clip((x + 1) / 2, 0, 1).

    >>> sparse_sigmoid(np.array([-2.0, 0.0, 2.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    x = _floats(x)
    return np.clip((x + 1) / 2, 0, 1)


@_builtin()
def squareplus(x: Tensor, b: Tensor = 4) -> Tensor:
    """(x + sqrt(x^2 + b)) / 2 (Barron, arXiv:2112.11687).

    >>> squareplus(np.array([0.0])).tolist()
    [1.0]
    """
    x = _floats(x)
    # hypot does not overflow where x^2 would; for x < 0 the conjugate form does not cancel.
    root = np.hypot(x, x.dtype.type(math.sqrt(b)))
    with np.errstate(divide="ignore", invalid="ignore"):
        negative = b / (2 * (root - x))
    return np.where(x < 0, negative, (x + root) / 2).astype(x.dtype)


@_builtin()
def softmax(x: Tensor, axis: Axis = -1) -> Tensor:
    """e^x divided by its sum over `axis` (an integer or a tuple of them).

    >>> softmax(np.array([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """
    x = _floats(x)
    axis = tuple(axis) if isinstance(axis, list) else axis
    shifted = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return shifted / np.sum(shifted, axis=axis, keepdims=True)


@_builtin()
def log_softmax(x: Tensor, axis: Axis = -1) -> Tensor:
    """log(softmax(x)) over `axis` (an integer or a tuple of them).

    >>> log_softmax(np.array([0.0, 1000.0])).tolist()
    [-1000.0, 0.0]
    """
    x = _floats(x)
    axis = tuple(axis) if isinstance(axis, list) else axis
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


@_builtin()
def sparsemax(x: Tensor, axis: Axis = -1) -> Tensor:
    """Euclidean projection onto the probability simplex (Martins, arXiv:1602.02068).

    >>> sparsemax(np.array([3.0, 1.0, 0.0])).tolist()
    [1.0, 0.0, 0.0]
    """
    x = np.moveaxis(_floats(x), axis, -1)
    shifted = x - np.max(x, axis=-1, keepdims=True)
    ordered = -np.sort(-shifted, axis=-1)
    ranks = np.arange(1, x.shape[-1] + 1, dtype=x.dtype)
    sums = np.cumsum(ordered, axis=-1)
    inside = 1 + ranks * ordered > sums
    count = np.maximum(np.sum(inside, axis=-1, keepdims=True), 1)
    tau = (np.take_along_axis(sums, count - 1, axis=-1) - 1) / count.astype(x.dtype)
    return np.moveaxis(np.maximum(shifted - tau, 0), -1, axis)


@registration.builtin("activations")
def threshold(x: Tensor, threshold: Any, default_value: Any) -> Tensor:
    """x where x > threshold, else default_value.

    >>> threshold(np.array([0.0, 2.0]), 1.0, -1.0).tolist()
    [-1.0, 2.0]
    """
    x = _floats(x)
    return np.where(x > threshold, x, x.dtype.type(default_value))


swish = silu
hard_swish = hard_silu


def core(activation: ActivationLike) -> Tensor:
    """Return `(name, arguments)` of the compiled twin, or None for a user's function.

    >>> core(leaky_relu)
    ('leaky_relu', [0.2])
    """
    if activation is None:  # an attribute that was set to it
        return "linear", []
    known = registration.builtin_name(activation)
    if known is None or known[0] != "keras.activations" or known[1] not in CORE_NAME:
        return None
    return CORE_NAME[known[1]], list(_CORE_ARGUMENTS.get(known[1], ()))


def serialize(activation: ActivationLike) -> Any:
    """Return the bare name of a built-in, the config dict of anything else, None for None."""
    if activation is None:
        return None
    known = registration.builtin_name(activation)
    if known is not None and known[0] == "keras.activations":
        return known[1]
    return serialize_keras_object(activation)


def deserialize(config: Any, custom_objects: CustomObjects = None) -> Any:
    """Return the function that a name or config dict describes."""
    if isinstance(config, str):
        return _named(config, custom_objects)
    return deserialize_keras_object(config, custom_objects)


def get(identifier: Any) -> Any:
    """Return an activation from None (linear), a name, config dict or callable.

    >>> get("swish").__name__
    'silu'
    """
    if identifier is None:
        return linear
    if isinstance(identifier, str):
        return _named(identifier)
    obj = deserialize(identifier) if isinstance(identifier, dict) else identifier
    if not callable(obj):
        raise ValueError(
            f"activations.get: expected an activation (a name, config dict or callable), got "
            f"{identifier!r} of type {type(identifier).__name__}"
        )
    # A function under another name, so that the compiled twin is used and saved.
    return getattr(obj, "stands_for", obj)


def _named(name, custom_objects=None):
    obj = registration.get_registered_object(name, custom_objects)
    obj = registration.lookup_builtin("activations", name) if obj is None else obj
    if obj is None:
        names = sorted(registration.builtin_objects("activations"))
        hint = naming.did_you_mean(name, names) or f"known names are {', '.join(names)}"
        raise ValueError(
            f"activations.get: expected the name of an activation, got {name!r}; {hint}"
        )
    return obj


__all__ = [
    "celu", "deserialize", "elu", "exponential", "gelu", "get", "glu", "hard_shrink",
    "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "leaky_relu", "linear", "log_sigmoid",
    "log_softmax", "mish", "relu", "relu6", "selu", "serialize", "sigmoid", "silu", "soft_shrink",
    "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus",
    "swish", "tanh", "tanh_shrink", "threshold",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
