"""Losses over whole outputs: CTC for sequences, Dice and Tversky for segmentation, circle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import settings
from pyseq.losses.base import BuiltinLoss, as_floats, check_same_shape, loss_function
from pyseq.registry.registration import builtin
from pyseq.symbolic import as_array

if TYPE_CHECKING:
    from pyseq.types import Axis, DTypeLike, Reduction, Tensor


def _log_softmax(x):
    x = x - np.max(x, axis=-1, keepdims=True)
    return x - np.log(np.sum(np.exp(x), axis=-1, keepdims=True))


@loss_function(in_metrics=False)
def ctc(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Minus the log-probability of a label sequence, summed over its alignments to the frames.

    A. Graves et al., "Connectionist temporal classification", ICML 2006, equations 6-8.

    Args:
        y_true: labels 1..K-1, padded with 0 at the end, `(N, L)`. As many of them count, from the
            left, as are not 0: a 0 before the last label is a blank that must be said.
        y_pred: logits, `(N, T, K)`; class 0 is the blank.

    Returns:
        `(N,)`; infinite where the labels do not fit into T frames.

    >>> print(ctc([[1]], np.zeros((1, 1, 2))).round(4))
    [0.6931]
    """
    y_pred = as_floats(y_pred)
    labels = as_array(y_true).astype(np.int64)
    if labels.ndim != 2 or y_pred.ndim != 3 or labels.shape[0] != y_pred.shape[0]:
        raise ValueError(
            f"ctc: expected labels (N, L) and logits (N, T, K), got {labels.shape} and "
            f"{y_pred.shape}; pad the labels with 0 to one length"
        )
    if labels.size and not 0 <= labels.min() <= labels.max() < y_pred.shape[2]:
        raise ValueError(
            f"ctc: expected labels in [0, {y_pred.shape[2]}), got {labels.min()} to "
            f"{labels.max()}; give the last layer one unit per class and one for the blank"
        )
    log_p = _log_softmax(y_pred.astype(np.float64))
    lengths = np.count_nonzero(labels, axis=1)
    return ctc_forward(labels, log_p, lengths, np.full(len(labels), log_p.shape[1])).astype(
        y_pred.dtype
    )


# Logarithm of what cannot be: finite, so that differences of it are numbers too.
_NEVER = -1e30


def ctc_forward(labels, log_p, label_lengths, frame_lengths, blank=0):
    """Minus the log-probability of the first labels of each row, over its first frames.

    Args:
        labels: integers, `(N, L)`.
        log_p: log-probabilities, `(N, T, K)`.
        label_lengths, frame_lengths: integers, `(N,)`.
        blank: the class between labels.

    Returns:
        `(N,)`; infinite where the labels do not fit into the frames.
    """
    length, frames = labels.shape[1], log_p.shape[1]
    inside = np.less(np.arange(length)[None], np.expand_dims(label_lengths, 1))
    labels = np.expand_dims(np.where(inside, labels, blank), 2)
    # Blanks around every label: states 0, 2, 4, ... are blanks.
    blanks = np.full_like(labels, blank)
    count = -1 if labels.shape[0] is None else labels.shape[0]
    pairs = np.reshape(np.concatenate([blanks, labels], axis=2), (count, 2 * length))
    column = np.full_like(log_p[:, :1, 0], blank).astype("int64")
    states = np.concatenate([pairs, column], axis=1)
    emit = np.take_along_axis(log_p, _for_each_frame(states, frames), axis=2)
    places = np.arange(2 * length + 1)[None]
    skip = np.logical_and(np.not_equal(states[:, 2:], states[:, :-2]), places[:, 2:] % 2 == 1)
    alpha = np.where(np.less(places, 2), emit[:, 0], _NEVER)
    for t in range(1, frames):
        paths = np.logaddexp(alpha[:, 1:], alpha[:, :-1])
        jumps = np.where(skip, alpha[:, :-2], _NEVER)
        paths = np.concatenate([paths[:, :1], np.logaddexp(paths[:, 1:], jumps)], axis=1)
        after = np.concatenate([alpha[:, :1], paths], axis=1) + emit[:, t]
        alpha = np.where(np.less(t, np.expand_dims(frame_lengths, 1)), after, alpha)
    # The last label or the blank behind it; an empty sequence has only the blank to end in.
    last = 2 * np.expand_dims(label_lengths, 1)
    ends = np.logical_or(np.equal(places, last), np.equal(places, last - 1))
    total = np.where(ends, alpha, _NEVER)
    top = np.max(total, axis=1, keepdims=True)
    sums = np.sum(np.exp(total - top), axis=1)
    loss = -(np.log(sums) + np.squeeze(top, 1))
    nothing = np.equal(frame_lengths, 0)
    loss = np.where(nothing, np.where(np.equal(label_lengths, 0), 0.0, np.inf), loss)
    return np.where(loss > -_NEVER / 2, np.inf, loss)


def _for_each_frame(states, frames):
    return np.repeat(np.expand_dims(states, 1), frames, axis=1)


def _overlap(y_true, y_pred, where):
    y_pred = as_floats(y_pred)
    y_true = as_floats(y_true, y_pred.dtype)
    check_same_shape(y_true, y_pred, where, "give targets with the channels of the predictions")
    return y_true, y_pred


def _axes(axis):
    return tuple(axis) if isinstance(axis, list) else axis


