"""Penalties on weights and outputs, with the classes and names of `keras.regularizers`.

A regularizer maps an array to a scalar that is added to the loss. The built-in ones also have
`lower()`, the description that the compiled core understands.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import revision
from pyseq.registry.registration import builtin
from pyseq.registry.serialization import (
    construct,
    deserialize_keras_object,
    get_object,
    serialize_keras_object,
)
from pyseq.symbolic import as_array

if TYPE_CHECKING:
    from typing_extensions import Self

    from pyseq.types import Config, CustomObjects, Range, RegularizerLike, Tensor


def _factor(value, where, default=None):
    """Return `value` as a finite float >= 0; None stands for `default`."""
    value = default if value is None else value
    is_number = isinstance(value, (int, float, np.integer, np.floating))
    if not is_number or isinstance(value, bool):
        raise ValueError(f"{where}: expected a finite number >= 0, got {value!r}")
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{where}: expected a finite number >= 0, got {value}")
    return float(value)


def _as_floats(x):
    x = as_array(x)
    return x if x.dtype.kind == "f" else x.astype(np.float32)


class Regularizer(revision.Noted):
    """Base class: subclasses define `__call__(x)` and `get_config()`."""

    def __call__(self, x: Tensor) -> Any:
        """Return the penalty of `x`, 0 in the base class."""
        return 0.0

    def get_config(self) -> Config:
        """Return the constructor's arguments; a subclass that is saved must define it."""
        raise TypeError(
            f"{type(self).__name__}.get_config: expected a subclass that defines get_config(), "
            f"got the base method; define it, so that the regularizer can be saved"
        )

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Return the regularizer that `get_config` described."""
        return construct(cls, config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


@builtin("regularizers", aliases=("l1l2",))
class L1L2(Regularizer):
    """l1 sum|x| + l2 sum x^2 (without the usual half).

    Args:
        l1, l2: numbers >= 0; None counts as 0.

    >>> float(L1L2(0.5, 0.25)(np.array([1.0, -2.0])))
    2.75
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = _factor(l1, f"{type(self).__name__}(l1)", 0.0)
        self.l2 = _factor(l2, f"{type(self).__name__}(l2)", 0.0)

    def __call__(self, x: Tensor) -> Any:
        x = _as_floats(x)
        penalty = x.dtype.type(0)
        if self.l1:
            penalty += x.dtype.type(self.l1) * np.sum(np.abs(x))
        if self.l2:
            penalty += x.dtype.type(self.l2) * np.sum(np.square(x))
        return penalty

    def get_config(self) -> Config:
        return {"l1": self.l1, "l2": self.l2}

    def lower(self) -> Any:
        """Return `{"l1": float, "l2": float}`."""
        return {"l1": self.l1, "l2": self.l2}


@builtin("regularizers", aliases=("l1",))
class L1(Regularizer):
    """l1 sum|x|.

    Args:
        l1: factor of the L1 penalty, sum of |x|.

    >>> float(L1(0.5)(np.array([1.0, -2.0])))
    1.5
    """

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = _factor(l1, "L1(l1)", 0.01)

    def __call__(self, x: Tensor) -> Any:
        x = _as_floats(x)
        return x.dtype.type(self.l1) * np.sum(np.abs(x))

    def get_config(self) -> Config:
        return {"l1": self.l1}

    def lower(self) -> Any:
        """Return `{"l1": float, "l2": 0.0}`."""
        return {"l1": self.l1, "l2": 0.0}


@builtin("regularizers", aliases=("l2",))
class L2(Regularizer):
    """l2 sum x^2 (without the usual half).

    Args:
        l2: factor of the L2 penalty, sum of x squared.

    >>> float(L2(0.5)(np.array([1.0, -2.0])))
    2.5
    """

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = _factor(l2, "L2(l2)", 0.01)

    def __call__(self, x: Tensor) -> Any:
        x = _as_floats(x)
        return x.dtype.type(self.l2) * np.sum(np.square(x))

    def get_config(self) -> Config:
        return {"l2": self.l2}

    def lower(self) -> Any:
        """Return `{"l1": 0.0, "l2": float}`."""
        return {"l1": 0.0, "l2": self.l2}


@builtin("regularizers", aliases=("orthogonal_regularizer",))
class OrthogonalRegularizer(Regularizer):
    """`factor` times the mean |cosine| between different rows (or columns) of a matrix.

    Args:
        factor: number >= 0.
        mode: `"rows"` or `"columns"`.

    >>> float(OrthogonalRegularizer(1.0)(np.eye(3)))
    0.0
    """

    def __init__(self, factor: Range = 0.01, mode: str = "rows") -> None:
        if mode not in ("rows", "columns"):
            raise ValueError(
                f"OrthogonalRegularizer(mode): expected 'rows' or 'columns', got {mode!r}"
            )
        self.factor = _factor(factor, "OrthogonalRegularizer(factor)", 0.01)
        self.mode = mode

    def __call__(self, x: Tensor) -> Any:
        x = _as_floats(x)
        if x.ndim != 2:
            raise ValueError(
                f"OrthogonalRegularizer: expected a matrix, got shape {x.shape}; "
                f"use it for Dense kernels"
            )
        x = x if self.mode == "rows" else x.T
        size = x.shape[0]
        if size < 2:
            return x.dtype.type(0)
        squares = np.sum(np.square(x), axis=1, keepdims=True)
        # The floor under the square sum keeps zero rows at zero instead of NaN.
        unit = x / np.sqrt(np.maximum(squares, 1e-12))
        cosines = np.abs(unit @ unit.T)
        np.fill_diagonal(cosines, 0)
        return x.dtype.type(self.factor * 0.5 / (size * (size - 1) / 2)) * np.sum(cosines)

    def get_config(self) -> Config:
        return {"factor": self.factor, "mode": self.mode}

    def lower(self) -> Any:
        """Return `{"orthogonal": factor, "mode": "rows" or "columns"}`."""
        return {"orthogonal": self.factor, "mode": self.mode}


l1 = L1
l2 = L2
l1_l2 = L1L2
orthogonal_regularizer = OrthogonalRegularizer


def is_compiled(part: Any) -> bool:
    """True for a regularizer or constraint that the core knows, False for a user's own or None."""
    for cls in type(part).__mro__:
        if "lower" in vars(cls):
            return True
        if "__call__" in vars(cls):
            return False
    return False


def serialize(regularizer: RegularizerLike) -> Any:
    """Return the config dict of a regularizer."""
    return serialize_keras_object(regularizer)


def deserialize(config: Any, custom_objects: CustomObjects = None) -> Any:
    """Return the regularizer that a config dict describes."""
    return deserialize_keras_object(config, custom_objects, family="regularizers")


def get(identifier: Any) -> Any:
    """Return a regularizer from None, a name, config dict, class or callable.

    `"l1"` and `"l2"` have the factor 0.01, `"l1l2"` has factors of 0 as in Keras. `"l1_l2"`,
    which Keras documents but does not resolve, has both factors at 0.01.

    >>> get("l2")
    L2(l2=0.01)
    """
    if isinstance(identifier, str) and identifier == "l1_l2":
        return L1L2(0.01, 0.01)
    return get_object(identifier, "regularizers", "regularizer")


__all__ = [
    "L1", "L1L2", "L2", "OrthogonalRegularizer", "Regularizer", "deserialize", "get", "l1",
    "l1_l2", "l2", "orthogonal_regularizer", "serialize",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
