"""Functions of the bits of integers, each element by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pyseq.ops.promotion import counted, operation

if TYPE_CHECKING:
    from pyseq.types import Tensor

_same = operation()
_pair = operation(tensors=2)
_counted_pair = operation(counted, tensors=2)


@_pair
def bitwise_and(x: Tensor, y: Tensor) -> Tensor:
    """Return the bits that both have."""
    return np.bitwise_and(x, y)


@_pair
def bitwise_or(x: Tensor, y: Tensor) -> Tensor:
    """Return the bits that one has."""
    return np.bitwise_or(x, y)


@_pair
def bitwise_xor(x: Tensor, y: Tensor) -> Tensor:
    """Return the bits that exactly one has."""
    return np.bitwise_xor(x, y)


@_same
def bitwise_not(x: Tensor) -> Tensor:
    """Return `x` with each bit turned."""
    return np.bitwise_not(x)


bitwise_invert = bitwise_not


@_counted_pair
def left_shift(x: Tensor, y: Tensor) -> Tensor:
    """Return `x` with its bits moved up by `y`."""
    return np.left_shift(x, y)


bitwise_left_shift = left_shift


@_counted_pair
def right_shift(x: Tensor, y: Tensor) -> Tensor:
    """Return `x` with its bits moved down by `y`."""
    return np.right_shift(x, y)


bitwise_right_shift = right_shift


__all__ = [
    "bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_not", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "left_shift", "right_shift",
]  # fmt: skip
