"""Derivatives of functions of arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, hooks, symbolic
from pyseq.ops.placeholders import infers_shapes
from pyseq.ops.promotion import convert_to_tensor
from pyseq.structures import leaves, map_structure, packed, same_structure

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["jvp"]


@infers_shapes
def jvp(fun: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """Return the value of a function, and its derivative in a direction.

    The derivative is exact: `fun` is traced, and its Jacobian made row by row on the way back. That
    takes the time of as many gradients as the value has elements.

    Args:
        fun: of arrays, or of lists, tuples and dicts of them; written with `pyseq.ops` or operators
            that the core can run.
        primals: list or tuple of the arguments, of floats.
        tangents: the direction, of the structure and shapes of `primals`.
        has_aux: `fun` returns a pair, of which the second part is handed on as it is.

    Returns:
        `(value, derivative)`, each of the structure that `fun` gives, or
        `(value, derivative, aux)`.

    Raises:
        TypeError: `fun` is no function or cannot be traced, `primals` or `tangents` are no list or
            tuple, or a primal is not of floats.
        ValueError: tangents of another structure or shape, or a `fun` that returns no pair with
            `has_aux`.

    >>> value, slope = jvp(np.sin, (0.1,), (0.2,))
    >>> print(value.round(4), slope.round(4))
    0.0998 0.199
    """
    if not callable(fun):
        raise TypeError(f"jvp: expected a function, got {fun!r}")
    for name, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, (list, tuple)):
            raise TypeError(
                f"jvp: expected a list or tuple of the arguments as `{name}`, got "
                f"{type(given).__name__}; write ({name[:-1]},) for one"
            )
    if any(map(symbolic.is_traced, leaves([primals, tangents]))):
        raise symbolic.trace.get().error(
            "expected arrays for jvp, got tensors of a trace", "call it outside of the loss"
        )
    if not same_structure(list(primals), list(tangents)):
        raise ValueError(
            f"jvp: expected tangents of the structure of the primals {primals!r}, got {tangents!r}"
        )
    primals = [map_structure(convert_to_tensor, x) for x in primals]
    points = leaves(primals)
    directions = [convert_to_tensor(t) for t in leaves(list(tangents))]
    for x, t in zip(points, directions, strict=True):
        if not dtypes.is_float_dtype(x.dtype):
            raise TypeError(f"jvp: expected primals of floats, got {x.dtype}; cast them first")
        if x.shape != t.shape:
            raise ValueError(
                f"jvp: expected a tangent of the shape of its primal {x.shape}, got {t.shape}"
            )

    def value_of(parts):
        """The value and, with `has_aux`, what is beside it."""
        y = fun(*packed(primals, parts))
        if not has_aux:
            return y, None
        if not isinstance(y, (list, tuple)) or len(y) != 2:
            raise ValueError(
                f"jvp: expected a function that returns (value, aux) for has_aux=True, got "
                f"{type(y).__name__}"
            )
        return y

    value, aux = value_of(points)
    value = map_structure(convert_to_tensor, value)
    slopes = hooks.ask("slopes", lambda parts: leaves(value_of(parts)[0]), points, directions)
    found = [
        dtypes.rounded(slope, y.dtype) if dtypes.is_float_dtype(y.dtype) else np.zeros_like(y)
        for slope, y in zip(slopes, leaves(value), strict=True)
    ]
    slope = packed(value, found)
    return (value, slope, aux) if has_aux else (value, slope)
