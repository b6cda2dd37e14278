"""Classes as rows of zeros and ones, and cross-entropies of each element or row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, hooks, symbolic
from pyseq.losses import crossentropy
from pyseq.ops.patches import tensors
from pyseq.ops.promotion import checked_axes, convert_to_tensor, fractional, operation

if TYPE_CHECKING:
    from pyseq.types import Axis, DTypeLike, Tensor

__all__ = [
    "binary_crossentropy",
    "categorical_crossentropy",
    "multi_hot",
    "one_hot",
    "sparse_categorical_crossentropy",
]


def one_hot(
    x: Tensor, num_classes: int, axis: Axis = -1, dtype: DTypeLike = None, sparse: bool = False
) -> Tensor:
    """Rows that hold 1 at the integer of `x`, 0 elsewhere; all 0 for integers out of range.

    Args:
        x: integers of any shape; fractions are cut off.
        num_classes: size of the new axis.
        axis: where the new axis stands in the result.
        dtype: `floatx()` when None.
        sparse: sparse arrays do not exist here; only False is taken.

    >>> one_hot([1, 3], 3).tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    return _one_hot("one_hot", x, num_classes, axis, dtype, sparse)


def _one_hot(where, x, num_classes, axis, dtype, sparse):
    if sparse:
        raise ValueError(f"{where}: expected sparse=False, got {sparse!r}; arrays are dense")
    x = symbolic.as_array(x) if symbolic.is_traced(x) else convert_to_tensor(x)
    (axis,) = checked_axes(where, axis, (*x.shape, num_classes))
    x = x if x.dtype.kind in "iu" else x.astype("int64")
    if symbolic.counts_rows(num_classes):
        classes = np.expand_dims(hooks.ask("row_numbers", symbolic.trace.get()), 0)
    else:
        classes = np.arange(num_classes)
    hot = np.equal(np.expand_dims(x, -1), classes)
    hot = hot.astype(dtypes.numpy_dtype(dtypes.standardize_dtype(dtype)))
    return hot if axis == x.ndim else np.moveaxis(hot, -1, axis)


def multi_hot(
    inputs: Tensor,
    num_classes: int | None = None,
    axis: Axis = -1,
    dtype: DTypeLike = None,
    sparse: bool = False,
    **kwargs: Any,
) -> Tensor:
    """Rows that hold 1 at each of the integers of a row of `inputs`, 0 elsewhere.

    Args as for `one_hot`, of which this is the maximum over axis 1 (axis 0 of one row).

    >>> multi_hot([[0, 2], [1, 1]], 3).tolist()
    [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """
    if num_classes is None and "num_tokens" in kwargs:
        num_classes = kwargs.pop("num_tokens")
    if num_classes is None:
        raise ValueError("multi_hot: expected `num_classes`, got None; give the number of classes")
    hot = _one_hot("multi_hot", inputs, num_classes, axis, dtype, sparse)
    return np.max(hot, axis=1 if hot.ndim > 2 else 0)


@operation(fractional, tensors=2)
def binary_crossentropy(target: Tensor, output: Tensor, from_logits: bool = False) -> Tensor:
    """-target ln p - (1 - target) ln(1 - p) of each element.

    Args:
        target: probabilities or 0/1 labels, of the shape of `output`.
        output: probabilities p, clipped to [epsilon, 1 - epsilon], or logits if `from_logits`.

    >>> print(binary_crossentropy([1.0], [0.5]).round(4))
    [0.6931]
    """
    target, output = tensors(target, output)
    _check_shapes("binary_crossentropy", target, output)
    return crossentropy.binary_values(target, output, from_logits)


@operation(fractional, tensors=2)
def categorical_crossentropy(
    target: Tensor, output: Tensor, from_logits: bool = False, axis: Axis = -1
) -> Tensor:
    """-sum(target ln p) over `axis`.

    Args:
        target: probabilities or one-hot labels, of the shape of `output`.
        output: probabilities, made to sum to 1 first, or logits if `from_logits`.

    >>> print(categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).round(4))
    [0.6931]
    """
    where = "categorical_crossentropy"
    target, output = tensors(target, output)
    _check_shapes(where, target, output)
    if not output.ndim:
        raise ValueError(f"{where}: expected arrays of rank 1 or more, got numbers")
    (axis,) = checked_axes(where, axis, output.shape)
    return -np.sum(target * crossentropy.log_probabilities(output, from_logits, axis), axis=axis)


def sparse_categorical_crossentropy(
    target: Tensor, output: Tensor, from_logits: bool = False, axis: Axis = -1
) -> Tensor:
    """-ln p[target], p the probability of each class along `axis`.

    Args:
        target: integers in [0, K), of the shape of `output` without the axis, or with size 1 there.
        output: probabilities, made to sum to 1 first, or logits if `from_logits`.

    >>> print(sparse_categorical_crossentropy([1], [[0.5, 0.5]]).round(4))
    [0.6931]
    """
    return _sparse(output, target, from_logits, axis)


@operation(fractional)
def _sparse(output, target, from_logits, axis):
    where = "sparse_categorical_crossentropy"
    output, target = tensors(output, target if symbolic.is_traced(target) else np.asarray(target))
    if not output.ndim:
        raise ValueError(f"{where}: expected `output` of rank 1 or more, got a number")
    (axis,) = checked_axes(where, axis, output.shape)
    return crossentropy.sparse_categorical_crossentropy(target, output, from_logits, axis=axis)


def _check_shapes(where, target, output):
    if tuple(target.shape) != tuple(output.shape):
        raise ValueError(
            f"{where}: expected `target` of the shape of `output` {tuple(output.shape)}, got "
            f"{tuple(target.shape)}"
        )

