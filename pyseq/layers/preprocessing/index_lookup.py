"""What `IntegerLookup` and `StringLookup` share: a vocabulary and the indices of its tokens."""

from __future__ import annotations

import collections
import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, revision, settings
from pyseq.layers.preprocessing import table_ops
from pyseq.layers.preprocessing.base import _NumPyLayer, encode, encoded_shape
from pyseq.layers.preprocessing.hashing import hash_bins, standardize_salt, token_array
from pyseq.layers.preprocessing.numeric import _check_mode, _plain, _reject_sparse

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from pyseq.types import Config, NamedLayerArguments, Path, Tensor

_MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")
DROPPED = -1  # index of a masked token where the output has no place for it


class IndexLookup(_NumPyLayer):
    """What both lookups share; `_kind` is "int" or "string"."""

    _kind = "int"

    def __init__(
        self,
        max_tokens: Any,
        num_oov_indices: Any,
        mask_token: Any,
        oov_token: Any,
        vocabulary: Any,
        idf_weights: Any,
        invert: Any,
        output_mode: str,
        sparse: Any,
        pad_to_max_tokens: Any,
        oov_method: Any,
        salt: Any,
        name: str,
        **kwargs: Unpack[NamedLayerArguments],
    ) -> None:
        self._has_input_vocabulary = kwargs.pop("has_input_vocabulary", vocabulary is not None)
        self._saved_size = kwargs.pop("vocabulary_size", None)
        kwargs.pop("trainable", None)
        kwargs.pop("dtype", None)
        super().__init__(name=name, **kwargs)
        where = self.name
        if max_tokens is not None and max_tokens <= 1:
            raise ValueError(f"{where}: expected max_tokens above 1, got {max_tokens}")
        if pad_to_max_tokens and max_tokens is None:
            raise ValueError(
                f"{where}: expected `max_tokens` with pad_to_max_tokens=True, got None"
            )
        if num_oov_indices < 0:
            raise ValueError(f"{where}: expected num_oov_indices >= 0, got {num_oov_indices}")
        if oov_method not in ("floormod", "farmhash"):
            raise ValueError(
                f"{where}: expected oov_method 'floormod' or 'farmhash', got {oov_method!r}"
            )
        if salt is not None and self._kind == "int" and oov_method != "farmhash":
            raise ValueError(f"{where}: expected `salt` with oov_method='farmhash' only")
        _reject_sparse(where, sparse)
        self.output_mode = _check_mode(where, output_mode, _MODES)
        if invert and self.output_mode != "int":
            raise ValueError(
                f"{where}: expected output_mode='int' with invert=True, got {output_mode!r}"
            )
        if idf_weights is not None and self.output_mode != "tf_idf":
            raise ValueError(
                f"{where}: expected `idf_weights` with output_mode='tf_idf' only, got "
                f"{output_mode!r}"
            )
        if self.output_mode == "tf_idf" and vocabulary is not None and idf_weights is None:
            raise ValueError(f"{where}: expected `idf_weights` with a vocabulary and 'tf_idf'")
        self.max_tokens = max_tokens
        self.num_oov_indices = num_oov_indices
        self.mask_token = mask_token
        self.oov_token = oov_token
        self.invert = bool(invert)
        self.sparse = False
        self.pad_to_max_tokens = bool(pad_to_max_tokens)
        self.oov_method = oov_method
        self.salt = standardize_salt(where, salt)
        self.input_vocabulary = None if isinstance(vocabulary, str) else vocabulary
        self.input_idf_weights = idf_weights
        self.idf_weights = None
        self._tokens = []
        self._index = {}
        self._known = False  # whether the tokens are given or learned
        self.reset_state()
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)

    # --- vocabulary

    def _oov_start(self):
        return 1 if self.mask_token is not None and self.output_mode == "int" else 0

    def _token_start(self):
        return self._oov_start() + self.num_oov_indices

    def vocabulary_size(self) -> int:
        """Number of indices: mask, out-of-vocabulary slots and tokens."""
        return len(self._tokens) + self._token_start()

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """The tokens in the order of their indices.

        Args:
            include_special_tokens: whether mask and out-of-vocabulary tokens come first.
        """
        if not include_special_tokens:
            return list(self._tokens)
        mask = [self.mask_token] * self._oov_start()
        return [*mask, *[self.oov_token] * self.num_oov_indices, *self._tokens]

    def _plain_tokens(self, tokens):
        tokens = token_array(f"{self.name}: vocabulary", list(tokens) if len(tokens) else [""])
        if tokens.ndim != 1:
            raise ValueError(f"{self.name}: expected a list of tokens, got shape {tokens.shape}")
        convert = str if self._kind == "string" else int
        return [convert(t) for t in tokens.tolist()]

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Set the tokens: a list, an array, or the path of a text file with one for each line."""
        if (self.output_mode == "tf_idf") != (idf_weights is not None):
            raise ValueError(
                f"{self.name}.set_vocabulary: expected `idf_weights` with output_mode='tf_idf' and "
                f"only then, got output_mode={self.output_mode!r}"
            )
        if isinstance(vocabulary, (str, os.PathLike)):
            with open(vocabulary, encoding="utf-8") as file:
                vocabulary = file.read().splitlines()
            if self._kind == "int":
                vocabulary = [int(line) for line in vocabulary]
        if len(vocabulary) == 0:
            raise ValueError(f"{self.name}.set_vocabulary: expected tokens, got an empty list")
        start = self._token_start()
        given = self._plain_tokens(vocabulary)
        special = self.get_vocabulary()[:start]
        has_special = start > 0 and given[:start] == special
        tokens = given[start:] if has_special else given
        self._check_tokens(tokens, special)
        if self.output_mode == "tf_idf":
            dtypes.check_numbers(idf_weights, f"{self.name}(idf_weights)")
            self._set_idf(np.asarray(idf_weights, np.float64), len(given), has_special)
        self._set_tokens(tokens)

    def _check_tokens(self, tokens, special):
        where = f"{self.name}.set_vocabulary"
        repeated = [t for t, n in collections.Counter(tokens).items() if n > 1]
        if repeated:
            raise ValueError(f"{where}: expected different tokens, got {repeated[:5]} repeatedly")
        reserved = [self.mask_token] + ([self.oov_token] if self.invert else [])
        for token in reserved:
            if token is not None and token in tokens:
                raise ValueError(
                    f"{where}: expected the reserved token {token!r} nowhere or in front, as in "
                    f"{special}, got it at place {tokens.index(token)}"
                )
        size = self._token_start() + len(tokens)
        if self.max_tokens is not None and size > self.max_tokens:
            raise ValueError(
                f"{where}: expected at most max_tokens={self.max_tokens} tokens with the special "
                f"ones, got {size}"
            )

    def _set_idf(self, weights, count, has_special):
        if weights.ndim != 1 or len(weights) != count:
            raise ValueError(
                f"{self.name}: expected `idf_weights` of one number for each of {count} tokens, "
                f"got shape {weights.shape}"
            )
        if not has_special:
            # Nothing is known about tokens outside the vocabulary: they get the mean.
            weights = np.concatenate([np.full(self._token_start(), weights.mean()), weights])
        if self.pad_to_max_tokens:
            weights = np.pad(weights, (0, self.max_tokens - len(weights)))
        self.idf_weights = weights.astype(settings.floatx)

    def _set_tokens(self, tokens):
        self._known = True
        revision.touch()
        self._tokens = list(tokens)
        start = self._token_start()
        self._index = {t: i + start for i, t in enumerate(self._tokens)}

    def require_vocabulary(self, where: Any) -> None:
        """Raise a ValueError that begins with `where` if no tokens were given or learned."""
        if not self._known:
            raise ValueError(
                f"{where}: expected a vocabulary, got none; pass `vocabulary=` or call `adapt` "
                "with data that holds tokens"
            )

    # --- adapt

    def adapt(self, data: Any, steps: Any = None) -> None:
        """Learn the vocabulary from an array, a list, or an iterable of batches.

        Tokens are ordered by how often they occur, ties from high to low; `max_tokens` keeps the
        most frequent ones.
        """
        self.reset_state()
        if isinstance(data, (list, tuple, np.ndarray)) or hasattr(data, "__array__"):
            x = self._as_array(data)
            self.update_state(x[:, None] if x.ndim == 1 else x)
        else:
            for i, batch in enumerate(data):
                if steps is not None and i >= steps:
                    break
                self.update_state(batch)
        self.finalize_state()

    def reset_state(self) -> None:
        """Forget the counts that `update_state` collected."""
        self._counts = collections.Counter()
        self._documents = collections.Counter()
        self._num_documents = 0

    def update_state(self, data: Any) -> None:
        """Count the tokens of an array; its rows are documents."""
        x = self._as_array(data)
        if x.ndim < 2:
            x = x.reshape(1, -1)
        self._count(x.reshape(len(x), math.prod(x.shape[1:])).tolist())

    def _count(self, rows):
        if self._has_input_vocabulary:
            raise ValueError(
                f"{self.name}.adapt: expected a layer without a given vocabulary; create it "
                "without `vocabulary`"
            )
        for row in rows:
            self._counts.update(row)
            if self.output_mode == "tf_idf":
                self._documents.update(set(row))
        self._num_documents += len(rows)

    def finalize_state(self) -> None:
        """Turn the counts into the vocabulary."""
        if self._has_input_vocabulary or not self._counts:
            return
        for token in (self.mask_token, self.oov_token):
            self._counts.pop(token, None)
        key = (lambda t: t.encode("utf-8")) if self._kind == "string" else (lambda t: t)
        tokens = sorted(self._counts, key=lambda t: (self._counts[t], key(t)), reverse=True)
        if self.max_tokens:
            tokens = tokens[: self.max_tokens - self._token_start()]
        if self.output_mode == "tf_idf":
            seen = np.array([self._documents[t] for t in tokens], np.float64)
            self._set_idf(np.log(1 + self._num_documents / (1 + seen)), len(tokens), False)
        self._set_tokens(tokens)
        self.reset_state()

    # --- lookup

    def _as_array(self, inputs):
        x = token_array(self.name, inputs)
        if (x.dtype.kind == "U") != (self._kind == "string" and not self.invert):
            if self._kind == "string" and not self.invert:
                return x.astype(str)
            raise TypeError(f"{self.name}: expected integers, got strings")
        return x

    def _indices(self, x):
        """Index of each token; `DROPPED` for masked ones unless output_mode is "int"."""
        flat = x.ravel().tolist()
        found = np.array([self._index.get(t, -2) for t in flat], np.int64).reshape(x.shape)
        missing = found == -2
        masked = np.zeros(x.shape, bool)
        if self.mask_token is not None:
            masked = x == self.mask_token
        missing &= ~masked
        if missing.any():
            if self.num_oov_indices == 0:
                raise ValueError(
                    f"{self.name}: expected tokens of the vocabulary with num_oov_indices=0, got "
                    f"{x[missing][:5].tolist()}; set num_oov_indices=1"
                )
            found[missing] = self._oov_start() + self._oov_slots(x[missing])
        found[masked] = 0 if self.output_mode == "int" else DROPPED
        return found

    def _oov_slots(self, tokens):
        if self.num_oov_indices == 1:
            return 0
        if self._kind == "int" and self.oov_method == "floormod":
            return np.mod(tokens, self.num_oov_indices)
        return hash_bins(tokens, self.num_oov_indices, self.salt)

    def _depth(self):
        if self.pad_to_max_tokens:
            return self.max_tokens
        if not self._known and self._saved_size is not None:
            return self._saved_size
        self.require_vocabulary(self.name)
        return self.vocabulary_size()

    def compute_output_shape(self, input_shape: Any) -> Any:
        if self.output_mode == "int":
            return tuple(input_shape)
        return encoded_shape(input_shape, self.output_mode, self._depth())

    def integer_dtype(self) -> Any:
        return "int64" if self.output_mode == "int" else None

    def apply(self, x: Tensor, training: Any) -> Any:
        self.require_vocabulary(self.name)
        x = self._as_array(x)
        if self.invert:
            start = self._token_start()
            table = dict(enumerate(self._tokens, start))
            if self.mask_token is not None:
                table[0] = self.mask_token
            words = [table.get(i, self.oov_token) for i in x.ravel().tolist()]
            dtype = object if self._kind == "string" else np.int64
            return np.array(words, dtype).reshape(x.shape)
        return self._encode(self._indices(x))

    def _encode(self, indices):
        if self.output_mode != "tf_idf":
            return encode(indices, self.output_mode, self._depth(), np.int64)
        counts = encode(indices, "count", self._depth(), self.idf_weights.dtype)
        return counts * self.idf_weights

    def lower(self, g: Any, x: Tensor) -> Any:
        if self._kind == "string":
            raise ValueError(
                f"{self.name}: expected a layer from numbers to numbers at this place of a model, "
                "got one on strings; put it first in a Sequential, or apply it to the data before "
                "`fit` and `predict`"
            )
        return super().lower(g, x)

    # --- ops of the core

    def _fingerprint(self):
        return (super()._fingerprint(), revision.Same(self._tokens))

    @property
    def _prefers_python(self):
        return self.num_oov_indices == 0 and not self.invert

    def without_ops(self, g: Any, x: Tensor) -> Any:
        if not self._known:
            return "it has no vocabulary yet; call `adapt`"
        whole, limit = x.slot in g.int64, table_ops.exact_below(g)
        told_apart = not whole or (g.dtype == "float64" and x.dtype in ("int32", "uint32"))
        special = [self.mask_token, self.oov_token if self.invert else None]
        tokens = [*self._tokens, *(t for t in special if t is not None)]
        if not all(isinstance(t, (int, np.integer)) for t in tokens):
            return "its special tokens are no integers"
        if len(tokens) + self.num_oov_indices >= limit:
            return f"{len(tokens)} tokens, more than {g.dtype} tells apart"
        beyond = max((abs(int(t)) for t in tokens), default=0)
        if beyond >= limit and (self.invert or not told_apart):
            return f"tokens of {beyond}, where ids are exact below {limit} in C++"
        if x.dtype == "uint64" and min(tokens, default=0) < 0 and not self.invert:
            return "negative tokens for inputs of uint64"
        if self.num_oov_indices > 1 and not self.invert:
            if self.oov_method == "farmhash":
                return "it hashes unknown tokens in Python; set num_oov_indices=1"
            if not told_apart:
                return (
                    f"the remainder of {x.dtype} ids by num_oov_indices={self.num_oov_indices}, "
                    f"which are exact below {limit} in C++; set num_oov_indices=1 or a float input"
                )
        return table_ops.encoding_limit(g, x.shape, self.output_mode, self._depth())

    def lower_to_ops(self, g: Any, x: Tensor) -> Any:
        name, whole = self.name, x.slot in g.int64
        numbers = table_ops.numbers_of(g, g.real(x), name)
        if not whole:
            numbers = g.op("map", numbers, numbers.shape, name=name, function="trunc")
        if self.invert:
            tokens = self._lower_inverse(g, numbers)
            return table_ops.encoded(g, tokens, x.shape, "int", None, name)
        table = dict(self._index)
        if self.mask_token is not None:
            table[int(self.mask_token)] = 0 if self.output_mode == "int" else DROPPED
        if not whole:
            # No float is any of the others.
            real = np.dtype(g.dtype).type
            table = {t: i for t, i in table.items() if int(real(t)) == t}
        strict = self.num_oov_indices == 0
        # One key where there is none: NaN is no number's equal.
        found, index = table_ops.found_in(g, numbers, table or {np.nan: 0}, name)
        ids = table_ops.chosen(g, found, index, self._lower_unknown(g, numbers), name)
        if strict:
            ids = self._lower_strict(g, found, ids)
        depth, mode = self._depth(), "count" if self.output_mode == "tf_idf" else self.output_mode
        y = table_ops.encoded(g, ids, x.shape, mode, depth, name, carries_nan=strict)
        if self.output_mode != "tf_idf":
            return y
        weights = [table_ops.constant(g, self.idf_weights, name)]
        return g.op("binary", y, y.shape, weights=weights, name=name, function="multiply")

    def _lower_unknown(self, g, numbers):
        """The indices of tokens outside the vocabulary: values, or the number that all have."""
        name, count = self.name, self.num_oov_indices
        if count <= 1:
            return self._oov_start() if count else DROPPED
        rest = table_ops.number_op(g, "mod", numbers, count, name)
        # Others, NaN too, are the least integer in NumPy.
        size = g.op("map", numbers, numbers.shape, name=name, function="abs")
        inside = table_ops.number_op(g, "less", size, 2.0**63, name)
        rest = table_ops.chosen(g, inside, rest, -(2**63) % count, name)
        return table_ops.number_op(g, "add", rest, self._oov_start(), name)

    def _lower_strict(self, g, found, ids):
        """The ids, where all tokens are in the vocabulary; else the call fails."""
        name = self.name
        known = table_ops.number_op(g, "subtract", found, 1, name)
        ids = table_ops.pair_op(g, "add", ids, table_ops.picked(g, [0], known, name), name)
        if self.output_mode != "int":
            return ids
        # A GPU has NaN instead, which no integer is; no table has an entry for -1 either.
        number = table_ops.pair_op(g, "equal", ids, ids, name)
        return table_ops.chosen(g, number, ids, -1, name)

    def _lower_inverse(self, g, ids):
        """The token at each index; `oov_token` at all others."""
        name, size = self.name, self.vocabulary_size()
        words = self.get_vocabulary()
        above = table_ops.number_op(g, "greater_equal", ids, 0, name)
        below = table_ops.number_op(g, "less", ids, size, name)
        inside = table_ops.pair_op(g, "logical_and", above, below, name)
        ids = table_ops.chosen(g, inside, ids, size, name)
        return table_ops.picked(g, [*words, self.oov_token], ids, name)

    # --- files and configuration

    def build(self, input_shape: Any = None) -> None:
        pass

    def get_build_config(self) -> Any:
        return {}

    def build_from_config(self, config: Config) -> None:
        self.build()

    def save_own_variables(self, store: Any) -> None:
        if self.output_mode == "tf_idf" and self.idf_weights is not None:
            store["idf_weights"] = self.idf_weights

    def load_own_variables(self, store: Any) -> None:
        if self.output_mode == "tf_idf":
            self.idf_weights = np.asarray(store["idf_weights"])

    def get_assets(self) -> Any:
        """The learned vocabulary as `{file name: bytes}`; a given one is in the config."""
        if self.input_vocabulary is not None:
            return {}
        return {"vocabulary.txt": "\n".join(str(t) for t in self.get_vocabulary()).encode()}

    def set_assets(self, assets: Any) -> None:
        """Take over what `get_assets` returned."""
        if self.input_vocabulary is not None:
            return
        lines = assets["vocabulary.txt"].decode("utf-8").splitlines()
        while lines and lines[-1] == "":
            lines.pop()
        if not lines:
            return
        weights = self.idf_weights
        if len(lines) == self._token_start() and self._saved_size is None:
            return  # of a layer that had no vocabulary
        tokens = lines if self._kind == "string" else [int(line) for line in lines]
        if weights is not None:
            self._set_tokens(self._plain_tokens(tokens)[self._token_start() :])
        else:
            self.set_vocabulary(tokens)

    def save_assets(self, dir_path: Path) -> None:
        """Write the learned vocabulary to `vocabulary.txt`."""
        for name, data in self.get_assets().items():
            with open(os.path.join(dir_path, name), "wb") as file:
                file.write(data)

    def load_assets(self, dir_path: Path) -> None:
        """Read what `save_assets` wrote."""
        with open(os.path.join(dir_path, "vocabulary.txt"), "rb") as file:
            self.set_assets({"vocabulary.txt": file.read()})

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Create the layer; the vocabulary may not be a path, so that no file opens another."""
        check_vocabulary_config(cls.__name__, config)
        return cls(**config)

    def get_config(self) -> Config:
        config = {
            **super().get_config(),
            "invert": self.invert,
            "max_tokens": self.max_tokens,
            "num_oov_indices": self.num_oov_indices,
            "oov_token": self.oov_token,
            "mask_token": self.mask_token,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "pad_to_max_tokens": self.pad_to_max_tokens,
            "vocabulary_dtype": "int64",
            "idf_weights": _plain_list(self.input_idf_weights),
            "vocabulary": _plain_list(self.input_vocabulary),
            "vocabulary_size": self.vocabulary_size() if self._known else self._saved_size,
            "oov_method": self.oov_method,
            "salt": self.salt,
        }
        return config


def check_vocabulary_config(where, config):
    """Raise a ValueError if a config names a vocabulary file."""
    if isinstance(config.get("vocabulary"), (str, os.PathLike)):
        raise ValueError(
            f"{where}.from_config: expected the tokens in `vocabulary`, got the path "
            f"{config['vocabulary']!r}; a config may not open files: call set_vocabulary(path)"
        )


def _plain_list(value):
    if value is None or isinstance(value, (list, tuple)):
        return value if value is None else [_plain(v) for v in value]
    return np.asarray(value).tolist()
