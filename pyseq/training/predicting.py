"""Running a model on rows: which of them at once, and the short way for the next call."""

from __future__ import annotations

import contextlib
import itertools

import numpy as np

from pyseq import checks, revision, symbolic
from pyseq.layers import call_context
from pyseq.training import loop, text
from pyseq.training.data import to_array, whole
from pyseq.training.late_rows import LateRows

# Rows that `predict` runs at once where no callback watches the batches.
ROWS = 256


def batches(model, source, per_batch):
    """Yield `(rows, batches)`: what to run at once, and how many batches that is."""
    if isinstance(source, loop.StreamEpochs):
        stream = source.data
        stream.begin_epoch()
        with contextlib.closing(stream.epoch(source.steps)) as steps:
            taken = itertools.islice(steps, source.steps)
            with contextlib.closing(text.numbered(model, taken)) as found:
                for x, _, _ in found:
                    yield x, 1
        stream.end_epoch()
        return
    data = source.data
    x, size = data.x, data.batch_size
    left = source.batches
    if per_batch:
        together = model.steps_per_execution
    elif data.late:
        together = 1
    else:
        together = 1 if _counts_batches(model, x) else max(1, ROWS // size)
    for begin in range(0, min(len(x), left * size), together * size):
        chunk = x[begin : min(begin + together * size, left * size)]
        yield chunk, -(-len(chunk) // size)


def _counts_batches(model, x):
    """Whether it matters which rows run together, and when: something changes with each run."""
    return model._is_stateful() or model._predictor(x.shape[1:], 1).is_stateful


def quick_answer(model, x, most_rows=0, first_row=0):
    """Outputs the short way, or None: rows as in an earlier call, at most `most_rows`."""
    quick = model._quick
    if quick is None or quick[0] != revision.count:
        return None
    try:
        return quick[1](x, most_rows, first_row)
    except ValueError as error:
        checks.values.raise_if_outside(error)
        raise


def quick_call(model, x):
    """`quick_answer` to a call of the model, where it leaves no losses and stands by itself."""
    quick = model._quick
    if quick is None or quick[0] != revision.count or quick[2].may_add_losses:
        return None
    if symbolic.is_running() or call_context.current() is not None:
        return None
    try:
        return quick[1](x)
    except ValueError as error:
        checks.values.raise_if_outside(error)
        raise


def keep_quick(model, runner):
    """Let later calls on such rows go the short way, where the runner is all that answers."""
    if runner.is_plain and not model._is_stateful() and not model._text_layers():
        model._quick = (revision.current(), runner.session.answer, runner)


def rows(model, x, first_row=0):
    """Outputs for rows of the right rank, all at once; the first is number `first_row` of all."""
    if isinstance(x, LateRows):
        x = to_array(x, "predict: x")
    y = quick_answer(model, x, 0, first_row)
    if y is not None:
        return y
    runner = model._predictor(x.shape[1:], len(x))
    keep_quick(model, runner)
    if x.dtype != runner.dtype or not x.flags.c_contiguous:
        x = np.ascontiguousarray(x, runner.dtype)
    model._calls += 1
    return runner([x], model._calls, first_row)


def array(model, x, batch_size):
    """Outputs for an array of any number of rows."""
    x = model._rows(x, "predict: x")
    if len(x) == 0:
        raise ValueError("predict: expected at least one row, got an empty array")
    x = model._enter(x, late=True)
    if batch_size is not None:
        batch_size = whole(batch_size, "batch_size", "predict")
    if _counts_batches(model, x):
        size = batch_size or model._input_batch_shape[0] or 32
    else:
        size = max(batch_size or 32, ROWS)
    if len(x) <= size:
        return rows(model, x)
    return concatenate([rows(model, x[i : i + size], i) for i in range(0, len(x), size)])


def concatenate(outputs):
    """One array (or one for each output of the model) of the outputs of all chunks."""
    if not outputs:
        raise ValueError("predict: expected at least one batch, got none")
    if isinstance(outputs[0], list):
        return [np.concatenate(parts) for parts in zip(*outputs)]
    return outputs[0] if len(outputs) == 1 else np.concatenate(outputs)
