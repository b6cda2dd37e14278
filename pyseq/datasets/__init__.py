"""Data sets: `digits` comes with the package, the others are downloaded once and cached.

Downloads are kept where Keras keeps them, in `~/.keras/datasets` (or `$KERAS_HOME/datasets`), and
are used only if their hash is the known one.
"""

from . import (
    boston_housing,
    california_housing,
    cifar10,
    cifar100,
    digits,
    fashion_mnist,
    imdb,
    mnist,
    reuters,
)

__all__ = [
    "boston_housing",
    "california_housing",
    "cifar10",
    "cifar100",
    "digits",
    "fashion_mnist",
    "imdb",
    "mnist",
    "reuters",
]


def __dir__() -> list[str]:
    return sorted(__all__)
