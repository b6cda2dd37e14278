"""Attention of several heads, for the `call` of users' layers."""

from __future__ import annotations

import math
import string
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import constraints, initializers, regularizers
from pyseq.layers.attention import (
    FAR,
    attention_softmax,
    both_masks,
    causal_mask,
    without_mask,
)
from pyseq.layers.einsum import EinsumDense
from pyseq.layers.merging import ManyInputs, mask_of, with_mask
from pyseq.layers.regularization import Dropout
from pyseq.registry.registration import builtin
from pyseq.symbolic import as_array, is_traced

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import (
        Config,
        ConstraintLike,
        InitializerLike,
        LayerArguments,
        PlainLayerArguments,
        RegularizerLike,
        Seed,
        Tensor,
    )


class _Heads(ManyInputs):
    """What both layers of several heads share: projections, masks, weighted sums.

    Args:
        dropout: rate at which weights of positions are dropped in training.
        use_bias: biases in the projections.
        sliding_window: attend only to positions less than this far apart.
        flash_attention: accepted and not used.
        use_gate: multiply the heads' outputs by a sigmoid of a projection of the query.
        seed: of the dropout. Others: those of each projection, a Dense layer.
    """

    def __init__(
        self,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: Any = None,
        flash_attention: Any = None,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        use_gate: bool = False,
        seed: Seed = None,
        **kwargs: Unpack[PlainLayerArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        if sliding_window is not None and (
            not isinstance(sliding_window, int) or sliding_window <= 0
        ):
            raise ValueError(
                f"{self.name}: expected sliding_window to be None or a positive integer, got "
                f"{sliding_window!r}"
            )
        self._options = {
            "dropout": dropout,
            "use_bias": use_bias,
            "use_gate": use_gate,
            "sliding_window": sliding_window,
            "seed": seed,
        }
        self.dropout, self.use_bias, self.use_gate = dropout, use_bias, use_gate
        self.sliding_window, self.seed = sliding_window, seed
        # Of each projection; its outputs are what the activity regularizer sees.
        self._projection = {
            "kernel_initializer": initializers.get(kernel_initializer),
            "bias_initializer": initializers.get(bias_initializer),
            "kernel_regularizer": regularizers.get(kernel_regularizer),
            "bias_regularizer": regularizers.get(bias_regularizer),
            "activity_regularizer": regularizers.get(activity_regularizer),
            "kernel_constraint": constraints.get(kernel_constraint),
            "bias_constraint": constraints.get(bias_constraint),
        }
        self._dropout_layer = Dropout(dropout, seed=seed)

    def _project(self, name, shape, equation, output_shape, bias_axes, activation=None):
        options = dict(self._projection)
        for key in ("kernel_initializer", "bias_initializer"):
            # One without a seed of its own draws anew for each projection.
            options[key] = type(options[key]).from_config(options[key].get_config())
        layer = EinsumDense(
            equation,
            output_shape=output_shape,
            bias_axes=bias_axes if self.use_bias else None,
            activation=activation,
            name=name,
            dtype=self.dtype_policy,
            **options,
        )
        layer.build(shape)
        return layer

    def _mask(self, query, value, query_mask, value_mask, key_mask, attention_mask, causal):
        queries, keys = query.shape[1], value.shape[1]
        window = None
        if self.sliding_window is not None:
            apart = np.abs(np.arange(queries)[:, None] - np.arange(keys)[None])
            window = (apart < self.sliding_window)[None]
        return both_masks(
            None if query_mask is None else np.expand_dims(as_array(query_mask), -1),
            None if value_mask is None else np.expand_dims(as_array(value_mask), -2),
            None if key_mask is None else np.expand_dims(as_array(key_mask), -2),
            causal_mask(queries, keys) if causal else None,
            window,
            attention_mask,
        )

    def _attend(self, query, key, value, axes, equations, mask, training):
        """Weighted sums of `value` of each head, and the weights; `axes`: how many attend."""
        size = query.shape[-1]
        scores = np.einsum(equations[0], query * (1 / math.sqrt(size)), key)
        if mask is not None:
            while mask.ndim < scores.ndim:
                mask = np.expand_dims(mask, -2 * axes - 1)
            if not self.dropout:
                # As in a fused kernel: a row without any position has no gradient.
                scores = np.where(mask, scores, FAR)
                mask = None
        weights = attention_softmax(scores, tuple(range(-axes, 0)), mask)
        kept = self._dropout_layer(weights, training=training) if self.dropout else weights
        return np.einsum(equations[1], kept, value), weights

    def call(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor = None,
        query_mask: Tensor = None,
        value_mask: Tensor = None,
        key_mask: Tensor = None,
        attention_mask: Tensor = None,
        return_attention_scores: bool = False,
        training: Any = None,
        use_causal_mask: bool = False,
    ) -> Any:
        key_is_given = key is not None
        query, value = as_array(query), as_array(value)
        key = as_array(key) if key_is_given else value
        query_mask = mask_of(query) if query_mask is None else query_mask
        value_mask = mask_of(value) if value_mask is None else value_mask
        if key_mask is None and key_is_given:
            key_mask = mask_of(key)
        query, value, key = map(without_mask, (query, value, key))
        mask = self._mask(
            query, value, query_mask, value_mask, key_mask, attention_mask, use_causal_mask
        )
        y, weights = self._heads(query, value, key, mask, training)
        if self.use_gate:
            y = y * self._gate_dense(query)
        y = self._leave(y)
        if query_mask is not None and is_traced(y) and is_traced(query_mask):
            y = with_mask(y, query_mask)
        return (y, weights) if return_attention_scores else y

    def __call__(
        self, query: Tensor, value: Tensor = None, key: Tensor = None, **kwargs: Any
    ) -> Any:
        if value is None:
            raise ValueError(self.refusal())
        return self.run([query, value] if key is None else [query, value, key], kwargs, True)

    # Of queries, values and keys: over what positions attend.
    attention_axes = (1,)

    def output_shapes(self, shapes: Any, kwargs: Any, apart: Any) -> Any:
        """Of the output and, where they are returned, of the weights of each head."""
        result = super().output_shapes(shapes, kwargs, apart)
        if kwargs.get("return_attention_scores"):
            query, key = shapes[0], shapes[-1]
            axes = [a % len(query) for a in self.attention_axes]
            rest = [d for i, d in enumerate(query[:-1]) if i not in axes]
            sizes = [shape[a] for shape in (query, key) for a in axes]
            result.append((*rest, self._score_heads(), *sizes))
        return result

    def get_config(self) -> Config:
        config = {**super().get_config(), **self._options}
        for name, part in self._projection.items():
            module = {"i": initializers, "r": regularizers, "c": constraints}
            config[name] = module[name.split("_")[1][0]].serialize(part)
        return config


@builtin("layers")
class MultiHeadAttention(_Heads):
    """Attention of several heads, each on projections of its own (Vaswani et al., 2017).

    Args:
        num_heads, key_dim: number of heads, and size of their queries and keys.
        value_dim: size of their values; `key_dim` by default.
        output_shape: of the last projection; that of the query by default.
        attention_axes: axes over which to attend; all between batch and features by default.
        dropout: rate at which weights of positions are dropped in training.
        use_bias, sliding_window, use_gate: biases in the projections; attend only to positions
            less than this far apart; multiply the heads by a sigmoid of the query's projection.

    Call it with `query` (n, t, d), `value` (n, s, e) and perhaps `key` (n, s, f), and
    `attention_mask` (n, t, s), `use_causal_mask`, `return_attention_scores`; masks that query and
    value carry are used.

    >>> import numpy as np
    >>> x = np.ones((2, 3, 4))
    >>> MultiHeadAttention(num_heads=2, key_dim=8)(x, x).shape
    (2, 3, 4)
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: Any = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
        sliding_window: Any = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(dropout, use_bias, sliding_window, **kwargs)
        value_dim = value_dim or key_dim
        for what, n in (("num_heads", num_heads), ("key_dim", key_dim), ("value_dim", value_dim)):
            if not isinstance(n, (int, np.integer)) or n <= 0:
                raise ValueError(
                    f"{self.name}: expected {what} to be a positive integer, got {n!r}"
                )
        self.num_heads, self.key_dim, self.value_dim = num_heads, key_dim, value_dim
        self._output_shape = (output_shape,) if isinstance(output_shape, int) else output_shape
        axes = (attention_axes,) if isinstance(attention_axes, int) else attention_axes
        self.attention_axes = None if axes is None else tuple(axes)

    def _input_projection(self, name, shape, width, **options):
        free = string.ascii_lowercase[: len(shape) - 1]
        return self._project(
            name,
            shape,
            f"{free}x,xyz->{free}yz",
            (*[None] * (len(shape) - 2), self.num_heads, width),
            "yz",
            **options,
        )

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        if self.attention_axes is None:
            self.attention_axes = tuple(range(1, len(query_shape) - 1))
        if tuple(value_shape[1:-1]) != tuple(key_shape[1:-1]):
            raise ValueError(
                f"{self.name}: expected value and key of the same length, got shapes "
                f"{tuple(value_shape)} and {tuple(key_shape)}"
            )
        self.query_dense = self._input_projection("query", query_shape, self.key_dim)
        self.key_dense = self._input_projection("key", key_shape, self.key_dim)
        if self.use_gate:
            self._gate_dense = self._input_projection(
                "gate", query_shape, self.value_dim, activation="sigmoid"
            )
        self.value_dense = self._input_projection("value", value_shape, self.value_dim)
        output = list(self._output_shape or query_shape[-1:])
        free = string.ascii_lowercase[: len(query_shape) - 1]
        names = string.ascii_uppercase[: len(output)]
        self.output_dense = self._project(
            "attention_output",
            (*query_shape[:-1], self.num_heads, self.value_dim),
            f"{free}yz,yz{names}->{free}{names}",
            (*[None] * (len(query_shape) - 2), *output),
            names,
        )

    def _equations(self, rank):
        """Of scores and weighted sums, for projections of `rank` axes, heads among them."""
        attends = tuple(a % (rank - 1) for a in self.attention_axes)
        query = list(string.ascii_lowercase[:rank])
        key = [string.ascii_uppercase[i] if i in attends else c for i, c in enumerate(query)]
        apart = [query[i] for i in range(rank - 1) if i not in attends]
        scores = [*apart, *(query[i] for i in attends), *(key[i] for i in attends)]
        query, key, scores = map("".join, (query, key, scores))
        return len(attends), (f"{query},{key}->{scores}", f"{scores},{key}->{query}")

    def _heads(self, query, value, key, mask, training):
        axes, equations = self._equations(query.ndim + 1)
        query, key = self.query_dense(query), self.key_dense(key)
        value = self.value_dense(value)
        return self._attend(query, key, value, axes, equations, mask, training)

    def _score_heads(self):
        return self.num_heads

    def _leave(self, heads):
        return self.output_dense(heads)

    def compute_output_shape(
        self, query_shape: Any, value_shape: Any, key_shape: Any = None
    ) -> Any:
        return (*query_shape[:-1], *(self._output_shape or query_shape[-1:]))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "output_shape": self._output_shape,
            "attention_axes": self.attention_axes,
        }


@builtin("layers", aliases=("GroupedQueryAttention",))
class GroupQueryAttention(_Heads):
    """Attention whose heads share keys and values in groups (Ainslie et al., 2023).

    Args:
        head_dim: size of the heads' queries, keys and values.
        num_query_heads, num_key_value_heads: the former a multiple of the latter.
        dropout: rate at which scores are dropped in training.
        use_bias: whether the projections add a bias.
        sliding_window: attend only to positions less than this far apart.

    Called like `MultiHeadAttention`.

    >>> import numpy as np
    >>> x = np.ones((2, 3, 4))
    >>> GroupQueryAttention(head_dim=8, num_query_heads=4, num_key_value_heads=2)(x, x).shape
    (2, 3, 4)
    """

    def __init__(
        self,
        head_dim: int,
        num_query_heads: Any,
        num_key_value_heads: Any,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: Any = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(dropout, use_bias, sliding_window, **kwargs)
        if num_query_heads % num_key_value_heads:
            raise ValueError(
                f"{self.name}: expected num_query_heads to be a multiple of num_key_value_heads, "
                f"got {num_query_heads} and {num_key_value_heads}"
            )
        self.head_dim, self.num_query_heads = head_dim, num_query_heads
        self.num_key_value_heads = num_key_value_heads
        self.num_repeats = num_query_heads // num_key_value_heads

    # The names of the projections, with and without `_`, are those in Keras's files.

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        key_shape = value_shape if key_shape is None else key_shape

        def projection(name, shape, heads, **options):
            width = (None, heads, self.head_dim)
            return self._project(name, shape, "abx,xyz->abyz", width, "yz", **options)

        self._query_dense = projection("query", query_shape, self.num_query_heads)
        self._key_dense = projection("key", key_shape, self.num_key_value_heads)
        if self.use_gate:
            self._gate_dense = projection(
                "gate", query_shape, self.num_query_heads, activation="sigmoid"
            )
        self._value_dense = projection("value", value_shape, self.num_key_value_heads)
        self._output_dense = self._project(
            "attention_output",
            (*query_shape[:-1], self.num_query_heads, self.head_dim),
            "abyz,yzx->abx",
            (None, query_shape[-1]),
            "x",
        )

    def _heads(self, query, value, key, mask, training):
        query = self._query_dense(query)
        key = np.repeat(self._key_dense(key), self.num_repeats, axis=2)
        value = np.repeat(self._value_dense(value), self.num_repeats, axis=2)
        equations = ("aqhd,akhd->ahqk", "ahqk,akhd->aqhd")
        return self._attend(query, key, value, 1, equations, mask, training)

    def _score_heads(self):
        return self.num_query_heads

    def _leave(self, heads):
        return self._output_dense(heads)

    def compute_output_shape(
        self, query_shape: Any, value_shape: Any, key_shape: Any = None
    ) -> Any:
        return tuple(query_shape)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "head_dim": self.head_dim,
            "num_query_heads": self.num_query_heads,
            "num_key_value_heads": self.num_key_value_heads,
        }
