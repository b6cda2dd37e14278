from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pyseq.types import Split, Tensor


def check_test_split(test_split: Any, where: Any) -> None:
    if not 0 <= test_split < 1:
        raise ValueError(
            f"{where}: expected test_split in [0, 1), got {test_split}; "
            "it is the fraction of the rows to test on"
        )


def shuffled_split(x: Tensor, y: Tensor, test_split: Any, seed: Any) -> Split:
    """Shuffles rows with `RandomState(seed)`, as Keras does, then cuts off the test part."""
    order = np.arange(len(x))
    np.random.RandomState(seed).shuffle(order)
    x, y = x[order], y[order]
    cut = int(len(x) * (1 - test_split))
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])
