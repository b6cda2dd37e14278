"""MNIST: handwritten digits, 28x28 pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._cache import TF_KERAS_DATASETS, cached_file

if TYPE_CHECKING:
    from pyseq.types import Split


def load_data(path: str = "mnist.npz") -> Split:
    """Returns `(x_train, y_train), (x_test, y_test)` of MNIST, downloaded on first use.

    `x` is uint8 `(60000, 28, 28)` and `(10000, 28, 28)` with values 0 to 255, `y` is uint8 `(N,)`
    with values 0 to 9. `path` is the file's name in the cache. Raises `ConnectionError` when the
    file is not cached and cannot be downloaded.

    Y. LeCun and C. Cortes, derived from NIST data; CC BY-SA 3.0.
    """
    file = cached_file(
        path,
        TF_KERAS_DATASETS + "mnist.npz",
        "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
    )
    with np.load(file, allow_pickle=False) as data:
        return (data["x_train"], data["y_train"]), (data["x_test"], data["y_test"])


__all__ = ["load_data"]


def __dir__() -> list[str]:
    return sorted(__all__)
