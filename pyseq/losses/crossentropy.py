"""Cross-entropies: binary, categorical and sparse, with their focal variants.

Probabilities are clipped to [epsilon, 1 - epsilon], epsilon = `pyseq.settings.epsilon`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, hooks, settings
from pyseq.losses.base import (
    BuiltinLoss,
    as_floats,
    check_same_shape,
    loss_function,
)
from pyseq.registry.registration import builtin
from pyseq.symbolic import as_array

if TYPE_CHECKING:
    from pyseq.types import Axis, DTypeLike, Reduction, Tensor


def _clip(p):
    epsilon = settings.epsilon
    return np.clip(p, p.dtype.type(epsilon), p.dtype.type(1.0 - epsilon))


def _sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e)).astype(x.dtype, copy=False)


def _softmax(x, axis):
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def _log_softmax(x, axis):
    x = x - np.max(x, axis=axis, keepdims=True)
    return x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True))


def log_probabilities(y_pred, from_logits, axis):
    """Logarithms of probabilities, made to sum to 1 over `axis` and clipped, or of logits."""
    if from_logits:
        return _log_softmax(y_pred, axis)
    return np.log(_clip(y_pred / np.sum(y_pred, axis=axis, keepdims=True)))


def _check_axis(axis, where):
    if isinstance(axis, bool):
        raise ValueError(f"{where}(axis): expected an integer, got {axis!r}; -1 is the last axis")


def _binary(y_true, y_pred, label_smoothing, where):
    y_pred = as_floats(y_pred)
    y_true = as_floats(y_true, y_pred.dtype)
    check_same_shape(y_true, y_pred, where, "give one 0/1 target per unit of the last layer")
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    return y_true.astype(y_pred.dtype, copy=False), y_pred


def _categorical(y_true, y_pred, label_smoothing, where):
    y_pred = as_floats(y_pred)
    y_true = as_floats(y_true, y_pred.dtype)
    check_same_shape(
        y_true,
        y_pred,
        where,
        "give one-hot targets (pyseq.utils.to_categorical), or use "
        "sparse_categorical_crossentropy for integer ones",
    )
    if y_pred.shape[-1] == 1:
        hooks.ask("tell_finding", "PS107", where, y_pred.shape)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / y_true.shape[-1]
    return y_true.astype(y_pred.dtype, copy=False), y_pred


def binary_values(y_true, y_pred, from_logits):
    """Cross-entropy of each element, with its probability or logit."""
    if from_logits:
        softplus = np.log1p(np.exp(-np.abs(y_pred)))
        return np.maximum(y_pred, 0) - y_pred * y_true + softplus
    p = _clip(y_pred)
    return -(y_true * np.log(p) + (1 - y_true) * np.log(1 - p))


@loss_function("bce", "BCE")
def binary_crossentropy(
    y_true: Tensor,
    y_pred: Tensor,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: Axis = -1,
) -> Tensor:
    """mean(-y_true ln p - (1 - y_true) ln(1 - p)) over `axis`.

    Args:
        y_true: probabilities or 0/1 labels, `(N, ..., D)`.
        y_pred: probabilities p, or logits if `from_logits`; shape of `y_true`.
        label_smoothing: s turns the labels into y_true (1 - s) + s/2.
        axis: axis of the mean.

    >>> print(binary_crossentropy([[1.0, 0.0]], [[0.5, 0.5]]).round(4))
    [0.6931]
    """
    y_true, y_pred = _binary(y_true, y_pred, label_smoothing, "binary_crossentropy")
    return np.mean(binary_values(y_true, y_pred, from_logits), axis=axis)


@loss_function()
def binary_focal_crossentropy(
    y_true: Tensor,
    y_pred: Tensor,
    apply_class_balancing: bool = False,
    alpha: Any = 0.25,
    gamma: Any = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: Axis = -1,
) -> Tensor:
    """Binary cross-entropy times (1 - p_t)^gamma, p_t = y_true p + (1 - y_true)(1 - p).

    T.-Y. Lin et al., "Focal loss for dense object detection" (2017).

    Args:
        apply_class_balancing: also multiply by alpha y_true + (1 - alpha)(1 - y_true).
        alpha: weight of class 1.
        gamma: how much easy samples are discounted.
        from_logits, label_smoothing, axis: as in `binary_crossentropy`.

    >>> print(binary_focal_crossentropy([[1.0]], [[0.5]]).round(4))
    [0.1733]
    """
    y_true, y_pred = _binary(y_true, y_pred, label_smoothing, "binary_focal_crossentropy")
    p = _sigmoid(y_pred) if from_logits else y_pred
    p_t = y_true * p + (1 - y_true) * (1 - p)
    values = np.power(1 - p_t, p.dtype.type(gamma)) * binary_values(y_true, p, False)
    if apply_class_balancing:
        alpha = p.dtype.type(alpha)
        values = values * (y_true * alpha + (1 - y_true) * (1 - alpha))
    return np.mean(values, axis=axis)


@loss_function()
def categorical_crossentropy(
    y_true: Tensor,
    y_pred: Tensor,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: Axis = -1,
) -> Tensor:
    """-sum(y_true ln p) over `axis`.

    Args:
        y_true: probabilities or one-hot labels, `(N, ..., K)`.
        y_pred: probabilities, made to sum to 1 first, or logits if `from_logits`.
        label_smoothing: s turns the labels into y_true (1 - s) + s/K.
        axis: axis of the classes.

    >>> print(categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).round(4))
    [0.6931]
    """
    _check_axis(axis, "categorical_crossentropy")
    y_true, y_pred = _categorical(y_true, y_pred, label_smoothing, "categorical_crossentropy")
    return -np.sum(y_true * log_probabilities(y_pred, from_logits, axis), axis=axis)


@loss_function()
def categorical_focal_crossentropy(
    y_true: Tensor,
    y_pred: Tensor,
    alpha: Any = 0.25,
    gamma: Any = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: Axis = -1,
) -> Tensor:
    """-sum(alpha (1 - p)^gamma y_true ln p) over `axis` (Lin et al. 2017).

    Args:
        alpha: weight of every class, or a list of one weight per class.
        gamma: how much easy samples are discounted.
        from_logits, label_smoothing, axis: as in `categorical_crossentropy`.

    >>> print(categorical_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).round(4))
    [0.0433]
    """
    where = "categorical_focal_crossentropy"
    _check_axis(axis, where)
    y_true, y_pred = _categorical(y_true, y_pred, label_smoothing, where)
    p = _softmax(y_pred, axis) if from_logits else y_pred
    p = _clip(p / np.sum(p, axis=axis, keepdims=True))
    dtypes.check_numbers(alpha, "categorical_focal_crossentropy(alpha)")
    weight = np.power(1 - p, p.dtype.type(gamma)) * as_array(alpha, dtype=p.dtype)
    return np.sum(weight * (-y_true * np.log(p)), axis=axis)


def _labels(y_true, y_pred, axis, where):
    """Return integer labels shaped as the predictions without their class axis."""
    labels = as_array(y_true)
    if labels.ndim == y_pred.ndim and labels.ndim and labels.shape[axis] == 1:
        labels = np.squeeze(labels, axis=axis)
    shape = list(y_pred.shape)
    del shape[axis]
    if labels.shape != tuple(shape):
        raise ValueError(
            f"{where}: expected integer labels of shape {tuple(shape)}, got {labels.shape}; "
            f"use categorical_crossentropy for one-hot targets"
        )
    return labels.astype(np.int64)


@loss_function()
def sparse_categorical_crossentropy(
    y_true: Tensor,
    y_pred: Tensor,
    from_logits: bool = False,
    ignore_class: Any = None,
    axis: Axis = -1,
) -> Tensor:
    """-ln p[y_true], p the probability of each class along `axis`.

    Args:
        y_true: integer labels in [0, K), `(N, ...)` or with a class axis of size 1.
        y_pred: probabilities, made to sum to 1 first, or logits if `from_logits`, `(N, ..., K)`.
        ignore_class: label whose rows give 0 and do not count in means, or None.
        axis: axis of the classes.

    >>> print(sparse_categorical_crossentropy([1], [[0.5, 0.5]]).round(4))
    [0.6931]
    """
    where = "sparse_categorical_crossentropy"
    y_pred = as_floats(y_pred)
    labels = _labels(y_true, y_pred, axis, where)
    valid = None
    if ignore_class is not None:
        valid = labels != ignore_class
        labels = np.where(valid, labels, 0)
    classes = y_pred.shape[axis]
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"{where}: expected labels in [0, {classes}), got {labels.min()} to {labels.max()}; "
            f"give the last layer as many units as there are classes"
        )
    # Ignored rows may hold anything; uniform probabilities keep them out of trouble.
    if valid is not None:
        y_pred = np.where(np.expand_dims(valid, axis), y_pred, y_pred.dtype.type(1))
    log_p = log_probabilities(y_pred, from_logits, axis)
    picked = np.take_along_axis(log_p, np.expand_dims(labels, axis), axis=axis)
    values = -np.squeeze(picked, axis=axis)
    return values if valid is None else np.where(valid, values, values.dtype.type(0))


def _counted_rows(y_true, y_pred, values, ignore_class=None, axis=-1, **arguments):
    if ignore_class is None:
        return None
    return (as_array(y_true) != ignore_class).reshape(values.shape)


sparse_categorical_crossentropy.result_mask = _counted_rows


@loss_function(in_metrics=False)
def categorical_generalized_cross_entropy(y_true: Tensor, y_pred: Tensor, q: Any) -> Tensor:
    """(1 - p[y_true]^q) / q: between cross-entropy (q near 0) and mean absolute error (q near 1).

    Z. Zhang and M. R. Sabuncu, "Generalized cross entropy loss for training deep neural networks
    with noisy labels" (2018).

    Args:
        y_true: integer labels in [0, K), `(N, ...)`.
        y_pred: probabilities, `(N, ..., K)`.
        q: in (0, 1).

    >>> categorical_generalized_cross_entropy([0], [[0.25, 0.75]], 0.5).tolist()
    [1.0]
    """
    y_pred = as_floats(y_pred)
    labels = as_array(y_true).astype(np.int64)
    if labels.shape != y_pred.shape[:-1]:
        labels = _labels(labels, y_pred, -1, "categorical_generalized_cross_entropy")
    known = (labels >= 0) & (labels < y_pred.shape[-1])
    index = np.where(known, labels, 0)[..., None]
    p = np.where(known, np.take_along_axis(y_pred, index, axis=-1)[..., 0], y_pred.dtype.type(0))
    return (1 - np.power(p, y_pred.dtype.type(q))) / y_pred.dtype.type(q)


@builtin("losses")
class BinaryCrossentropy(BuiltinLoss):
    """Loss from `binary_crossentropy`.

    Args:
        from_logits: predictions are logits rather than probabilities.
        label_smoothing: in [0, 1].
        axis: axis of the mean.

    >>> print(BinaryCrossentropy()([[1.0], [0.0]], [[0.5], [0.5]]).round(4))
    0.6931
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: Axis = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "binary_crossentropy",
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(
            binary_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


@builtin("losses")
class BinaryFocalCrossentropy(BuiltinLoss):
    """Loss from `binary_focal_crossentropy`, which describes the arguments.

    Args:
        apply_class_balancing: weigh class 1 by `alpha`, class 0 by the rest.
        alpha: weight of class 1.
        gamma: exponent that plays down what is easy.
        from_logits: inputs are logits, not probabilities.
        label_smoothing: how far targets are moved towards the even distribution.
        axis: axis of the classes.
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: Any = 0.25,
        gamma: Any = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: Axis = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "binary_focal_crossentropy",
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(
            binary_focal_crossentropy,
            reduction,
            name,
            dtype,
            apply_class_balancing=apply_class_balancing,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


@builtin("losses")
class CategoricalCrossentropy(BuiltinLoss):
    """Loss from `categorical_crossentropy`.

    Args:
        from_logits: predictions are logits rather than probabilities.
        label_smoothing: in [0, 1].
        axis: axis of the classes.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: Axis = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "categorical_crossentropy",
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(
            categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


@builtin("losses")
class CategoricalFocalCrossentropy(BuiltinLoss):
    """Loss from `categorical_focal_crossentropy`, which describes the arguments.

    Args:
        alpha: weight, or one for each class.
        gamma: exponent that plays down what is easy.
        from_logits: inputs are logits, not probabilities.
        label_smoothing: how far targets are moved towards the even distribution.
        axis: axis of the classes.
    """

    def __init__(
        self,
        alpha: Any = 0.25,
        gamma: Any = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: Axis = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "categorical_focal_crossentropy",
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(
            categorical_focal_crossentropy,
            reduction,
            name,
            dtype,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


@builtin("losses")
class SparseCategoricalCrossentropy(BuiltinLoss):
    """Loss from `sparse_categorical_crossentropy`.

    Args:
        from_logits: predictions are logits rather than probabilities.
        ignore_class: label whose rows do not count, or None.
        axis: axis of the classes.
    """

    unsaved = ("axis",)

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: Any = None,
        reduction: Reduction = "sum_over_batch_size",
        axis: Axis = -1,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(
            sparse_categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )


@builtin("losses")
class CategoricalGeneralizedCrossEntropy(BuiltinLoss):
    """Loss from `categorical_generalized_cross_entropy`.

    Args:
        q: in (0, 1).
    """

    def __init__(
        self,
        q: float = 0.5,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "categorical_generalized_cross_entropy",
        dtype: DTypeLike = None,
    ) -> None:
        if not 0 < q < 1:
            raise ValueError(
                f"CategoricalGeneralizedCrossEntropy(q): expected a number in (0, 1), got {q!r}"
            )
        super().__init__(categorical_generalized_cross_entropy, reduction, name, dtype, q=q)
