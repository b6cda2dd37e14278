"""Handwritten digits, 8x8 pixels: a small set that comes with the package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pyseq.types import Split

_FILE = Path(__file__).with_name("digits.npz")
_NUM_TRAIN = 1437


def load_data() -> Split:
    """Returns `(x_train, y_train), (x_test, y_test)` of the UCI handwritten digits.

    No download. `x` is uint8 of shape `(N, 8, 8)` with values 0 to 16, `y` is uint8 of shape
    `(N,)` with values 0 to 9; 1,437 samples to train and 360 to test, always the same ones.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
    Learning Repository, 1998, https://doi.org/10.24432/C50P49, licensed CC BY 4.0 (`digits.txt`).

    >>> from pyseq.datasets import digits
    >>> (x_train, y_train), (x_test, y_test) = digits.load_data()
    >>> x_train.shape, int(x_train.max()), len(y_test)
    ((1437, 8, 8), 16, 360)
    """
    with np.load(_FILE, allow_pickle=False) as archive:
        x, y = archive["x"], archive["y"]
    return (x[:_NUM_TRAIN], y[:_NUM_TRAIN]), (x[_NUM_TRAIN:], y[_NUM_TRAIN:])


__all__ = ["load_data"]


def __dir__() -> list[str]:
    return sorted(__all__)
