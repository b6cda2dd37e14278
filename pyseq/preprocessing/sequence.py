"""Sequences: of one length, windows over time series, pairs of words."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq.utils.arrays import pad_sequences
from pyseq.utils.datasets import PyDataset

if TYPE_CHECKING:
    from pyseq.types import Array, Config, Size, Tensor

__all__ = ["TimeseriesGenerator", "make_sampling_table", "pad_sequences", "skipgrams"]


def _at_least_one(where, **arguments):
    for argument, value in arguments.items():
        if value < 1:
            raise ValueError(f"{where}({argument}): expected at least 1, got {value}")


class TimeseriesGenerator(PyDataset):
    """Batches of windows over rows in order of time, each with the target that follows it.

    The window of row i holds the rows `i - length, i - length + sampling_rate, ...` below i; its
    target is `targets[i]`.

    Args:
        data: rows, `(T, ...)`; an array or a list.
        targets: as many.
        length: rows that a window reaches back.
        sampling_rate: rows between the rows of a window.
        stride: rows between windows.
        start_index, end_index: use these rows only, both ends included.
        shuffle: draw windows at random, with replacement, from `numpy.random`.
        reverse: windows begin with the latest row.
        batch_size: windows of a batch.
        kwargs: arguments of `PyDataset`.

    >>> windows = TimeseriesGenerator(np.arange(5), np.arange(5), length=3, batch_size=2)
    >>> x, y = windows[0]
    >>> x.tolist(), y.tolist()
    ([[0, 1, 2], [1, 2, 3]], [3, 4])
    """

    def __init__(
        self,
        data: Any,
        targets: Tensor,
        length: Any,
        sampling_rate: int = 1,
        stride: Size = 1,
        start_index: int = 0,
        end_index: Any = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        where = "TimeseriesGenerator"
        if len(data) != len(targets):
            raise ValueError(
                f"{where}: expected as many targets as rows of data, got {len(targets)} and "
                f"{len(data)}"
            )
        _at_least_one(
            where, length=length, sampling_rate=sampling_rate, stride=stride, batch_size=batch_size
        )
        self.data = data
        self.targets = targets
        self.length = length
        self.sampling_rate = sampling_rate
        self.stride = stride
        self.start_index = start_index + length
        self.end_index = len(data) - 1 if end_index is None else end_index
        self.shuffle = shuffle
        self.reverse = reverse
        self.batch_size = batch_size
        if start_index < 0 or self.end_index >= len(data):
            raise ValueError(
                f"{where}: expected start_index and end_index within the {len(data)} rows, got "
                f"{start_index} and {self.end_index}"
            )
        if self.start_index > self.end_index:
            raise ValueError(
                f"{where}: expected start_index + length of at most end_index, got "
                f"{self.start_index} and {self.end_index}; use a shorter length or more rows"
            )

    def __len__(self) -> int:
        step = self.batch_size * self.stride
        return (self.end_index - self.start_index + step) // step

    def __getitem__(self, index: Any) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(
                f"TimeseriesGenerator: expected a batch below {len(self)}, got {index}"
            )
        if self.shuffle:
            rows = np.random.randint(self.start_index, self.end_index + 1, size=self.batch_size)
        else:
            step = self.batch_size * self.stride
            first = self.start_index + step * (index % len(self))
            rows = np.arange(first, min(first + step, self.end_index + 1), self.stride)
        x = np.array([self.data[row - self.length : row : self.sampling_rate] for row in rows])
        y = np.array([self.targets[row] for row in rows])
        return (x[:, ::-1] if self.reverse else x), y

    def get_config(self) -> Config:
        """Return arguments, with data and targets as JSON texts.

        As in Keras `start_index` is the first row with a target: the argument plus `length`.

        Raises:
            TypeError: data or targets hold what JSON cannot.
        """
        config = {
            "workers": self.workers,
            "use_multiprocessing": self.use_multiprocessing,
            "max_queue_size": self.max_queue_size,
        }
        for name in ("data", "targets"):
            values = getattr(self, name)
            if isinstance(values, (np.ndarray, np.generic)):
                values = values.tolist()
            try:
                config[name] = json.dumps(values)
            except TypeError as error:
                raise TypeError(
                    f"TimeseriesGenerator.get_config: expected {name} that JSON can hold, got "
                    f"{type(values).__name__}: {error}; pass an array or lists of numbers"
                ) from error
        names = (
            "length sampling_rate stride start_index end_index shuffle reverse batch_size"
        ).split()
        return {**config, **{name: getattr(self, name) for name in names}}

    def to_json(self, **kwargs: Any) -> str:
        """Return class name and config as a JSON text; `kwargs` are for `json.dumps`."""
        return json.dumps(
            {"class_name": type(self).__name__, "config": self.get_config()}, **kwargs
        )


def make_sampling_table(size: Any, sampling_factor: float = 1e-5) -> Array:
    """Return the probability to keep the word of each rank, `(size,)`, for `skipgrams`.

    `min(1, sqrt(sampling_factor / f(rank)))` with the frequency f of Zipf's law,
    `f(rank) = 1 / (rank (ln(rank) + 0.577) + 1/2 - 1 / (12 rank))`; Mikolov et al., 2013.

    >>> make_sampling_table(4).round(5).tolist()
    [0.00315, 0.00315, 0.00548, 0.00742]
    """
    _at_least_one("make_sampling_table", size=size)
    rank = np.arange(size)
    rank[0] = 1
    inverse = rank * (np.log(rank) + 0.577) + 0.5 - 1.0 / (12.0 * rank)
    f = sampling_factor * inverse
    return np.minimum(1.0, f / np.sqrt(f))


def skipgrams(
    sequence: Any,
    vocabulary_size: Any,
    window_size: int = 4,
    negative_samples: float = 1.0,
    shuffle: bool = True,
    categorical: bool = False,
    sampling_table: Any = None,
    seed: int | None = None,
) -> tuple[list[Any], list[Any]]:
    """Return pairs of words that stand near each other, label 1, and of random words, label 0.

    Draws from Python's `random`.

    Args:
        sequence: word numbers; 0 is no word and is left out.
        vocabulary_size: random words are in `[1, vocabulary_size)`.
        window_size: how far apart the words of a pair may be.
        negative_samples: random pairs for each true one.
        shuffle: shuffle the pairs.
        categorical: labels are `[0, 1]` and `[1, 0]` rather than 1 and 0.
        sampling_table: probability to use a word, by its number; see `make_sampling_table`.
        seed: of the shuffling.

    Returns:
        Pairs `[word, other]` and labels, two lists of one length.

    >>> skipgrams([1, 2, 3], 4, window_size=1, negative_samples=0, shuffle=False)
    ([[1, 2], [2, 1], [2, 3], [3, 2]], [1, 1, 1, 1])
    """
    pairs = []
    for i, word in enumerate(sequence):
        if not word:
            continue
        if sampling_table is not None and sampling_table[word] < random.random():
            continue
        for j in range(max(0, i - window_size), min(len(sequence), i + window_size + 1)):
            if j != i and sequence[j]:
                pairs.append([word, sequence[j]])
    labels = [1] * len(pairs)
    if negative_samples > 0:
        count = int(len(labels) * negative_samples)
        if count and vocabulary_size < 2:
            raise ValueError(
                f"skipgrams(vocabulary_size): expected at least 2 for random words, got "
                f"{vocabulary_size}"
            )
        words = [pair[0] for pair in pairs]
        random.shuffle(words)
        pairs += [
            [words[i % len(words)], random.randint(1, vocabulary_size - 1)] for i in range(count)
        ]
        labels += [0] * count
    if categorical:
        labels = [[1 - label, label] for label in labels]
    if shuffle:
        seed = random.randint(0, 10**7) if seed is None else seed
        for values in (pairs, labels):
            random.seed(seed)
            random.shuffle(values)
    return pairs, labels


def __dir__() -> list[str]:
    return sorted(__all__)
