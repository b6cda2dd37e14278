"""Embedding layers, and Masking: the layers that make masks."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import constraints, initializers, random, regularizers
from pyseq.layers.base import Layer
from pyseq.layers.core import NoLowRank, positive_int, reject_options
from pyseq.layers.shapes import InputSpec
from pyseq.registry import serialization
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import (
        Config,
        ConstraintLike,
        EmbeddingArguments,
        InitializerLike,
        LayerArguments,
        RegularizerLike,
        Tensor,
    )


@builtin("layers")
class Embedding(NoLowRank, Layer):
    """Rows of a table, picked by integer ids.

    Args:
        input_dim: number of rows; ids are 0, ..., input_dim - 1.
        output_dim: length of a row.
        mask_zero: whether id 0 is padding that later layers skip.
        weights: initial table, or a list with it.
        embeddings_initializer: how the weights start: a name or an Initializer.
        embeddings_regularizer: penalties on the weights, added to the loss.
        embeddings_constraint: what the weights are put through after each update.
        lora_rank, lora_alpha, quantization_config: as of Keras; only None, for there is no LoRA or
            quantization here.

    Input `(n, ...)` of ids, output `(n, ..., output_dim)`. A row is NaN where its id is outside the
    table. Weights: embeddings `(input_dim, output_dim)`.

    >>> Embedding(10, 4)(np.array([[1, 2, 3]])).shape
    (1, 3, 4)
    """

    # Share of ids whose rows become 0 while training, from the old argument `dropout`.
    word_dropout = 0.0
    _drawn = None
    _casts_itself = True

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: InitializerLike = "uniform",
        embeddings_regularizer: RegularizerLike = None,
        embeddings_constraint: ConstraintLike = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: Any = None,
        lora_alpha: Any = None,
        quantization_config: Any = None,
        **kwargs: Unpack[EmbeddingArguments],
    ) -> None:
        length = kwargs.pop("input_length", None)
        if length is not None:
            warnings.warn("Argument `input_length` is deprecated. Just remove it.", stacklevel=2)
        super().__init__(**kwargs)
        reject_options(self.name, lora_rank=lora_rank, quantization_config=quantization_config)
        self.input_dim = positive_int(self.name, "input_dim", input_dim)
        self.output_dim = positive_int(self.name, "output_dim", output_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = bool(mask_zero)
        self.mask_policy = "consume" if self.mask_zero else "drop"
        self._initial = weights
        if weights is not None:
            self.build()
            table = weights if np.ndim(weights) == 2 else next(iter(weights))
            self.embeddings.assign(np.asarray(table))

    def build(self, input_shape: Any = None) -> None:
        if self.built:
            return
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.input_dim, self.output_dim),
            initializer=self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape, self.output_dim)

    def compute_mask(self, inputs: Tensor, mask: Tensor = None) -> Any:
        return np.not_equal(np.asarray(inputs), 0) if self.mask_zero else None

    def lower(self, g: Any, x: Tensor) -> Any:
        y = g.op(
            "embedding", x, (*x.shape, self.output_dim), weights=[self.embeddings], name=self.name
        )
        if g.training and self.word_dropout:
            y = self._drop_words(g, y)
        if not self.mask_zero:
            return y
        return y.with_mask(g.op("nonzero", x, x.shape, name=self.name))

    def _drop_words(self, g, y):
        self._drawn = random.draw_seed(None, self._drawn)
        return g.op(
            "dropout",
            y,
            y.shape,
            name=self.name,
            rate=self.word_dropout,
            seed=self._drawn,
            alpha=False,
            noise=[*y.shape[:-1], 1],
            shared_batch=False,
        )

    def get_config(self) -> Config:
        old = {"dropout": self.word_dropout} if self.word_dropout else {}
        return {
            **Layer.get_config(self),
            **old,
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": regularizers.serialize(self.embeddings_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "embeddings_constraint": constraints.serialize(self.embeddings_constraint),
            "mask_zero": self.mask_zero,
            "quantization_config": None,
        }


@builtin("layers")
class ReversibleEmbedding(Embedding):
    """An `Embedding` whose table can also map vectors back to scores of ids.

    Args:
        input_dim, output_dim: size of the table.
        tie_weights: whether the way back uses the same table.
        reverse_dtype: dtype of the way back.
        logit_soft_cap: c: scores become c tanh(scores / c).
        embeddings_initializer: how the weights start: a name or an Initializer.
        embeddings_regularizer: penalties on the weights, added to the loss.
        embeddings_constraint: what the weights are put through after each update.
        mask_zero: whether id 0 is padding that later layers skip.

    In a stack it is an `Embedding`; `reverse(x)` maps `(n, ..., output_dim)` to
    `(n, ..., input_dim)`. Weights: embeddings, and reverse_embeddings `(output_dim, input_dim)`
    unless tied.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        embeddings_initializer: InitializerLike = "uniform",
        embeddings_regularizer: RegularizerLike = None,
        embeddings_constraint: ConstraintLike = None,
        mask_zero: bool = False,
        reverse_dtype: Any = None,
        logit_soft_cap: Any = None,
        **kwargs: Unpack[EmbeddingArguments],
    ) -> None:
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            embeddings_constraint=embeddings_constraint,
            mask_zero=mask_zero,
            **kwargs,
        )
        self.tie_weights = bool(tie_weights)
        self.reverse_dtype = reverse_dtype
        self.logit_soft_cap = logit_soft_cap

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        if not self.tie_weights:
            self.reverse_embeddings = self.add_weight(
                name="reverse_embeddings",
                shape=(self.output_dim, self.input_dim),
                initializer=self.embeddings_initializer,
            )

    def reverse(self, x: Tensor) -> Any:
        """Scores of all ids for vectors `(n, ..., output_dim)`, as a NumPy array."""
        if not self.built:
            self.build()
        x = np.asarray(x, self.reverse_dtype or self.arithmetic_dtype)
        table = self.embeddings.value.T if self.tie_weights else self.reverse_embeddings.value
        scores = x @ table.astype(x.dtype)
        cap = self.logit_soft_cap
        return scores if cap is None else np.tanh(scores / cap) * cap

    def __call__(self, inputs: Tensor, reverse: bool = False, **kwargs: Any) -> Any:
        return self.reverse(inputs) if reverse else super().__call__(inputs, **kwargs)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "tie_weights": self.tie_weights,
            "reverse_dtype": self.reverse_dtype,
            "logit_soft_cap": self.logit_soft_cap,
        }


