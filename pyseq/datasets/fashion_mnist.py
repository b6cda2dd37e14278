"""Fashion-MNIST: articles of clothing, 28x28 pixels."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import numpy as np

from ._cache import cached_file

if TYPE_CHECKING:
    from pyseq.types import Split

_ORIGIN = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/"
    "b2617bb6d3ffa2e429640350f613e3291e10b141/data/fashion/"
)
_HASHES = {
    "train-images-idx3-ubyte.gz": (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
    ),
    "train-labels-idx1-ubyte.gz": (
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
    ),
}
_IMAGES_HEADER, _LABELS_HEADER = 16, 8  # bytes; the IDX format


def load_data() -> Split:
    """Returns `(x_train, y_train), (x_test, y_test)` of Fashion-MNIST, downloaded on first use.

    `x` is uint8 `(60000, 28, 28)` and `(10000, 28, 28)` with values 0 to 255, `y` is uint8 `(N,)`:
    0 T-shirt/top, 1 trouser, 2 pullover, 3 dress, 4 coat, 5 sandal, 6 shirt, 7 sneaker, 8 bag,
    9 ankle boot. Raises `ConnectionError` when a file is not cached and cannot be downloaded.

    H. Xiao, K. Rasul and R. Vollgraf, https://arxiv.org/abs/1708.07747; MIT licence, Zalando SE.
    """
    return _load("train"), _load("t10k")


def _load(part):
    x = _read(f"{part}-images-idx3-ubyte.gz", _IMAGES_HEADER)
    y = _read(f"{part}-labels-idx1-ubyte.gz", _LABELS_HEADER)
    return x.reshape(len(y), 28, 28), y


def _read(name, header):
    path = cached_file(name, _ORIGIN + name, _HASHES[name], subdir="datasets/fashion-mnist")
    with gzip.open(path) as file:
        return np.frombuffer(bytearray(file.read())[header:], np.uint8)


__all__ = ["load_data"]


def __dir__() -> list[str]:
    return sorted(__all__)
