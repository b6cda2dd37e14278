"""`rearrange`: axes named in a pattern (Rogozhnikov, "Einops", ICLR 2022)."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from pyseq import symbolic
from pyseq.ops.numpy.shaping import reshape, transpose
from pyseq.ops.promotion import convert_to_tensor

if TYPE_CHECKING:
    from pyseq.types import Tensor


def rearrange(tensor: Any, pattern: str, **axes_lengths: Any) -> Tensor:
    """Return `tensor` with axes split, joined and put into another order.

    Args:
        tensor: an array.
        pattern: such as `"b h w c -> b (h w) c"`: names of the axes before and after the arrow;
            those in parentheses are one axis, the first name varying slowest.
        axes_lengths: sizes of names that do not follow from the shape.

    Raises:
        ValueError: a pattern that names an axis twice or on one side only, or does not fit.

    >>> import numpy as np
    >>> rearrange(np.zeros((6, 8)), "(h w) c -> h w c", h=2).shape
    (2, 3, 8)
    """
    x = symbolic.as_array(tensor) if symbolic.is_traced(tensor) else convert_to_tensor(tensor)
    before, after = _sides(pattern)
    if len(before) != len(x.shape):
        raise ValueError(
            f"rearrange: expected {len(before)} axes for {pattern!r}, got shape {tuple(x.shape)}"
        )
    sizes = {}
    for group, size in zip(before, x.shape):
        sizes.update(_split(group, size, axes_lengths, pattern))
    names = [name for group in before for name in group]
    order = [names.index(name) for group in after for name in group]
    x = reshape(x, _shape([[name] for name in names], sizes))
    return reshape(transpose(x, order), _shape(after, sizes))


def _sides(pattern):
    sides = [
        [token.strip("()").split() for token in re.findall(r"\([^()]*\)|[^\s()]+", side)]
        for side in pattern.split("->")
    ]
    names = [sorted(name for group in side for name in group) for side in sides]
    if len(sides) != 2 or names[0] != names[1] or len(set(names[0])) != len(names[0]):
        raise ValueError(
            f"rearrange: expected each name once on both sides of '->', got {pattern!r}"
        )
    return sides


def _split(group, size, lengths, pattern):
    """Sizes of the axes that one axis of `size` stands for; None is a batch."""
    known = {name: lengths[name] for name in group if name in lengths}
    missing = [name for name in group if name not in known]
    product = math.prod(known.values())
    fits = size is None or (size == product if not missing else size % product == 0)
    if len(missing) > 1 or not fits:
        raise ValueError(
            f"rearrange: expected sizes of {' '.join(group)} that make {size}, got {known} for "
            f"{pattern!r}"
        )
    for name in missing:
        known[name] = None if size is None else size // product
    return known


def _shape(groups, sizes):
    """Sizes of joined axes; -1 for the one that a batch is part of."""
    shape = []
    for group in groups:
        parts = [sizes[name] for name in group]
        shape.append(-1 if None in parts else math.prod(parts))
    return shape


__all__ = ["rearrange"]
