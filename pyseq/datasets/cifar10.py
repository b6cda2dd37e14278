"""CIFAR-10: small colour images of ten classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._cifar import load_batches

if TYPE_CHECKING:
    from pyseq.types import Split

_HASH = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"


def load_data() -> Split:
    """Returns `(x_train, y_train), (x_test, y_test)` of CIFAR-10, downloaded on first use.

    `x` is uint8 `(50000, 32, 32, 3)` and `(10000, 32, 32, 3)` with values 0 to 255, channels first
    if `config.image_data_format()` says so; `y` is uint8 `(N, 1)`: 0 airplane, 1 automobile,
    2 bird, 3 cat, 4 deer, 5 dog, 6 frog, 7 horse, 8 ship, 9 truck. Raises `ConnectionError` when
    the archive is not cached and cannot be downloaded.

    A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
    """
    return _load([f"data_batch_{i}" for i in range(1, 6)]), _load(["test_batch"])


def _load(names):
    return load_batches(
        "cifar-10-python.tar.gz",
        _HASH,
        "cifar-10-batches-py-target",
        "cifar-10-batches-py",
        names,
        b"labels",
    )


__all__ = ["load_data"]


def __dir__() -> list[str]:
    return sorted(__all__)
