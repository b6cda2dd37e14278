"""NumPy helpers: one-hot encoding, normalization, padding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import hooks

if TYPE_CHECKING:
    from pyseq.types import Array, Axis, DTypeLike, Tensor


@hooks.takes_old_spellings
def to_categorical(
    x: Tensor, num_classes: int | None = None, *, dtype: DTypeLike = "float64"
) -> Array:
    """Return one-hot rows of integer classes.

    Args:
        x: integers in [0, num_classes), of any shape; a last axis of size 1 is dropped.
        num_classes: number of classes; the largest value of x plus 1 when None.
        dtype: of the result.

    Returns:
        An array with an axis of `num_classes` added at the end.

    >>> to_categorical([0, 2]).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    x = np.array(x, dtype=np.int64)
    shape = x.shape
    if len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    x = x.reshape(-1)
    if not num_classes:
        if not x.size:
            raise ValueError("to_categorical: expected num_classes for an array without entries")
        num_classes = int(x.max()) + 1
    if x.size and not 0 <= x.min() <= x.max() < num_classes:
        raise ValueError(
            f"to_categorical: expected classes in [0, {num_classes}), got {x.min()} to {x.max()}; "
            f"number the classes from 0, or raise num_classes"
        )
    encoded = np.zeros((x.size, num_classes), dtype)
    encoded[np.arange(x.size), x] = 1
    return encoded.reshape(*shape, num_classes)


def normalize(x: Tensor, axis: Axis = -1, order: Any = 2) -> Array:
    """Return x divided by its norm along `axis`; vectors of norm 0 stay as they are.

    Args:
        order: of the norm, as in `numpy.linalg.norm`.

    >>> normalize(np.array([[3.0, 4.0]])).tolist()
    [[0.6, 0.8]]
    """
    x = np.asarray(x)
    norm = np.atleast_1d(np.linalg.norm(x, order, axis))
    norm = np.where(norm == 0, 1, norm)
    return x / np.expand_dims(norm, -1 if axis is None else axis)


def pad_sequences(
    sequences: Tensor,
    maxlen: Any = None,
    dtype: DTypeLike = "int32",
    padding: Any = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> Array:
    """Return sequences as one array, filled up or cut to one length.

    Args:
        sequences: list of sequences, each of shape `(length, ...)`.
        maxlen: length of the result; that of the longest sequence when None.
        dtype: of the result; `object` for strings.
        padding: fill `"pre"` (in front) or `"post"` (behind).
        truncating: cut off at the `"pre"` or `"post"` end.
        value: what to fill with.

    Returns:
        `(len(sequences), maxlen, ...)`.

    >>> pad_sequences([[1], [2, 3], [4, 5, 6]], maxlen=2).tolist()
    [[0, 1], [2, 3], [5, 6]]
    """
    for argument, choice in (("padding", padding), ("truncating", truncating)):
        if choice not in ("pre", "post"):
            raise ValueError(f"pad_sequences({argument}): expected 'pre' or 'post', got {choice!r}")
    if not hasattr(sequences, "__len__"):
        raise ValueError(
            f"pad_sequences: expected a list of sequences, got {type(sequences).__name__}; "
            f"wrap it in list(...)"
        )
    for sequence in sequences:
        if not hasattr(sequence, "__len__"):
            raise ValueError(
                f"pad_sequences: expected a list of sequences, got {sequence!r} in it; put a "
                f"single sequence into a list"
            )
    if isinstance(value, str) and dtype is not object and np.dtype(dtype).kind not in "USO":
        raise ValueError(
            f"pad_sequences(value): expected a number for dtype {dtype!r}, got {value!r}; "
            f"pass dtype=object for strings"
        )
    if maxlen is None:
        maxlen = max((len(s) for s in sequences), default=0)
    filled = [s for s in sequences if len(s)]
    inner = np.asarray(filled[0]).shape[1:] if filled else ()
    padded = np.full((len(sequences), maxlen, *inner), value, dtype=dtype)
    for index, sequence in enumerate(sequences):
        if not len(sequence) or not maxlen:
            continue
        kept = sequence[-maxlen:] if truncating == "pre" else sequence[:maxlen]
        kept = np.asarray(kept, dtype=dtype)
        if kept.shape[1:] != inner:
            raise ValueError(
                f"pad_sequences: expected entries of shape {inner} in every sequence, got "
                f"{kept.shape[1:]} in sequence {index}"
            )
        if padding == "post":
            padded[index, : len(kept)] = kept
        else:
            padded[index, -len(kept) :] = kept
    return padded
