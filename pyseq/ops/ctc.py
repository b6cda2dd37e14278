"""Connectionist temporal classification: its loss, and labels from probabilities of frames."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import activations, symbolic
from pyseq.losses.structured import ctc_forward
from pyseq.ops.patches import tensors
from pyseq.ops.promotion import convert_to_tensor, to_array

if TYPE_CHECKING:
    from pyseq.types import Tensor

__all__ = ["ctc_decode", "ctc_loss"]


def ctc_loss(
    target: Tensor, output: Tensor, target_length: Any, output_length: Any, mask_index: int = 0
) -> Tensor:
    """Minus the log-probability of label sequences, summed over their alignments to the frames.

    A. Graves et al., "Connectionist temporal classification", ICML 2006.

    Args:
        target: labels, `(n, L)`.
        output: logits, `(n, T, K)`.
        target_length, output_length: how many labels and frames of each row count, `(n,)`.
        mask_index: the class of the blank.

    Returns:
        `(n,)` in float32; infinite where the labels do not fit into the frames.

    >>> print(ctc_loss([[1]], np.zeros((1, 1, 2)), [1], [1]).round(4))
    [0.6931]
    """
    given = (target, output, target_length, output_length)
    traced = any(map(symbolic.is_traced, given))
    if traced:
        target, output, target_length, output_length = tensors(*given)
    else:
        target, target_length, output_length = (
            to_array(x, "int64") for x in (target, target_length, output_length)
        )
        output = to_array(output, "float64")
    _check_ctc(target, output, target_length, output_length, mask_index)
    if not traced:
        inside = np.arange(target.shape[1]) < target_length[:, None]
        for what, x, most in (
            ("target_length", target_length, target.shape[1] + 1),
            ("output_length", output_length, output.shape[1] + 1),
            ("target", target[inside], output.shape[2]),
        ):
            _check_range("ctc_loss", what, x, most)
    log_p = activations.log_softmax(output)
    with np.errstate(all="ignore"):
        loss = ctc_forward(target, log_p, target_length, output_length, mask_index)
    return loss if traced else loss.astype("float32")


def _check_ctc(target, output, target_length, output_length, mask_index):
    sizes = [tuple(x.shape) for x in (target, output, target_length, output_length)]
    if [len(s) for s in sizes] != [2, 3, 1, 1] or len({s[0] for s in sizes}) != 1:
        raise ValueError(
            f"ctc_loss: expected target (n, L), output (n, T, K), target_length (n,) and "
            f"output_length (n,), got shapes {sizes}"
        )
    if not 0 <= mask_index < sizes[1][2]:
        raise ValueError(
            f"ctc_loss: expected `mask_index` in [0, {sizes[1][2]}), got {mask_index!r}"
        )


def _check_range(where, what, x, end):
    if x.size and not 0 <= x.min() <= x.max() < end:
        raise ValueError(
            f"{where}: expected {what} in [0, {end}), got {x.min()} to {x.max()}"
        )


def ctc_decode(
    inputs: Tensor,
    sequence_lengths: Any,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int = 0,
) -> Tensor:
    """Labels of frames, and scores.

    Args:
        inputs: logits, `(n, T, K)`.
        sequence_lengths: how many frames of each row count, `(n,)`.
        strategy: `"greedy"`, the likeliest class of each frame, or `"beam_search"`, the likeliest
            sequences of labels.
        beam_width: sequences that the search keeps.
        top_paths: sequences that it gives.
        merge_repeated: greedy alone: equal classes of neighbouring frames are one label.
        mask_index: the class of the blank; the last one when None.

    Returns:
        labels `(top_paths, n, T)` in int32, -1 behind the last; scores `(n, top_paths)` in float32:
        minus the sum of the logits (greedy), or log-probabilities.

    >>> ctc_decode(np.eye(3)[None, [1, 1, 0, 2]], [4])[0].tolist()
    [[[1, 2, -1, -1]]]
    """
    where = "ctc_decode"
    if strategy not in ("greedy", "beam_search"):
        raise ValueError(
            f"{where}: expected `strategy` to be 'greedy' or 'beam_search', got {strategy!r}"
        )
    x = to_array(convert_to_tensor(inputs), "float32")
    lengths = np.asarray(sequence_lengths).astype("int64")
    if x.ndim != 3 or lengths.shape != x.shape[:1] or not x.shape[1] or not x.shape[2]:
        raise ValueError(
            f"{where}: expected logits (n, T, K) and sequence_lengths (n,), got shapes {x.shape} "
            f"and {lengths.shape}"
        )
    _check_range(where, "sequence_lengths", lengths, x.shape[1] + 1)
    blank = x.shape[2] - 1 if mask_index is None else mask_index
    if strategy == "greedy":
        return _greedy(x, lengths, merge_repeated, blank)
    if beam_width < 1 or top_paths < 1:
        raise ValueError(
            f"{where}: expected `beam_width` and `top_paths` of at least 1, got {beam_width!r} and "
            f"{top_paths!r}"
        )
    log_p = activations.log_softmax(x)
    found = [_search(p[: max(n, 1)], beam_width, blank)[:top_paths] for p, n in zip(log_p, lengths)]
    paths = np.full((top_paths, *x.shape[:2]), -1, "int32")
    scores = np.full((len(x), top_paths), -np.inf, "float32")
    for row, best in enumerate(found):
        for rank, (path, score) in enumerate(best):
            paths[rank, row, : len(path)] = path
            scores[row, rank] = score
    return paths, scores


def _greedy(x, lengths, merge_repeated, blank):
    frames = np.arange(x.shape[1])
    outside = frames >= lengths[:, None]
    labels = np.where(outside, blank, np.argmax(x, axis=-1))
    scores = -np.sum(np.where(outside, 0, np.max(x, axis=-1)), axis=1, keepdims=True)
    hidden = labels == blank
    if merge_repeated:
        hidden[:, 1:] |= labels[:, 1:] == labels[:, :-1]
    order = np.argsort(np.where(hidden, x.shape[1], frames), axis=-1, kind="stable")
    labels = np.take_along_axis(np.where(hidden, -1, labels), order, axis=-1)
    return labels[None].astype("int32"), scores.astype("float32")


def _search(log_p, beam_width, blank):
    """`(labels, score)` of sequences, best first; of equal ones that of the lower labels.

    Each sequence has two scores: of alignments that end in its last label, and in a blank.
    """
    classes = log_p.shape[1]
    first = sorted(range(classes), key=lambda c: (-log_p[0, c], c))[:beam_width]
    beams = {
        () if c == blank else (c,): (-math.inf, float(log_p[0, c]))
        if c == blank
        else (float(log_p[0, c]), -math.inf)
        for c in first
    }
    for frame in log_p[1:].tolist():
        grown = {}
        for path, (said, silent) in beams.items():
            both = _add(said, silent)
            _grow(grown, path, -math.inf, both + frame[blank])
            for c, p in enumerate(frame):
                if c == blank:
                    continue
                if path and path[-1] == c:
                    _grow(grown, path, said + p, -math.inf)
                    _grow(grown, (*path, c), silent + p, -math.inf)
                else:
                    _grow(grown, (*path, c), both + p, -math.inf)
        beams = dict(_ranked(grown)[:beam_width])
    return [(path, _add(*scores)) for path, scores in _ranked(beams)]


def _grow(beams, path, said, silent):
    if path in beams:
        before = beams[path]
        said, silent = _add(before[0], said), _add(before[1], silent)
    beams[path] = (said, silent)


def _ranked(beams):
    # A longer sequence stands before its own beginning, as infinity at the end says.
    return sorted(beams.items(), key=lambda item: (-_add(*item[1]), (*item[0], math.inf)))


def _add(a, b):
    """log(e^a + e^b)."""
    if a < b:
        a, b = b, a
    return a if b == -math.inf else a + math.log1p(math.exp(b - a))
