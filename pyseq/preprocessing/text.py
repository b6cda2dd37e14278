"""Texts to sequences of word numbers and to matrices, as scripts of Keras 2 do it."""

from __future__ import annotations

import collections
import hashlib
import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq.registry import limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyseq.types import Array, Config, Tensor

_FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
_MODES = ("binary", "count", "freq", "tfidf")


def _check_text(text, where):
    if not isinstance(text, str):
        raise TypeError(
            f"{where}: expected a string, got {type(text).__name__}: {repr(text)[:80]}; remove "
            f"missing values or turn them into strings"
        )


def text_to_word_sequence(
    input_text: Any, filters: str = _FILTERS, lower: bool = True, split: Any = " "
) -> list[str]:
    """Return the words of a text.

    Args:
        filters: characters that separate words as `split` does.
        lower: put the text in lower case.
        split: what separates words.

    >>> text_to_word_sequence("The cat, the hat.")
    ['the', 'cat', 'the', 'hat']
    """
    _check_text(input_text, "text_to_word_sequence")
    if lower:
        input_text = input_text.lower()
    input_text = input_text.translate(str.maketrans(dict.fromkeys(filters, split)))
    return [word for word in input_text.split(split) if word]


def hashing_trick(
    text: Any,
    n: int,
    hash_function: Any = None,
    filters: str = _FILTERS,
    lower: bool = True,
    split: Any = " ",
    analyzer: Any = None,
) -> list[int]:
    """Return a number in [1, n) for each word of a text; several words may share one.

    Args:
        n: one more than the largest number.
        hash_function: a function of a word, `"md5"`, or None for Python's `hash`, which differs
            from one run to the next.
        filters, lower, split: as in `text_to_word_sequence`.
        analyzer: function that returns the words of a text, instead.

    >>> hashing_trick("a cat a", 100, hash_function="md5")
    [92, 3, 92]
    """
    if n < 2:
        raise ValueError(f"hashing_trick(n): expected at least 2, got {n}")
    if hash_function is None:
        hash_function = hash
    elif hash_function == "md5":

        def hash_function(word):
            return int(hashlib.md5(word.encode(), usedforsecurity=False).hexdigest(), 16)

    elif not callable(hash_function):
        raise ValueError(
            f"hashing_trick(hash_function): expected None, 'md5' or a function, got "
            f"{hash_function!r}"
        )
    if analyzer is None:
        words = text_to_word_sequence(text, filters=filters, lower=lower, split=split)
    else:
        words = analyzer(text)
    return [hash_function(word) % (n - 1) + 1 for word in words]


def one_hot(
    input_text: Any,
    n: int,
    filters: str = _FILTERS,
    lower: bool = True,
    split: Any = " ",
    analyzer: Any = None,
) -> list[int]:
    """Return a number in [1, n) for each word of a text, from Python's `hash`.

    The arguments are those of `hashing_trick`.

    >>> first, second = one_hot("Cat cat", 50)
    >>> first == second
    True
    """
    return hashing_trick(
        input_text, n, filters=filters, lower=lower, split=split, analyzer=analyzer
    )


