"""Boston house prices of the 1970s."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._cache import TF_KERAS_DATASETS, cached_file
from ._split import check_test_split, shuffled_split

if TYPE_CHECKING:
    from pyseq.types import Split


def load_data(path: str = "boston_housing.npz", test_split: float = 0.2, seed: int = 113) -> Split:
    """Returns `(x_train, y_train), (x_test, y_test)` of 506 districts, downloaded on first use.

    `x` is float64 `(N, 13)`, `y` float64 `(N,)`, the median price in thousands of dollars. One
    column encodes the authors' racist premise about prices; use `california_housing` for teaching.
    Raises `ConnectionError` when the file is not cached and cannot be downloaded.

    D. Harrison and D. Rubinfeld, Hedonic Prices and the Demand for Clean Air, 1978.
    """
    check_test_split(test_split, "boston_housing.load_data")
    file = cached_file(
        path,
        TF_KERAS_DATASETS + "boston_housing.npz",
        "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5",
    )
    with np.load(file, allow_pickle=False) as data:
        return shuffled_split(data["x"], data["y"], test_split, seed)


__all__ = ["load_data"]


def __dir__() -> list[str]:
    return sorted(__all__)
