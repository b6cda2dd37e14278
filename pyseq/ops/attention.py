"""Attention of queries to keys."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import activations, dtypes, symbolic
from pyseq.ops.patches import tensors
from pyseq.ops.promotion import fractional, operation, to_array

if TYPE_CHECKING:
    from pyseq.types import Tensor

__all__ = ["dot_product_attention"]

# What Keras adds to logits that a mask hides; a row without a key left is uniform.
_HIDDEN = -0.7 * 3.38953e38


def _result(*given):
    name = fractional(*given)
    return "float32" if name == "float64" else name


def dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor = None,
    mask: Tensor = None,
    scale: Any = None,
    is_causal: bool = False,
    flash_attention: Any = None,
    attn_logits_soft_cap: Any = None,
) -> Tensor:
    """softmax(scale query key^T + bias) value (A. Vaswani et al., arXiv:1706.03762).

    Args:
        query: `(n, T, heads, size)`.
        key, value: `(n, S, heads, size)`; each of fewer heads serves as many queries.
        bias: added to the logits, of a shape that broadcasts to `(n, heads, T, S)`.
        mask: True where a query sees a key, of such a shape.
        scale: 1 / sqrt(size) when None.
        is_causal: query t sees keys 0 to t only.
        flash_attention, attn_logits_soft_cap: not offered; None (or False) is taken.

    Returns:
        `(n, T, heads, size)`.

    >>> x = np.ones((1, 2, 1, 3))
    >>> dot_product_attention(x, x, x).shape
    (1, 2, 1, 3)
    """
    where = "dot_product_attention"
    if attn_logits_soft_cap is not None:
        raise ValueError(
            f"{where}: expected attn_logits_soft_cap=None, got {attn_logits_soft_cap!r}; "
            "it exists on TPUs only"
        )
    if flash_attention:
        raise ValueError(
            f"{where}: expected flash_attention=None or False, got {flash_attention!r}; the result "
            "is the same without it"
        )
    shapes = [tuple(np.shape(x) if isinstance(x, list) else x.shape) for x in (query, key, value)]
    if any(len(shape) != 4 for shape in shapes):
        raise ValueError(
            f"{where}: expected arrays (n, length, heads, size), got shapes {shapes}"
        )
    (_, _, heads, size), (_, _, few, _), _ = shapes
    if not few or heads % few or shapes[2][2] != few:
        raise ValueError(
            f"{where}: expected heads of queries that are a multiple of those of keys and values, "
            f"got shapes {shapes}"
        )
    scale = 1 / math.sqrt(size) if scale is None else scale
    if is_causal:
        causal = np.tril(np.ones((shapes[0][1], shapes[1][1]), bool))
        mask = causal if mask is None else np.logical_and(mask, causal)
    return _attend(query, key, value, bias, mask, scale)


@operation(_result, tensors=3)
def _attend(query, key, value, bias, mask, scale):
    query, key, value, bias, mask = _together(query, key, value, bias, mask)
    repeats = query.shape[2] // key.shape[2]
    if repeats > 1:
        key, value = np.repeat(key, repeats, axis=2), np.repeat(value, repeats, axis=2)
    scores = np.matmul(np.swapaxes(query, 1, 2), np.transpose(key, (0, 2, 3, 1))) * scale
    scores = scores if bias is None else scores + bias
    scores = scores if mask is None else np.where(mask, scores, scores.dtype.type(_HIDDEN))
    return np.swapaxes(np.matmul(activations.softmax(scores), np.swapaxes(value, 1, 2)), 1, 2)


def _together(query, key, value, bias, mask):
    given = (query, key, value, bias, mask)
    if any(map(symbolic.is_traced, given)):
        return tensors(*given)
    bias = bias if bias is None else to_array(bias, dtypes.compute_dtype(query.dtype.name))
    return query, key, value, bias, mask if mask is None else to_array(mask, "bool")