class Tokenizer:
    """Numbers words by how often they occur: 1 for the most frequent one; 0 is no word.

    Args:
        num_words: only words below this number are used: the `num_words - 1` most frequent ones.
        filters, lower, split: as in `text_to_word_sequence`.
        char_level: number characters rather than words.
        oov_token: stands for words that are not known; it gets number 1. None leaves them out.
        analyzer: function that returns the words of a text, instead.

    A text may also be a list of words.

    Attributes:
        word_counts: how often each word occurred.
        word_docs: in how many texts each word occurred.
        word_index, index_word: word to number, number to word.
        index_docs: in how many texts each number occurred.
        document_count: how many texts it has seen.

    >>> tokenizer = Tokenizer()
    >>> tokenizer.fit_on_texts(["the cat", "the hat"])
    >>> tokenizer.texts_to_sequences(["the hat sat"])
    [[1, 3]]
    """

    def __init__(
        self,
        num_words: Any = None,
        filters: str = _FILTERS,
        lower: bool = True,
        split: Any = " ",
        char_level: bool = False,
        oov_token: Any = None,
        analyzer: Any = None,
        **kwargs: Any,
    ) -> None:
        if "nb_words" in kwargs:
            warnings.warn("Tokenizer: nb_words is now called num_words", stacklevel=2)
            num_words = kwargs.pop("nb_words")
        document_count = kwargs.pop("document_count", 0)
        if kwargs:
            raise TypeError(
                f"Tokenizer: expected the arguments of its signature, got also {sorted(kwargs)}"
            )
        self.num_words = num_words
        self.filters = filters
        self.lower = lower
        self.split = split
        self.char_level = char_level
        self.oov_token = oov_token
        self.analyzer = analyzer
        self.document_count = document_count
        self.word_counts = collections.OrderedDict()
        self.word_docs = collections.defaultdict(int)
        self.index_docs = collections.defaultdict(int)
        self.word_index = {}
        self.index_word = {}

    def _words(self, text):
        if isinstance(text, list):
            if not self.lower:
                return text
            for word in text:
                _check_text(word, "Tokenizer(lower=True)")
            return [word.lower() for word in text]
        if self.char_level:
            _check_text(text, "Tokenizer")
            return text.lower() if self.lower else text
        if self.analyzer is not None:
            return self.analyzer(text)
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def fit_on_texts(self, texts: Any) -> None:
        """Count the words of texts and number all words seen so far.

        Args:
            texts: strings or lists of words; may be a generator.
        """
        counts, docs, texts_seen = collections.Counter(), collections.Counter(), 0
        for text in texts:
            words = self._words(text)
            texts_seen += 1
            counts.update(words)
            docs.update(dict.fromkeys(words, 1))
        # Only now, so that a text that is none changes nothing.
        self.document_count += texts_seen
        for total, new in ((self.word_counts, counts), (self.word_docs, docs)):
            for word, count in new.items():
                total[word] = total.get(word, 0) + count
        ranked = sorted(self.word_counts, key=self.word_counts.get, reverse=True)
        if self.oov_token is not None:
            ranked.insert(0, self.oov_token)
        self.word_index = {word: index for index, word in enumerate(ranked, 1)}
        self.index_word = {index: word for word, index in self.word_index.items()}
        for word, count in self.word_docs.items():
            self.index_docs[self.word_index[word]] = count

    def fit_on_sequences(self, sequences: Tensor) -> None:
        """Count in how many sequences of numbers each number occurs, for mode `"tfidf"`.

        Needed only without `fit_on_texts`.
        """
        self.document_count += len(sequences)
        for sequence in sequences:
            for index in set(sequence):
                self.index_docs[index] = self.index_docs.get(index, 0) + 1

    def texts_to_sequences(self, texts: Any) -> list[list[int]]:
        """Return a list of word numbers for each text; words that are not known are left out."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Any) -> Iterator[Any]:
        """Yield what `texts_to_sequences` returns."""
        unknown = self.word_index.get(self.oov_token)
        for text in texts:
            sequence = []
            for word in self._words(text):
                index = self.word_index.get(word)
                if index is None or (self.num_words and index >= self.num_words):
                    index = unknown
                if index is not None:
                    sequence.append(index)
            yield sequence

    def sequences_to_texts(self, sequences: Tensor) -> list[str]:
        """Return the words of each sequence of numbers, joined by spaces."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Tensor) -> Iterator[Any]:
        """Yield what `sequences_to_texts` returns."""
        unknown = self.index_word.get(self.word_index.get(self.oov_token))
        for sequence in sequences:
            words = []
            for index in sequence:
                word = self.index_word.get(index)
                if word is None or (self.num_words and index >= self.num_words):
                    word = unknown
                if word is not None:
                    words.append(word)
            yield " ".join(words)

    def texts_to_matrix(self, texts: Any, mode: str = "binary") -> Array:
        """Return `sequences_to_matrix` of texts."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode=mode)

    def sequences_to_matrix(self, sequences: Tensor, mode: str = "binary") -> Array:
        """Return an array `(len(sequences), num_words)`, float64, with a column for each number.

        Args:
            sequences: lists of word numbers.
            mode: `"binary"`: 1 where the word occurs; `"count"`: how often; `"freq"`: its share
                of the sequence; `"tfidf"`: `(1 + ln count) ln(1 + texts / (1 + texts with it))`.

        >>> Tokenizer(num_words=3).sequences_to_matrix([[1, 1, 2]], mode="count").tolist()
        [[0.0, 2.0, 1.0]]
        """
        where = "sequences_to_matrix"
        if mode not in _MODES:
            raise ValueError(f"{where}(mode): expected one of {_MODES}, got {mode!r}")
        if not self.num_words and not self.word_index:
            raise ValueError(
                f"{where}: expected num_words or a fitted Tokenizer, got neither; pass num_words, "
                f"or call fit_on_texts first"
            )
        if mode == "tfidf" and not self.document_count:
            raise ValueError(
                f"{where}: expected a fitted Tokenizer for mode 'tfidf'; call fit_on_texts or "
                f"fit_on_sequences first"
            )
        columns = self.num_words or len(self.word_index) + 1
        x = np.zeros((len(sequences), columns))
        for row, sequence in zip(x, sequences):
            for index, count in collections.Counter(sequence).items():
                if index >= columns:
                    continue
                if mode == "binary":
                    row[index] = 1
                elif mode == "count":
                    row[index] = count
                elif mode == "freq":
                    row[index] = count / len(sequence)
                else:
                    texts = self.document_count / (1 + self.index_docs.get(index, 0))
                    row[index] = (1 + np.log(count)) * np.log(1 + texts)
        return x

    def get_config(self) -> Config:
        """Return arguments, and what was counted as JSON texts; the analyzer is not part of it."""
        return {
            "num_words": self.num_words,
            "filters": self.filters,
            "lower": self.lower,
            "split": self.split,
            "char_level": self.char_level,
            "oov_token": self.oov_token,
            "document_count": self.document_count,
            **{name: json.dumps(getattr(self, name)) for name in _COUNTED},
        }

    def to_json(self, **kwargs: Any) -> str:
        """Return a JSON text for `tokenizer_from_json`; `kwargs` are for `json.dumps`."""
        return json.dumps(
            {"class_name": type(self).__name__, "config": self.get_config()}, **kwargs
        )


# Attributes in the config: types of keys (numbers are strings in JSON) and of values.
_COUNTED = {
    "word_counts": (str, int),
    "word_docs": (str, int),
    "index_docs": (int, int),
    "index_word": (int, str),
    "word_index": (str, int),
}
_ARGUMENTS = {
    "num_words": (int, type(None)),
    "filters": str,
    "lower": bool,
    "split": str,
    "char_level": bool,
    "oov_token": (str, type(None)),
    "document_count": int,
}


def _parse(text, where):
    if not isinstance(text, (str, bytes)):
        raise TypeError(f"{where}: expected a JSON text, got {type(text).__name__}")
    if len(text) > limits.MAX_JSON_BYTES:
        raise ValueError(
            f"{where}: expected at most {limits.MAX_JSON_BYTES} characters, got {len(text)}"
        )
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: expected a JSON text, got {text[:40]!r}: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected a JSON object, got {text[:40]!r}")
    return value


def _counted(text, where, key_type, value_type):
    values = _parse(text, where)
    try:
        values = {key_type(key): value for key, value in values.items()}
    except ValueError as error:
        raise ValueError(f"{where}: expected numbers as keys: {error}") from error
    for value in values.values():
        if type(value) is not value_type:
            raise ValueError(f"{where}: expected {value_type.__name__} values, got {value!r}")
    return values


def tokenizer_from_json(json_string: Any) -> Tokenizer:
    """Return the `Tokenizer` of a text that `Tokenizer.to_json` made.

    Raises:
        ValueError: the text is no such JSON.

    >>> tokenizer_from_json(Tokenizer(num_words=9).to_json()).num_words
    9
    """
    where = "tokenizer_from_json"
    config = _parse(json_string, where).get("config")
    if not isinstance(config, dict):
        raise ValueError(f"{where}: expected a config, got {config!r}; make the text with to_json")
    wrong = (_COUNTED.keys() - config.keys()) | (
        config.keys() - _COUNTED.keys() - _ARGUMENTS.keys()
    )
    if wrong:
        raise ValueError(
            f"{where}: expected a config with {[*_ARGUMENTS, *_COUNTED]}, got one that lacks or "
            f"adds {sorted(wrong)}; make the text with to_json"
        )
    for name, types in _ARGUMENTS.items():
        if name in config and not isinstance(config[name], types):
            raise ValueError(f"{where}: {name}: expected {types}, got {config[name]!r}")
    tokenizer = Tokenizer(**{name: config[name] for name in _ARGUMENTS if name in config})
    for name, types in _COUNTED.items():
        setattr(tokenizer, name, _counted(config[name], f"{where}: {name}", *types))
    return tokenizer


__all__ = ["Tokenizer", "hashing_trick", "one_hot", "text_to_word_sequence", "tokenizer_from_json"]


def __dir__() -> list[str]:
    return sorted(__all__)
