"""Reuters newswires as word ids, in 46 topics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._cache import TF_KERAS_DATASETS, cached_file
from ._pickled import load_npz
from ._split import check_test_split
from ._text import as_object_array, drop_long, encode, limit_vocabulary, load_word_index

if TYPE_CHECKING:
    from pyseq.types import Split

_HASH = "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916"
_WORDS_HASH = "4d44cc38712099c9e383dc6e5f11a921"
_TOPICS = (
    "cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade reserves "
    "ship cotton carcass crude nat-gas cpi money-fx interest gnp meal-feed alum oilseed gold tin "
    "strategic-metal livestock retail ipi iron-steel rubber heat jobs lei bop zinc orange pet-chem "
    "dlr gas silver wpi hog lead"
)


def load_data(
    path: str = "reuters.npz",
    num_words: Any = None,
    skip_top: int = 0,
    maxlen: Any = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int = 1,
    oov_char: int = 2,
    index_from: int = 3,
) -> Split:
    """Returns `(x_train, y_train), (x_test, y_test)` of 11,228 newswires, downloaded on first use.

    `x` is an object array of lists of word ids, `y` int64 `(N,)` with values 0 to 45 (see
    `get_label_names`). `test_split` is the fraction to test on; the other arguments are those of
    `imdb.load_data`. Raises `ConnectionError` when the file is not cached and cannot be downloaded.

    D. Lewis, Reuters-21578, 1987; prepared for Keras.
    """
    check_test_split(test_split, "reuters.load_data")
    data = load_npz(cached_file(path, TF_KERAS_DATASETS + "reuters.npz", _HASH))
    order = np.arange(len(data["x"]))
    np.random.RandomState(seed).shuffle(order)
    x = encode(data["x"][order], start_char, index_from)
    x, y = drop_long(x, data["y"][order], maxlen, "reuters.load_data")
    x = as_object_array(limit_vocabulary(x, num_words, skip_top, oov_char))
    cut = int(len(x) * (1 - test_split))
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])


def get_word_index(path: str = "reuters_word_index.json") -> dict[str, int]:
    """Dict from word to its rank, 1 for the most frequent; add `index_from` for its id."""
    return load_word_index(path, "reuters_word_index.json", _WORDS_HASH)


def get_label_names() -> tuple[str, ...]:
    """Names of the 46 topics, in the order of the labels.

    >>> from pyseq.datasets import reuters
    >>> reuters.get_label_names()[3]
    'earn'
    """
    return tuple(_TOPICS.split())


__all__ = ["get_label_names", "get_word_index", "load_data"]


def __dir__() -> list[str]:
    return sorted(__all__)
