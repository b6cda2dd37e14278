"""CIFAR-100: small colour images of a hundred classes in twenty groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._cifar import load_batches

if TYPE_CHECKING:
    from pyseq.types import Split

_HASH = "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"


def load_data(label_mode: str | None = "fine") -> Split:
    """Returns `(x_train, y_train), (x_test, y_test)` of CIFAR-100, downloaded on first use.

    `x` is uint8 `(50000, 32, 32, 3)` and `(10000, 32, 32, 3)` with values 0 to 255, channels first
    if `config.image_data_format()` says so; `y` is uint8 `(N, 1)`, one of 100 classes
    (`label_mode="fine"`) or of 20 groups (`"coarse"`). Raises `ConnectionError` when the archive
    is not cached and cannot be downloaded.

    A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
    """
    if label_mode not in ("fine", "coarse"):
        raise ValueError(
            f"cifar100.load_data: expected label_mode 'fine' or 'coarse', got {label_mode!r}"
        )
    key = f"{label_mode}_labels".encode()
    return _load(["train"], key), _load(["test"], key)


def _load(names, label_key):
    return load_batches(
        "cifar-100-python.tar.gz",
        _HASH,
        "cifar-100-python-target",
        "cifar-100-python",
        names,
        label_key,
    )


__all__ = ["load_data"]


def __dir__() -> list[str]:
    return sorted(__all__)
