"""Batches by index (`PyDataset`), windows over time series, and packing of batches."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq.utils.pipeline import Dataset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyseq.types import Tensor


class PyDataset:
    """Base class of data sets that make one batch at a time, in any order.

    Subclasses define `__getitem__(index)`, which returns batch number `index` as `x`, `(x, y)` or
    `(x, y, sample_weight)`, and `__len__()`, the number of batches. `on_epoch_begin()` and
    `on_epoch_end()` are called around epochs.

    With `workers` above 1, or processes, `fit`, `evaluate` and `predict` make batches ahead of
    time; they arrive in order, and what `__getitem__` raises is raised there. Threads share the
    data set. Processes hold copies of it, new for every epoch; their `random` and `numpy.random`
    are seeded for each batch, so that copies do not draw the same numbers.

    Args:
        workers: how many batches are made at once.
        use_multiprocessing: make them in processes rather than threads.
        max_queue_size: how many batches may be in the making or wait.

    >>> class Squares(PyDataset):
    ...     def __len__(self):
    ...         return 2
    ...     def __getitem__(self, index):
    ...         return np.full((1, 1), index), np.full((1, 1), index**2)
    >>> [y.item() for x, y in Squares()]
    [0, 1]
    """

    # Class attributes, so that a subclass without super().__init__() works.
    workers = 1
    use_multiprocessing = False
    max_queue_size = 10

    def __init__(
        self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
    ) -> None:
        self.workers = workers
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = max_queue_size

    def __getitem__(self, index: Any) -> Any:
        raise TypeError(
            f"{type(self).__name__}: expected a subclass that defines __getitem__(index), got "
            f"none; define it to return a batch"
        )

    @property
    def num_batches(self) -> int:
        """Number of batches; None for an endless data set."""
        if hasattr(self, "__len__"):
            return len(self)
        raise TypeError(
            f"{type(self).__name__}: expected a subclass that defines __len__() or num_batches, "
            f"got none; define one of them"
        )

    def __iter__(self) -> Iterator[Any]:
        count = self.num_batches
        for index in itertools.count() if count is None else range(count):
            yield self[index]

    def on_epoch_begin(self) -> None:
        """Called before the first batch of an epoch."""

    def on_epoch_end(self) -> None:
        """Called after the last batch of an epoch."""

    def get_state(self) -> None:
        """Return what `BackupAndRestore` keeps of it: numbers, strings, arrays, lists and dicts.

        A data set that changes from epoch to epoch defines this and `set_state`.
        """

    def set_state(self, state: Any) -> None:
        """Go back to what `get_state` returned."""


Sequence = PyDataset


def timeseries_dataset_from_array(
    data: Any,
    targets: Tensor,
    sequence_length: Any,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: Any = None,
    end_index: Any = None,
    format: str = "tf",
) -> Dataset:
    """Return batches of windows over consecutive rows.

    Window i holds the rows `i s, i s + r, ..., i s + (sequence_length - 1) r` with the stride s
    and sampling rate r, and the target of its first row.

    Args:
        data: rows in order of time, `(T, ...)`.
        targets: target i belongs to the window that starts at row i, or None. For the value that
            follows a window pass `data[sequence_length:]`.
        sequence_length: rows of a window.
        sequence_stride: rows between the starts of windows.
        sampling_rate: rows between the rows of a window.
        batch_size: windows of a batch; None for single windows.
        shuffle: shuffle the windows, anew after every epoch.
        seed: of the shuffling.
        start_index, end_index: use these rows only.
        format: accepted for compatibility.

    Returns:
        A `Dataset` of `(x, y)`, or of x without targets; x is
        `(batch_size, sequence_length, ...)`.

    >>> windows = timeseries_dataset_from_array(np.arange(5), None, sequence_length=3)
    >>> [x.tolist() for x in windows]
    [[[0, 1, 2], [1, 2, 3], [2, 3, 4]]]
    """
    where = "timeseries_dataset_from_array"
    data = np.asarray(data)
    rows = len(data)
    if start_index is not None and not 0 <= start_index < rows:
        raise ValueError(f"{where}(start_index): expected a row in [0, {rows}), got {start_index}")
    first = start_index or 0
    if end_index is not None and not first < end_index < rows:
        raise ValueError(
            f"{where}(end_index): expected a row in ({first}, {rows}), got {end_index}; leave it "
            f"out to use all rows"
        )
    last = rows if end_index is None else end_index
    for argument, value in (("sampling_rate", sampling_rate), ("sequence_stride", sequence_stride)):
        if not 0 < value < rows:
            raise ValueError(f"{where}({argument}): expected 1 to {rows - 1}, got {value}")
    if sequence_length < 1:
        raise ValueError(f"{where}(sequence_length): expected at least 1, got {sequence_length}")
    if format not in ("tf", "grain"):
        raise ValueError(f"{where}(format): expected 'tf' or 'grain', got {format!r}")
    count = last - first - (sequence_length - 1) * sampling_rate
    if targets is not None:
        targets = np.asarray(targets)
        count = min(count, len(targets))
        targets = targets[first:end_index]
        # A start in the middle leaves fewer targets than len(targets) suggests.
        count = min(count, len(targets))
    starts = np.arange(0, max(count, 0), sequence_stride)
    starts = Dataset.from_tensor_slices(starts)
    if shuffle:
        seed = np.random.randint(10**6) if seed is None else seed
        starts = starts.shuffle(max(len(starts), 1), seed)
    # Windows of a batch are taken out of the data at once.
    starts = starts if batch_size is None else starts.batch(batch_size)
    data, offsets = data[first:last], np.arange(sequence_length) * sampling_rate

    def window(start):
        x = data[start[..., None] + offsets]
        return x if targets is None else (x, targets[start])

    return starts.map(window)


def pack_x_y_sample_weight(x: Tensor, y: Tensor = None, sample_weight: Tensor = None) -> Any:
    """Return x, `(x, y)` or `(x, y, sample_weight)`, whichever holds all that is not None.

    >>> pack_x_y_sample_weight(1, 2)
    (1, 2)
    """
    if y is None:
        return (x,) if isinstance(x, (tuple, list)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """Return `(x, y, sample_weight)` of what `pack_x_y_sample_weight` returned.

    >>> unpack_x_y_sample_weight((1, 2))
    (1, 2, None)
    """
    if not isinstance(data, (tuple, list)):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(
            f"unpack_x_y_sample_weight: expected x, (x, y) or (x, y, sample_weight), got a "
            f"{type(data).__name__} of {len(data)}"
        )
    return (*data, None, None)[:3]
