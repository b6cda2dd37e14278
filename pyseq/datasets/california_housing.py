"""California house prices of the 1990 census."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._cache import TF_KERAS_DATASETS, cached_file
from ._split import check_test_split, shuffled_split

if TYPE_CHECKING:
    from pyseq.types import Split

_NUM_SMALL = 600


def load_data(
    version: Any = "large",
    path: str = "california_housing.npz",
    test_split: float = 0.2,
    seed: int = 113,
) -> Split:
    """Returns `(x_train, y_train), (x_test, y_test)` of block groups, downloaded on first use.

    20,640 rows, or the first 600 with `version="small"`. `x` is `(N, 8)`: position, age, rooms,
    bedrooms, population, households and income of each block group; `y` is `(N,)`, the median
    house value in dollars. Raises `ConnectionError` when the file is not cached and cannot be
    downloaded.

    R. Pace and R. Barry, Sparse Spatial Autoregressions, 1997.
    """
    if version not in ("small", "large"):
        raise ValueError(
            f"california_housing.load_data: expected version 'small' or 'large', got {version!r}"
        )
    check_test_split(test_split, "california_housing.load_data")
    file = cached_file(
        path,
        TF_KERAS_DATASETS + "california_housing.npz",
        "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f",
    )
    with np.load(file, allow_pickle=False) as data:
        x, y = data["x"], data["y"]
    rows = _NUM_SMALL if version == "small" else len(x)
    return shuffled_split(x[:rows], y[:rows], test_split, seed)


__all__ = ["load_data"]


def __dir__() -> list[str]:
    return sorted(__all__)
