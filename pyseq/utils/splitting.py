"""Splitting of arrays and data sets into two."""

from __future__ import annotations

import random as python_random
from collections.abc import Mapping
from typing import Any

from pyseq.utils import elements
from pyseq.utils.pipeline import INFINITE_CARDINALITY, Dataset

_WHERE = "split_dataset"


def _split_sizes(left, right, total):
    if left is None and right is None:
        raise ValueError(f"{_WHERE}: expected left_size or right_size, got neither")
    sizes = []
    for argument, size in (("left_size", left), ("right_size", right)):
        if size is None:
            sizes.append(None)
            continue
        if isinstance(size, bool) or not isinstance(size, (int, float)):
            raise TypeError(
                f"{_WHERE}({argument}): expected an int, a float or None, got {size!r}"
            )
        limit = total if isinstance(size, int) else 1
        if not 0 < size < limit:
            raise ValueError(
                f"{_WHERE}({argument}): expected a number of rows in (0, {total}) or a share "
                f"in (0, 1), got {size!r}"
            )
        sizes.append(size if isinstance(size, int) else round(size * total))
    left, right = sizes
    left = total - right if left is None else left
    right = total - left if right is None else right
    if left + right > total or not left or not right:
        raise ValueError(
            f"{_WHERE}: expected two parts of the {total} rows with at least one row each, "
            f"got {left} and {right}"
        )
    return left, right


def split_dataset(
    dataset: Any,
    left_size: Any = None,
    right_size: Any = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: Any = None,
) -> Any:
    """Split arrays or a data set by rows into the first and the last ones.

    All of it is held in memory. What comes in batches, from `Dataset.batch` or a torch DataLoader,
    is split by their rows and has batches of that size again.

    Args:
        dataset: an array; a list, tuple or dict of arrays with the same number of rows; a
            `Dataset`; a torch Dataset or DataLoader.
        left_size, right_size: rows (int) or share of the rows (float in (0, 1)) of the two parts;
            the rest when one is None.
        shuffle: shuffle the rows first.
        seed: of the shuffling.
        preferred_backend: accepted for compatibility.

    Returns:
        Two `Dataset`s. Rows of a list are tuples.

    Raises:
        TypeError: `dataset` is something else, or a size no number.
        ValueError: there are no rows, or endlessly many; they differ in shape; a size leaves
            nothing to a part.

    >>> import numpy as np
    >>> left, right = split_dataset(np.arange(10), left_size=0.8)
    >>> [int(n) for n in right]
    [8, 9]
    """
    arrays, batch_size = _arrays_of(dataset)
    total = elements.count_rows(arrays, _WHERE)
    if not total:
        raise ValueError(f"{_WHERE}: expected at least one row, got none")
    left, right = _split_sizes(left_size, right_size, total)
    order = list(range(total))
    if shuffle:
        seed = python_random.randint(0, 10**6) if seed is None else seed
        python_random.Random(seed).shuffle(order)

    def part(rows):
        made = Dataset.from_tensor_slices(elements.map_leaves(lambda a: a[rows], arrays))
        return made if batch_size is None else made.batch(batch_size)

    return part(order[:left]), part(order[-right:])


def _arrays_of(dataset):
    """Return the rows as a nest of arrays, and the size of batches or None."""
    if isinstance(dataset, Dataset):
        if dataset.cardinality() == INFINITE_CARDINALITY:
            raise ValueError(
                f"{_WHERE}: expected a data set with an end, got an endless one; use take(count)"
            )
        size = dataset._batch_size
        return _gathered(dataset if size is None else dataset.unbatch()), size
    if isinstance(dataset, list):
        dataset = tuple(dataset)
    if isinstance(dataset, (tuple, Mapping)) or hasattr(dataset, "__array__"):
        return elements.to_element(dataset, _WHERE), None
    if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__"):
        return _gathered(_items(dataset[index]) for index in range(len(dataset))), None
    if hasattr(dataset, "batch_sampler") and hasattr(dataset, "__iter__"):
        batches = map(_items, dataset)
        if dataset.batch_sampler is None:
            return _gathered(batches), None
        rows = Dataset.from_generator(lambda: batches).unbatch()
        return _gathered(rows), getattr(dataset.batch_sampler, "batch_size", dataset.batch_size)
    raise TypeError(
        f"{_WHERE}: expected an array, a list, tuple or dict of arrays, a Dataset, or a torch "
        f"Dataset or DataLoader, got {type(dataset).__name__}"
    )


def _items(item):
    # Of torch, several parts come as a list.
    return elements.to_element(tuple(item) if isinstance(item, list) else item, _WHERE)


def _gathered(rows):
    rows = list(rows)
    if not rows:
        raise ValueError(f"{_WHERE}: expected at least one row, got an empty data set")
    return elements.stacked(rows, _WHERE)
