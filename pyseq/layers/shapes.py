"""Shapes of layers: what one expects of its input, and what Python code gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import symbolic
from pyseq.registry import limits

if TYPE_CHECKING:
    from typing_extensions import Self

    from pyseq.types import Axis, DTypeLike, Shape


class InputSpec:
    """What a layer expects of its input: rank, fixed dimensions.

    Args:
        ndim, min_ndim, max_ndim: number of dimensions, the batch included.
        axes: `{axis: size}` that must match.
        shape: full shape, None where free.
        allow_last_axis_squeeze: kept for code that reads it.
        optional: kept for configs.
    """

    def __init__(
        self,
        dtype: DTypeLike = None,
        shape: Shape | None = None,
        ndim: Any = None,
        max_ndim: Any = None,
        min_ndim: Any = None,
        axes: Axis = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype = dtype
        self.shape = None if shape is None else tuple(shape)
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.axes = dict(axes or {})
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        self.name = name
        self.optional = optional
        # What to do about a wrong rank; layers give a better hint.
        self.hint = ""

    def with_hint(self, hint: Any) -> Self:
        self.hint = hint
        return self

    def check(self, where: Any, shape: Shape) -> None:
        """Raise a ValueError that starts with `where` if `shape` does not fit."""
        rank = len(shape)
        hint = f"; {self.hint}" if self.hint else ""
        if self.ndim is not None and rank != self.ndim:
            raise ValueError(
                f"{where}: expected an input of {self.ndim} dimensions (the batch included), got "
                f"shape {tuple(shape)}{hint}"
            )
        if self.min_ndim is not None and rank < self.min_ndim:
            raise ValueError(
                f"{where}: expected an input of at least {self.min_ndim} dimensions (the batch "
                f"included), got shape {tuple(shape)}{hint}"
            )
        if self.max_ndim is not None and rank > self.max_ndim:
            raise ValueError(
                f"{where}: expected an input of at most {self.max_ndim} dimensions (the batch "
                f"included), got shape {tuple(shape)}{hint}"
            )
        for axis, size in self.axes.items():
            if size is not None and shape[int(axis)] not in (size, None):
                raise ValueError(
                    f"{where}: expected size {size} along axis {axis} of the input, got shape "
                    f"{tuple(shape)}; the layer was built for another input"
                )
        for axis, size in enumerate(self.shape or ()):
            if size is not None and shape[axis] not in (size, None):
                raise ValueError(
                    f"{where}: expected an input of shape {self.shape}, got {tuple(shape)}"
                )

    def __repr__(self) -> str:
        parts = [f"{k}={v}" for k, v in vars(self).items() if v and k != "hint"]
        return f"InputSpec({', '.join(parts)})"


def broadcast_mask(where, mask, inputs, shape):
    """`mask`, of as many dimensions as `shape` or fewer, repeated to `shape`, that of `inputs`.

    Both are arrays or tensors of the running trace, whose batch is None in shapes.
    """
    got, shape = tuple(mask.shape), tuple(shape)
    # Along None, the batch, there is one of each or as many as the input has.
    shifted = got[:1] == (None,) and len(got) != len(shape)
    pairs = zip(reversed(got), reversed(shape), strict=False)
    if len(got) > len(shape) or shifted or any(m not in (1, d) for m, d in pairs):
        raise ValueError(
            f"{where}: expected a mask that broadcasts to {shape}, for an input of shape "
            f"{tuple(inputs.shape)}, got one of shape {got}"
        )
    if symbolic.is_traced(inputs):
        mask = symbolic.trace.get().tensor(mask)
    return np.broadcast_to(mask, shape)


def trial_output_shape(where, function, input_shape, dtype):
    """The shape that a Python function of arrays gives its output, found by calling it."""
    try:
        return _trial_shape(where, function, input_shape, dtype)
    except Exception as problem:
        try:  # code for text
            return _trial_shape(where, function, input_shape, "U1")
        except Exception:
            raise problem from None


def _trial_shape(where, function, input_shape, dtype):
    unknown = [i for i, d in enumerate(input_shape) if d is None]
    shapes = []
    # Two trial sizes tell the dimensions that follow the input from those that are fixed.
    for size in (2, 3):
        dimensions = [size if i in unknown else d for i, d in enumerate(input_shape)]
        limits.check_trial(dimensions, dtype, where)
        trial = np.zeros(dimensions, dtype)
        with np.errstate(all="ignore"):
            y = function(trial)
        if isinstance(y, (list, tuple, dict)):
            raise ValueError(
                f"{where}: expected one array as output, got a {type(y).__name__} of {len(y)}; a "
                "model is trained on one output"
            )
        shapes.append(np.shape(y))
    if len(shapes[0]) != len(shapes[1]) or not shapes[0]:
        raise ValueError(
            f"{where}: expected a function that returns arrays (n, ...), got shapes {shapes[0]} "
            f"and {shapes[1]}; pass `output_shape`"
        )
    return (input_shape[0], *same_sizes(*shapes)[1:])


def same_sizes(a, b):
    """The shape that two have in common, None where they differ."""
    return tuple(m if m == n else None for m, n in zip(a, b, strict=True))


def is_shape(value):
    """Whether `value` is one shape, rather than a structure of shapes.

    >>> is_shape((None, 3)), is_shape([(None, 3)])
    (True, False)
    """
    is_size = (int, np.integer, type(None))
    return isinstance(value, (list, tuple)) and all(isinstance(d, is_size) for d in value)