@builtin("layers")
class Masking(Layer):
    """Marks time steps whose features all equal `mask_value`, so that later layers skip them.

    Args:
        mask_value: value of the features of a step to skip.

    The marked steps also become 0. Shapes stay.

    >>> Masking()(np.array([[[1.0], [0.0]]])).tolist()
    [[[1.0], [0.0]]]
    """

    mask_policy = "consume"

    def __init__(self, mask_value: Any = 0.0, **kwargs: Unpack[LayerArguments]) -> None:
        super().__init__(**kwargs)
        if isinstance(mask_value, dict):
            mask_value = serialization.deserialize_keras_object(mask_value)
        self.mask_value = mask_value
        self.input_spec = InputSpec(min_ndim=2)

    def compute_mask(self, inputs: Tensor, mask: Tensor = None) -> Any:
        return np.any(np.not_equal(np.asarray(inputs), self.mask_value), axis=-1)

    def lower(self, g: Any, x: Tensor) -> Any:
        value = self.mask_value
        y, mask = g.op_multi(
            "masking",
            x,
            [x.shape, x.shape[:-1]],
            name=self.name,
            mask_value=int(value) if isinstance(value, (int, np.integer)) else float(value),
        )
        return y.with_mask(mask)

    def get_config(self) -> Config:
        return {**super().get_config(), "mask_value": self.mask_value}