@loss_function(in_metrics=False)
def dice(y_true: Tensor, y_pred: Tensor, axis: Axis = None) -> Tensor:
    """1 - 2 sum(y_true y_pred) / (sum(y_true) + sum(y_pred) + epsilon).

    Args:
        y_true, y_pred: memberships in [0, 1], of one shape.
        axis: axes of the sums, for instance (1, 2, 3) for one value per image; None for all.

    >>> print(dice([[1.0, 0.0]], [[0.5, 0.5]]).round(4))
    0.5
    """
    y_true, y_pred = _overlap(y_true, y_pred, "dice")
    axis = _axes(axis)
    common = np.sum(y_true * y_pred, axis=axis)
    total = np.sum(y_true, axis=axis) + np.sum(y_pred, axis=axis)
    return 1 - 2 * common / (total + y_pred.dtype.type(settings.epsilon))


@loss_function(in_metrics=False)
def tversky(
    y_true: Tensor, y_pred: Tensor, alpha: Any = 0.5, beta: Any = 0.5, axis: Axis = None
) -> Tensor:
    """1 - I / (I + alpha sum(y_true (1 - y_pred)) + beta sum((1 - y_true) y_pred) + epsilon).

    I = sum(y_true y_pred). S. S. M. Salehi et al., "Tversky loss function for image segmentation
    using 3D fully convolutional deep networks" (2017).

    Args:
        alpha: weight of what the prediction misses.
        beta: weight of what it adds.
        axis: axes of the sums, None for all.

    >>> print(tversky([[1.0, 0.0]], [[0.5, 0.5]]).round(4))
    0.5
    """
    y_true, y_pred = _overlap(y_true, y_pred, "tversky")
    axis = _axes(axis)
    kind = y_pred.dtype.type
    common = np.sum(y_true * y_pred, axis=axis)
    missed = np.sum((1 - y_pred) * y_true, axis=axis)
    added = np.sum(y_pred * (1 - y_true), axis=axis)
    whole = common + kind(alpha) * missed + kind(beta) * added + kind(settings.epsilon)
    return 1 - common / whole


def _logsumexp(x, where):
    x = np.where(where, x, -np.inf)
    top = np.max(x, axis=1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):
        return np.log(np.sum(np.exp(x - top), axis=1)) + top[:, 0]


@loss_function(in_metrics=False)
def circle(
    y_true: Tensor,
    y_pred: Tensor,
    ref_labels: Any = None,
    ref_embeddings: Any = None,
    remove_diagonal: bool = True,
    gamma: Any = 80.0,
    margin: float = 0.4,
) -> Tensor:
    """Circle loss on cosine distances between embeddings.

    Y. Sun et al., "Circle loss: a unified perspective of pair similarity optimization" (2020).

    Args:
        y_true: integer classes, `(N,)`.
        y_pred: embeddings of L2 norm 1, `(N, D)`.
        ref_labels, ref_embeddings: what to compare with; the batch itself when None.
        remove_diagonal: do not pair a sample with itself.
        gamma: scale; margin: relaxation, both as in the paper.

    Returns:
        `(N,)`; samples without a positive or a negative partner get 0.

    >>> circle([0, 0, 1], np.eye(3)).shape
    (3,)
    """
    y_pred = as_floats(y_pred)
    references = y_pred if ref_embeddings is None else as_floats(ref_embeddings, y_pred.dtype)
    labels = as_array(y_true).astype(np.int32).reshape(-1, 1)
    keys = labels if ref_labels is None else as_array(ref_labels).astype(np.int32).reshape(-1, 1)
    if y_pred.ndim != 2 or len(labels) != len(y_pred):
        raise ValueError(
            f"circle: expected classes (N,) and embeddings (N, D), got {np.shape(y_true)} and "
            f"{y_pred.shape}; end the model in one embedding per sample"
        )
    distances = np.maximum(1 - y_pred @ references.T, 0)
    positive = labels == keys.T
    negative = ~positive
    if remove_diagonal:
        positive &= ~np.eye(*positive.shape, dtype=bool)
    kind = y_pred.dtype.type
    gamma, margin = kind(gamma), kind(margin)
    near = -gamma * np.maximum(margin + distances, 0) * (margin - distances)
    far = gamma * np.maximum(1 + margin - distances, 0) * (1 - margin - distances)
    return np.logaddexp(_logsumexp(near, positive) + _logsumexp(far, negative), 0)


# Samples that already satisfy the margin do not dilute the mean.
circle.result_mask = lambda y_true, y_pred, values, **arguments: values > 0


@builtin("losses")
class CTC(BuiltinLoss):
    """Loss from `ctc`."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "ctc",
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(ctc, reduction, name, dtype)


@builtin("losses")
class Dice(BuiltinLoss):
    """Loss from `dice`.

    Args:
        axis: axes of the sums, None for all.
    """

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "dice",
        axis: Axis = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(dice, reduction, name, dtype, axis=axis)


@builtin("losses")
class Tversky(BuiltinLoss):
    """Loss from `tversky`.

    Args:
        alpha: weight of what the prediction misses.
        beta: weight of what it adds.
        axis: axes of the sums, None for all.
    """

    def __init__(
        self,
        alpha: Any = 0.5,
        beta: Any = 0.5,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "tversky",
        axis: Axis = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(tversky, reduction, name, dtype, alpha=alpha, beta=beta, axis=axis)


@builtin("losses")
class Circle(BuiltinLoss):
    """Loss from `circle`, over the pairs of a batch; rows that are 0 are left out of the mean.

    Args:
        gamma: scale.
        margin: relaxation.
        remove_diagonal: do not pair a sample with itself.
    """

    def __init__(
        self,
        gamma: Any = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "circle",
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(
            circle,
            reduction,
            name,
            dtype,
            gamma=gamma,
            margin=margin,
            remove_diagonal=remove_diagonal,
        )
