from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from ._cache import TF_KERAS_DATASETS, cached_file

if TYPE_CHECKING:
    from pyseq.types import Tensor


def encode(sequences: Tensor, start_char: Any, index_from: Any) -> Any:
    """Shifts word ids by `index_from` and puts `start_char` in front, unless it is None."""
    shift = index_from if start_char is not None else index_from or 0
    head = [] if start_char is None else [start_char]
    return [head + [word + shift for word in words] for words in sequences]


def drop_long(sequences: Tensor, labels: Tensor, maxlen: Any, where: Any) -> Any:
    """Keeps the sequences shorter than `maxlen`; None or 0 keeps all."""
    if not maxlen:
        return sequences, labels
    kept = [i for i, words in enumerate(sequences) if len(words) < maxlen]
    if not kept:
        raise ValueError(
            f"{where}: expected maxlen above the length of some sequence, got {maxlen}; increase it"
        )
    return [sequences[i] for i in kept], labels[kept]


def limit_vocabulary(sequences: Tensor, num_words: Any, skip_top: Any, oov_char: Any) -> Any:
    """Replaces ids outside `[skip_top, num_words)` by `oov_char`, or drops them if it is None."""
    if not num_words:
        # Keras leaves out the largest id here, and files of results depend on it.
        num_words = max(max(words) for words in sequences)
    if oov_char is None:
        return [[w for w in words if skip_top <= w < num_words] for words in sequences]
    return [[w if skip_top <= w < num_words else oov_char for w in words] for words in sequences]


def as_object_array(sequences: Tensor) -> Any:
    array = np.empty(len(sequences), dtype=object)
    array[:] = sequences
    return array


def load_word_index(path: Any, name: str, file_hash: Any) -> Any:
    with open(cached_file(path, TF_KERAS_DATASETS + name, file_hash), encoding="utf-8") as file:
        return json.load(file)
