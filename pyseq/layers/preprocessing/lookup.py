"""IntegerLookup and StringLookup: tokens to indices of a vocabulary, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyseq.layers.preprocessing.base import text_step
from pyseq.layers.preprocessing.index_lookup import IndexLookup
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import Config, DTypeLike, NamedLayerArguments, Shape


@builtin("layers")
class IntegerLookup(IndexLookup):
    """Integers to indices of a vocabulary.

    Indices are: 0 for `mask_token` (if set and output_mode is "int"), then `num_oov_indices` for
    tokens outside the vocabulary, then the vocabulary.

    Args:
        max_tokens: largest size of the vocabulary, special tokens included.
        num_oov_indices: slots for unknown tokens, taken by remainder (or hash); 0 raises.
        mask_token, oov_token: the special tokens.
        vocabulary: list, array or path; without it call `adapt(data)`.
        idf_weights: a weight for each token, with output_mode "tf_idf".
        invert: indices to tokens instead.
        output_mode: "int", "one_hot", "multi_hot", "count" or "tf_idf".
        pad_to_max_tokens: make encoded vectors `max_tokens` long.
        oov_method: "floormod" or "farmhash".
        salt: key of the hash.
        vocabulary_dtype: only `"int64"`.
        sparse: accepted as in Keras; only False.

    >>> IntegerLookup(vocabulary=[12, 36])([36, 7]).tolist()
    [2, 0]
    """

    def __init__(
        self,
        max_tokens: Any = None,
        num_oov_indices: int = 1,
        mask_token: Any = None,
        oov_token: Any = -1,
        vocabulary: Any = None,
        vocabulary_dtype: DTypeLike = "int64",
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str | None = "floormod",
        salt: Any = None,
        name: str | None = None,
        **kwargs: Unpack[NamedLayerArguments],
    ) -> None:
        if vocabulary_dtype != "int64":
            raise ValueError(
                f"IntegerLookup: expected vocabulary_dtype='int64', got {vocabulary_dtype!r}"
            )
        self.vocabulary_dtype = vocabulary_dtype
        super().__init__(
            max_tokens,
            num_oov_indices,
            mask_token,
            oov_token,
            vocabulary,
            idf_weights,
            invert,
            output_mode,
            sparse,
            pad_to_max_tokens,
            oov_method,
            salt,
            name,
            **kwargs,
        )

    def some_token(self) -> Any:
        """A number that the layer takes for a token, or None."""
        return self._tokens[0] if self._tokens and not self.invert else None

    def get_config(self) -> Config:
        config = super().get_config()
        if config["vocabulary"] is not None:
            config["vocabulary"] = [int(v) for v in config["vocabulary"]]
        return config


@builtin("layers")
class StringLookup(IndexLookup):
    """Strings to indices of a vocabulary.

    Args:
        max_tokens: largest size of the vocabulary, special tokens included.
        num_oov_indices: slots for unknown strings.
        mask_token, oov_token: the special tokens.
        idf_weights: a weight for each token, with output_mode "tf_idf".
        invert: indices to strings instead.
        output_mode: "int", "one_hot", "multi_hot", "count" or "tf_idf".
        pad_to_max_tokens: make encoded vectors `max_tokens` long.
        sparse: accepted as in Keras; only False.
        encoding: kept for configs.
        salt: key of the hash.
        vocabulary: list, array or path; without it call `adapt(data)`.

    Arguments as of `IntegerLookup`; unknown strings are spread over several slots by their hash.
    Works on arrays of strings: before a model, or as the first layer of a Sequential, where it runs
    ahead of the compiled program.

    >>> StringLookup(vocabulary=["a", "b"])([["b", "z"]]).tolist()
    [[2, 0]]
    """

    _kind = "string"

    @property
    def text_policy(self) -> Any:
        return "write" if self.invert else "read"

    def __init__(
        self,
        max_tokens: Any = None,
        num_oov_indices: int = 1,
        mask_token: Any = None,
        oov_token: Any = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        salt: Any = None,
        **kwargs: Unpack[NamedLayerArguments],
    ) -> None:
        self.encoding = encoding
        oov_method = kwargs.pop("oov_method", "floormod")
        super().__init__(
            max_tokens,
            num_oov_indices,
            mask_token,
            oov_token,
            vocabulary,
            idf_weights,
            invert,
            output_mode,
            sparse,
            pad_to_max_tokens,
            oov_method,
            salt,
            name,
            **kwargs,
        )

    def get_config(self) -> Config:
        config = super().get_config()
        del config["vocabulary_dtype"]
        return {**config, "encoding": self.encoding}

    def text_step(self, shape: Shape) -> Any:
        """What C++ does in place of the layer, for samples of `shape`; a dict of plain data.

        Raises:
            ValueError: there is no vocabulary, or a token is no text in UTF-8.
        """
        self.require_vocabulary(self.name)
        return text_step(
            self,
            shape,
            self._depth(),
            mask_token=self.mask_token,
            salt=self.salt,
            vocabulary=self._tokens,
            counts_mask=self.output_mode == "int",
            first_unknown=self._oov_start(),
            unknown=self.num_oov_indices,
            idf=self.idf_weights.tolist() if self.output_mode == "tf_idf" else [],
        )
