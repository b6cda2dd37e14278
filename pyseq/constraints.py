"""Conditions that weights are moved back to after each update, as in `keras.constraints`.

A constraint maps an array to an array of the same shape. The built-in ones also have `lower()`,
the description that the compiled core understands. Norms are L2 norms `n` over `axis`, and
epsilon is `pyseq.settings.epsilon`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import revision, settings
from pyseq.registry.registration import builtin, to_snake_case
from pyseq.registry.serialization import (
    construct,
    deserialize_keras_object,
    get_object,
    serialize_keras_object,
)

if TYPE_CHECKING:
    from typing_extensions import Self

    from pyseq.types import Axis, Config, ConstraintLike, CustomObjects, T, Tensor


def _register(cls: T) -> T:
    return builtin("constraints", aliases=(to_snake_case(cls.__name__),))(cls)


def _axes(axis, where):
    """Return `axis` as a tuple of integers."""
    entries = axis if isinstance(axis, (list, tuple)) else (axis,)
    for entry in entries:
        if isinstance(entry, bool) or not hasattr(entry, "__index__"):
            raise TypeError(f"{where}(axis): expected an integer or a list of them, got {axis!r}")
    return tuple(entry.__index__() for entry in entries)


def _as_floats(w):
    w = np.asarray(w)
    return w if w.dtype.kind == "f" else w.astype(np.float32)


def _norms(w, axis):
    return np.sqrt(np.sum(np.square(w), axis=axis, keepdims=True))


class Constraint(revision.Noted):
    """Base class: subclasses define `__call__(w)` and `get_config()`."""

    def __call__(self, w: Tensor) -> Any:
        """Return the constrained weights: `w` itself, unless a subclass says otherwise."""
        return w

    def get_config(self) -> Config:
        """Return the constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Return the constraint that `get_config` described."""
        return construct(cls, config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


@_register
class MaxNorm(Constraint):
    """Norms of at most `max_value`: w clip(n, 0, max_value) / (n + epsilon).

    Args:
        max_value: number >= 0.
        axis: axis or axes that one norm runs over: 0 for Dense kernels, [0, 1, 2] for Conv2D.

    >>> MaxNorm(1.0)(np.array([[3.0], [4.0]])).round(3).tolist()
    [[0.6], [0.8]]
    """

    def __init__(self, max_value: Any = 2, axis: Axis = 0) -> None:
        if not max_value >= 0:
            raise ValueError(f"MaxNorm(max_value): expected a number >= 0, got {max_value!r}")
        _axes(axis, "MaxNorm")
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w: Tensor) -> Any:
        w = _as_floats(w)
        norms = _norms(w, _axes(self.axis, "MaxNorm"))
        return w * (np.clip(norms, 0, self.max_value) / (settings.epsilon + norms))

    def get_config(self) -> Config:
        return {"max_value": self.max_value, "axis": self.axis}

    def lower(self) -> Any:
        """Return the description for the compiled core."""
        return {
            "kind": "max_norm",
            "max_value": float(self.max_value),
            "axis": list(_axes(self.axis, "MaxNorm")),
            "epsilon": settings.epsilon,
        }


@_register
class NonNeg(Constraint):
    """No negative weights: max(w, 0).

    >>> NonNeg()(np.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __call__(self, w: Tensor) -> Any:
        return np.maximum(_as_floats(w), 0)

    def lower(self) -> Any:
        """Return the description for the compiled core."""
        return {"kind": "non_neg"}


@_register
class UnitNorm(Constraint):
    """Norms of 1: w / (n + epsilon).

    Args:
        axis: axis or axes that one norm runs over.

    >>> UnitNorm()(np.array([[3.0], [4.0]])).round(3).tolist()
    [[0.6], [0.8]]
    """

    def __init__(self, axis: Axis = 0) -> None:
        _axes(axis, "UnitNorm")
        self.axis = axis

    def __call__(self, w: Tensor) -> Any:
        w = _as_floats(w)
        return w / (settings.epsilon + _norms(w, _axes(self.axis, "UnitNorm")))

    def get_config(self) -> Config:
        return {"axis": self.axis}

    def lower(self) -> Any:
        """Return the description for the compiled core."""
        return {
            "kind": "unit_norm",
            "axis": list(_axes(self.axis, "UnitNorm")),
            "epsilon": settings.epsilon,
        }


@_register
class MinMaxNorm(Constraint):
    """Norms between two bounds: w (rate clip(n, min, max) + (1 - rate) n) / (n + epsilon).

    Args:
        min_value, max_value: the bounds.
        rate: 1 moves all the way at each update, less than 1 part of it.
        axis: axis or axes that one norm runs over.

    >>> MinMaxNorm(0.0, 1.0)(np.array([[3.0], [4.0]])).round(3).tolist()
    [[0.6], [0.8]]
    """

    def __init__(
        self, min_value: Any = 0.0, max_value: Any = 1.0, rate: float = 1.0, axis: Axis = 0
    ) -> None:
        if not 0 <= min_value <= max_value:
            raise ValueError(
                f"MinMaxNorm: expected 0 <= min_value <= max_value, got min_value={min_value!r}, "
                f"max_value={max_value!r}"
            )
        _axes(axis, "MinMaxNorm")
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w: Tensor) -> Any:
        w = _as_floats(w)
        norms = _norms(w, _axes(self.axis, "MinMaxNorm"))
        wanted = np.clip(norms, self.min_value, self.max_value)
        wanted = self.rate * wanted + (1 - self.rate) * norms
        return w * (wanted / (settings.epsilon + norms))

    def get_config(self) -> Config:
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            "axis": self.axis,
        }

    def lower(self) -> Any:
        """Return the description for the compiled core."""
        return {
            "kind": "min_max_norm",
            "min_value": float(self.min_value),
            "max_value": float(self.max_value),
            "rate": float(self.rate),
            "axis": list(_axes(self.axis, "MinMaxNorm")),
            "epsilon": settings.epsilon,
        }


max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
unit_norm = UnitNorm


def serialize(constraint: ConstraintLike) -> Any:
    """Return the config dict of a constraint."""
    return serialize_keras_object(constraint)


def deserialize(config: Any, custom_objects: CustomObjects = None) -> Any:
    """Return the constraint that a config dict describes."""
    return deserialize_keras_object(config, custom_objects, family="constraints")


def get(identifier: Any) -> Any:
    """Return a constraint from None, a name, config dict, class or callable.

    >>> get("max_norm")
    MaxNorm(max_value=2, axis=0)
    """
    return get_object(identifier, "constraints", "constraint")


__all__ = [
    "Constraint", "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "deserialize", "get", "max_norm",
    "min_max_norm", "non_neg", "serialize", "unit_norm",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
