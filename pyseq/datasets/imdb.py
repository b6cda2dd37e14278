"""IMDB film reviews as word ids, positive or negative."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._cache import TF_KERAS_DATASETS, cached_file
from ._pickled import load_npz
from ._text import as_object_array, drop_long, encode, limit_vocabulary, load_word_index

if TYPE_CHECKING:
    from pyseq.types import Split

_HASH = "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"
_WORDS_HASH = "bfafd718b763782e994055a2d397834f"


def load_data(
    path: str = "imdb.npz",
    num_words: Any = None,
    skip_top: int = 0,
    maxlen: Any = None,
    seed: int = 113,
    start_char: int = 1,
    oov_char: int = 2,
    index_from: int = 3,
) -> Split:
    """Returns `(x_train, y_train), (x_test, y_test)` of the IMDB reviews, downloaded on first use.

    `x` is an object array of 25,000 lists of word ids, `y` int64 `(25000,)`, 1 for a positive
    review. Id `index_from + k` is the k-th most frequent word, `start_char` opens each review
    (None: nothing does), and 0 is left for padding.

    `num_words` keeps ids below it and `skip_top` ids from it on; the rest become `oov_char`, or
    vanish if that is None. `maxlen` keeps only reviews shorter than it. `seed` orders the reviews.
    `path` is the file's name in the cache. Raises `ConnectionError` when the file is not cached
    and cannot be downloaded.

    A. Maas et al., Learning Word Vectors for Sentiment Analysis, ACL 2011.
    """
    data = load_npz(cached_file(path, TF_KERAS_DATASETS + "imdb.npz", _HASH))
    rng = np.random.RandomState(seed)
    parts = []
    for part in ("train", "test"):
        x, y = data[f"x_{part}"], data[f"y_{part}"]
        order = np.arange(len(x))
        rng.shuffle(order)
        x = encode(x[order], start_char, index_from)
        parts.append(drop_long(x, y[order], maxlen, "imdb.load_data"))
    (x_train, y_train), (x_test, y_test) = parts
    x = as_object_array(limit_vocabulary(x_train + x_test, num_words, skip_top, oov_char))
    return (x[: len(x_train)], y_train), (x[len(x_train) :], y_test)


def get_word_index(path: str = "imdb_word_index.json") -> dict[str, int]:
    """Dict from word to its rank, 1 for the most frequent; add `index_from` for its id."""
    return load_word_index(path, "imdb_word_index.json", _WORDS_HASH)


__all__ = ["get_word_index", "load_data"]


def __dir__() -> list[str]:
    return sorted(__all__)
