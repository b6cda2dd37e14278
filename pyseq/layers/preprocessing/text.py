"""TextVectorization: text to vectors of token numbers or counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq.layers.preprocessing.base import _NumPyLayer, encoded_shape
from pyseq.layers.preprocessing.hashing import token_array
from pyseq.layers.preprocessing.index_lookup import DROPPED, check_vocabulary_config
from pyseq.layers.preprocessing.lookup import StringLookup
from pyseq.layers.preprocessing.numeric import _check_mode, _reject_sparse
from pyseq.registry import serialization
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from pyseq.types import Config, NamedLayerArguments, Path, Shape, Tensor

_PUNCTUATION = str.maketrans("", "", r"""!"#$%&()*+,-./:;<=>?@[\]^_`{|}~'""")
_STANDARDIZE = ("lower_and_strip_punctuation", "lower", "strip_punctuation")
_SPLIT = ("whitespace", "character")


@builtin("layers")
class TextVectorization(_NumPyLayer):
    """Strings to rows of token numbers (0 is padding, 1 an unknown token) or to encoded vectors.

    Text is standardized, split into tokens, joined to n-grams and looked up in a vocabulary.

    Args:
        max_tokens: largest size of the vocabulary, the special tokens included.
        standardize: "lower_and_strip_punctuation", "lower", "strip_punctuation", None, or a
            function of an array of strings.
        split: "whitespace", "character", None, or a function of an array of strings that returns
            a list of tokens for each.
        ngrams: n for all n-grams up to n, or a tuple of sizes.
        output_mode: "int", "multi_hot", "count" or "tf_idf".
        output_sequence_length: cut or pad rows of numbers to this length.
        pad_to_max_tokens: make encoded vectors `max_tokens` long.
        vocabulary: list or path; without it call `adapt(data)`.
        idf_weights: a weight for each token, with output_mode "tf_idf".
        sparse, ragged: accepted as in Keras; only False.
        encoding: kept for configs.

    Works on arrays of strings: before a model, or as the first layer of a Sequential, where it runs
    ahead of the compiled program.

    >>> TextVectorization(vocabulary=["good", "day"])(["Good day!", "day off"]).tolist()
    [[2, 3], [3, 1]]
    """

    def __init__(
        self,
        max_tokens: Any = None,
        standardize: Any = "lower_and_strip_punctuation",
        split: Any = "whitespace",
        ngrams: Any = None,
        output_mode: str = "int",
        output_sequence_length: Any = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        **kwargs: Unpack[NamedLayerArguments],
    ) -> None:
        lookup = {
            "has_input_vocabulary": kwargs.pop("has_input_vocabulary", vocabulary is not None),
            "vocabulary_size": kwargs.pop("vocabulary_size", None),
        }
        super().__init__(name=name, **kwargs)
        _reject_sparse(self.name, sparse)
        if ragged:
            raise ValueError(f"{self.name}: expected ragged=False, got {ragged!r}; rows are padded")
        for what, value, known in (
            ("standardize", standardize, _STANDARDIZE),
            ("split", split, _SPLIT),
        ):
            if value is not None and value not in known and not callable(value):
                raise ValueError(
                    f"{self.name}: expected `{what}` to be one of {known}, None or a function, got "
                    f"{value!r}"
                )
        self.output_mode = _check_mode(
            self.name, output_mode, ("int", "one_hot", "multi_hot", "count", "tf_idf")
        )
        several = isinstance(ngrams, tuple) and all(isinstance(n, int) for n in ngrams)
        if ngrams is not None and not isinstance(ngrams, int) and not several:
            raise ValueError(
                f"{self.name}: expected `ngrams` to be None, an integer or a tuple of integers, "
                f"got {ngrams!r}"
            )
        length = output_sequence_length
        if length is not None and (self.output_mode != "int" or not isinstance(length, int)):
            raise ValueError(
                f"{self.name}: expected `output_sequence_length` to be an integer, with "
                f"output_mode='int' only, got {length!r} with {output_mode!r}"
            )
        self._standardize = standardize
        self._split = split
        self._ngrams_arg = ngrams
        self._ngrams = tuple(range(1, ngrams + 1)) if isinstance(ngrams, int) else ngrams
        self._output_sequence_length = length
        self._encoding = encoding
        # Not an attribute that is tracked: its files belong to this layer.
        object.__setattr__(
            self,
            "_lookup_layer",
            StringLookup(
                max_tokens=max_tokens,
                vocabulary=vocabulary,
                idf_weights=idf_weights,
                pad_to_max_tokens=pad_to_max_tokens,
                mask_token="",
                output_mode=self.output_mode,
                encoding=encoding,
                name=f"{self.name}_lookup",
                **lookup,
            ),
        )

    text_policy = "read"

    # --- text to tokens

    def _as_array(self, inputs):
        return token_array(self.name, inputs).astype(str)

    def _tokens(self, inputs):
        """A list of tokens for each text."""
        x = self._as_array(inputs)
        if callable(self._standardize):
            x = np.asarray(self._standardize(x)).astype(str)
        elif self._standardize is not None:
            x = self._clean(x)
        if self._split is None:
            rows = x.reshape(len(x), -1).tolist() if x.ndim else [[x.item()]]
            return [self._grams(row) for row in rows]
        if x.ndim > 1:
            if x.shape[-1] != 1:
                raise ValueError(
                    f"{self.name}: expected texts (n,) or (n, 1) to split, got shape {x.shape}; "
                    "pass split=None for tokens"
                )
            x = x[..., 0]
        if callable(self._split):
            rows = [list(row) for row in self._split(x)]
        elif self._split == "character":
            rows = [list(text) for text in x.ravel().tolist()]
        else:
            rows = [text.split() for text in x.ravel().tolist()]
        return [self._grams(row) for row in rows]

    def _clean(self, x):
        texts = x.ravel().tolist()
        if self._standardize != "strip_punctuation":
            # Only ASCII letters, as the byte-wise lower() of Keras.
            texts = [_ascii_lower(t) for t in texts]
        if self._standardize != "lower":
            texts = [t.translate(_PUNCTUATION) for t in texts]
        return np.array(texts, dtype=str if texts else "U1").reshape(x.shape)

    def _grams(self, row):
        if self._ngrams is None:
            return row
        return [
            " ".join(row[i : i + n]) for n in self._ngrams for i in range(len(row) - n + 1)
        ]

    # --- vocabulary

    def adapt(self, data: Any, batch_size: int | None = None, steps: Any = None) -> None:
        """Learn the vocabulary from texts: an array, a list, or an iterable of batches."""
        self.reset_state()
        if isinstance(data, (list, tuple, np.ndarray)) or hasattr(data, "__array__"):
            self.update_state(data)
        else:
            for i, batch in enumerate(data):
                if steps is not None and i >= steps:
                    break
                self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Count the tokens of some texts."""
        self._lookup_layer._count(self._tokens(np.atleast_1d(data)))

    def finalize_state(self) -> None:
        """Turn the counts into the vocabulary."""
        self._lookup_layer.finalize_state()

    def reset_state(self) -> None:
        """Forget the counts."""
        self._lookup_layer.reset_state()

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """The tokens in the order of their numbers."""
        return self._lookup_layer.get_vocabulary(include_special_tokens)

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Set the tokens: a list, an array or the path of a text file."""
        self._lookup_layer.set_vocabulary(vocabulary, idf_weights)

    def vocabulary_size(self) -> int:
        """Number of tokens, the special ones included."""
        return self._lookup_layer.vocabulary_size()

    # --- output

    def compute_output_shape(self, input_shape: Any) -> Any:
        if self.output_mode == "int":
            return (input_shape[0], self._output_sequence_length)
        rows = tuple(input_shape)
        rows = (*rows, None) if self._split is not None and len(rows) == 1 else rows
        return encoded_shape((rows[0], None), self.output_mode, self._lookup_layer._depth())

    def integer_dtype(self) -> Any:
        return "int64" if self.output_mode == "int" else None

    def apply(self, x: Tensor, training: Any) -> Any:
        single = np.ndim(x) == 0
        lookup = self._lookup_layer
        lookup.require_vocabulary(self.name)
        rows = self._tokens(np.atleast_1d(x))
        longest = max((len(row) for row in rows), default=0)
        length = self._output_sequence_length
        length = longest if length is None else length
        if self.output_mode != "int":
            length = longest
        indices = np.full((len(rows), length), 0 if self.output_mode == "int" else DROPPED)
        for i, row in enumerate(rows):
            cut = row[:length]
            if cut:
                indices[i, : len(cut)] = lookup._indices(np.array(cut, dtype=str))
        out = indices if self.output_mode == "int" else lookup._encode(indices)
        return out[0] if single else out

    def text_step(self, shape: Shape) -> Any:
        """What C++ does in place of the layer, for samples of `shape`; a dict of plain data.

        Raises:
            ValueError: there is no vocabulary, `standardize` or `split` is a function, rows of
                numbers have no fixed length, or samples hold several texts to split.
        """
        self._lookup_layer.require_vocabulary(self.name)
        for what, value in (("standardize", self._standardize), ("split", self._split)):
            if callable(value):
                raise ValueError(
                    f"{self.name}: expected `{what}` by name in a layer to export, got the "
                    f"function {getattr(value, '__name__', value)!r}, which C++ cannot run; apply "
                    f"it to the texts before `predict`, with {what}=None"
                )
        if self.output_mode == "one_hot":
            raise ValueError(
                f"{self.name}: expected output_mode 'int', 'multi_hot', 'count' or 'tf_idf' in a "
                "layer to export, got 'one_hot', whose rows have no fixed length"
            )
        ids, length = self.output_mode == "int", self._output_sequence_length
        if ids and (length is None or length < 1):
            raise ValueError(
                f"{self.name}: expected rows of one length in a layer to export, got "
                f"output_sequence_length={length}; set it"
            )
        step = self._lookup_layer.text_step(shape)
        if self._split is not None and step["texts"] != 1:
            raise ValueError(
                f"{self.name}: expected one text in a sample to split, got samples of {shape}; "
                "pass split=None for tokens"
            )
        clean = self._standardize or ""
        return {
            **step,
            "name": self.name,
            "lower": clean.startswith("lower"),
            "strip_punctuation": clean.endswith("strip_punctuation"),
            "split": self._split or "none",
            "ngrams": [1] if self._ngrams is None else list(self._ngrams),
            "length": length if ids else step["length"],
            "groups": 1,
        }

    def lower(self, g: Any, x: Tensor) -> Any:
        raise ValueError(
            f"{self.name}: expected a layer on numbers at this place of a model, got one on text; "
            "put it first in a Sequential, or apply it to the data before `fit` and `predict`"
        )

    # --- files and configuration

    def build(self, input_shape: Any = None) -> None:
        pass

    def save_own_variables(self, store: Any) -> None:
        self._lookup_layer.save_own_variables(store)

    def load_own_variables(self, store: Any) -> None:
        self._lookup_layer.load_own_variables(store)

    def get_assets(self) -> Any:
        """The learned vocabulary as `{file name: bytes}`."""
        return self._lookup_layer.get_assets()

    def set_assets(self, assets: Any) -> None:
        """Take over what `get_assets` returned."""
        self._lookup_layer.set_assets(assets)

    def save_assets(self, dir_path: Path) -> None:
        """Write the learned vocabulary."""
        self._lookup_layer.save_assets(dir_path)

    def load_assets(self, dir_path: Path) -> None:
        """Read what `save_assets` wrote."""
        self._lookup_layer.load_assets(dir_path)

    def get_config(self) -> Config:
        lookup = self._lookup_layer.get_config()
        function = serialization.serialize_keras_object
        standardize, split = self._standardize, self._split
        return {
            **super().get_config(),
            "max_tokens": lookup["max_tokens"],
            "standardize": function(standardize) if callable(standardize) else standardize,
            "split": function(split) if callable(split) else split,
            "ngrams": self._ngrams_arg,
            "output_mode": self.output_mode,
            "output_sequence_length": self._output_sequence_length,
            "pad_to_max_tokens": lookup["pad_to_max_tokens"],
            "sparse": False,
            "ragged": False,
            "vocabulary": lookup["vocabulary"],
            "idf_weights": lookup["idf_weights"],
            "encoding": self._encoding,
            "vocabulary_size": lookup["vocabulary_size"],
        }

    @classmethod
    def from_config(cls, config: Config) -> Self:
        config = dict(config)
        check_vocabulary_config(cls.__name__, config)
        for key in ("standardize", "split"):
            if isinstance(config.get(key), dict):
                config[key] = serialization.deserialize_keras_object(config[key])
        if isinstance(config.get("ngrams"), list):
            config["ngrams"] = tuple(config["ngrams"])
        return cls(**config)


def _ascii_lower(text):
    return text.lower() if text.isascii() else text.translate(_ASCII_LOWER)


_ASCII_LOWER = {c: c + 32 for c in range(ord("A"), ord("Z") + 1)}
