"""Layers of attention between a query, a value and a key, for the `call` of users' layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import activations
from pyseq.layers.merging import ManyInputs, mask_of, with_mask
from pyseq.layers.regularization import Dropout
from pyseq.registry.registration import builtin
from pyseq.symbolic import as_array

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import Config, LayerArguments, Seed, Tensor

# Added to the scores of masked positions.
FAR = -1e9


def without_mask(x):
    return x if mask_of(x) is None else with_mask(x, None)


def both_masks(*masks):
    found = [_as_bool(m) for m in masks if m is not None]
    result = found[0] if found else None
    for mask in found[1:]:
        result = np.logical_and(result, mask)
    return result


def _as_bool(mask):
    mask = as_array(mask)
    return mask if mask.dtype == bool else mask != 0


def causal_mask(queries, keys):
    return np.tri(queries, keys, dtype=bool)[None]


def attention_softmax(scores, axes, mask=None):
    if mask is not None:
        scores = np.where(mask, scores, scores + FAR)
    if axes in (-1, (-1,)):
        return activations.softmax(scores)
    e = np.exp(scores - np.max(scores, axis=axes, keepdims=True))
    return e / np.sum(e, axis=axes, keepdims=True)


@builtin("layers")
class Attention(ManyInputs):
    """softmax(query keyᵀ) value, on [query, value] or [query, value, key].

    Args:
        use_scale: multiply the scores by a weight.
        score_mode: `"dot"`, or `"concat"` for the sum of tanh(query + key).
        dropout: rate at which scores are dropped in training.
        seed: number that makes the draws repeat, or a SeedGenerator.

    Shapes: query (n, t, d), value (n, s, e), key (n, s, d) to (n, t, e).

    >>> import numpy as np
    >>> Attention()([np.ones((2, 3, 4)), np.ones((2, 5, 4))]).shape
    (2, 3, 4)
    """

    scale: Any
    concat_score_weight: Any

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: Seed = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(**kwargs)
        if score_mode not in ("dot", "concat"):
            raise ValueError(
                f"{self.name}: expected score_mode 'dot' or 'concat', got {score_mode!r}"
            )
        self.use_scale, self.score_mode, self.seed = use_scale, score_mode, seed
        self.dropout = dropout
        self._dropout_layer = Dropout(dropout, seed=seed)
        self.scale = self.concat_score_weight = None

    def build(self, input_shape: Any) -> None:
        if self.use_scale:
            self.scale = self.add_weight((), "ones", name="scale")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight((), "ones", name="concat_score_weight")

    def _scores(self, query, key):
        if self.score_mode == "dot":
            scores = np.matmul(query, np.swapaxes(key, -2, -1))
            return scores if self.scale is None else scores * as_array(self.scale)
        pairs = np.expand_dims(query, -2) + np.expand_dims(key, -3)
        if self.scale is not None:
            pairs = pairs * as_array(self.scale)
        return np.sum(np.tanh(pairs), axis=-1) * as_array(self.concat_score_weight)

    def _check(self, inputs, what):
        if not isinstance(inputs, (list, tuple)) or len(inputs) not in (2, 3):
            raise ValueError(
                f"{self.name}: expected a list [query, value] or [query, value, key] of {what}, "
                f"got {type(inputs).__name__}"
                + (f" of {len(inputs)}" if isinstance(inputs, (list, tuple)) else "")
            )

    def call(
        self,
        inputs: Tensor,
        mask: Tensor = None,
        training: Any = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        query, value, *key = inputs
        if mask is None:
            mask = [mask_of(query), mask_of(value)]
        self._check(mask, "masks")
        scores = self._scores(query, key[0] if key else value)
        keys = None if mask[1] is None else np.expand_dims(_as_bool(mask[1]), -2)
        causal = causal_mask(*scores.shape[-2:]) if use_causal_mask else None
        weights = attention_softmax(scores, -1, both_masks(keys, causal))
        if self.dropout:
            weights = self._dropout_layer(weights, training=training)
        y = np.matmul(weights, value)
        if mask[0] is not None:
            y = np.where(np.expand_dims(_as_bool(mask[0]), -1), y, 0.0)
        return (y, weights) if return_attention_scores else y

    def __call__(self, inputs: Tensor, mask: Tensor = None, **kwargs: Any) -> Any:
        self._check(inputs, "inputs")
        if mask is not None:
            self._check(mask, "masks")
        return self.run(inputs, {"mask": mask, **kwargs})

    def output_shapes(self, shapes: Any, kwargs: Any, apart: Any) -> Any:
        """Of the output and, where they are returned, of the scores."""
        result = super().output_shapes(shapes, kwargs, apart)
        if kwargs.get("return_attention_scores"):
            result.append((*shapes[0][:-1], shapes[-1][-2]))
        return result

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[0][:-1], input_shape[1][-1])

    def compute_mask(self, inputs: Tensor, mask: Tensor = None) -> Any:
        return None if mask is None else mask[0]

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "use_scale": self.use_scale,
            "score_mode": self.score_mode,
            "dropout": self.dropout,
            "seed": self.seed,
        }


@builtin("layers")
class AdditiveAttention(Attention):
    """softmax(sum of scale · tanh(query + key)) value (Bahdanau et al., 2015).

    Args:
        use_scale: multiply by a weight for each feature.
        dropout: rate at which scores are dropped in training.

    Shapes: query (n, t, d), value (n, s, e), key (n, s, d) to (n, t, e).

    >>> import numpy as np
    >>> AdditiveAttention()([np.ones((2, 3, 4)), np.ones((2, 5, 4))]).shape
    (2, 3, 4)
    """

    def __init__(
        self, use_scale: bool = True, dropout: float = 0.0, **kwargs: Unpack[LayerArguments]
    ) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)

    def build(self, input_shape: Any) -> None:
        if self.use_scale:
            self.scale = self.add_weight((input_shape[0][-1],), "glorot_uniform", name="scale")

    def _scores(self, query, key):
        pairs = np.tanh(np.expand_dims(query, -2) + np.expand_dims(key, -3))
        if self.scale is not None:
            pairs = pairs * as_array(self.scale)
        return np.sum(pairs, axis=-1)

    def get_config(self) -> Config:
        config = super().get_config()
        del config["score_mode"]
        return config
