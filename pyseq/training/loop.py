"""The loops of `fit`, `evaluate` and `predict`: runs of batches in the core between callbacks."""

from __future__ import annotations

import warnings

import numpy as np

from pyseq.training.compile_metrics import update_metric
from pyseq.training.data import ArrayData
from pyseq.training.sparse import SparseRows

# The core comes back about this often, for progress and Ctrl-C.
SECONDS_PER_CALL = 0.05


class Totals:
    """Running means of one epoch: the loss and the metrics that the core accumulates."""

    def __init__(self, model):
        self.model = model
        self.values = None
        self.before = None  # what other programs, or earlier runs of this one, added
        self.program = None

    def begin(self, program):
        # The core goes on adding: sums must not depend on how often it comes back.
        if program.totals is not self:
            program.totals = self
            program.trainer.reset_totals()
            self.before = self.values

    def collect(self, program):
        self.program = program
        self.values = np.array(program.trainer.totals())
        if self.before is not None and len(self.before) == len(self.values):
            self.values += self.before

    def logs(self):
        """`{name: value}` of loss and metrics, sorted by name as Keras's logs are."""
        return dict(sorted(self.results().items()))

    def results(self):
        """`{"loss": ..., metric: ...}` as floats (arrays for metrics of several values)."""
        if self.program is None:
            return {}
        means = {}
        for (name, metric), (total, count) in zip(self.program.core_metrics, self.values[1:]):
            metric.reset_state()
            metric.add_total_count(total, count)
            means[name] = plain(metric.result())
        for name, metric, _ in self.program.python_metrics:
            means[name] = plain(metric.result())
        total, count = self.values[0]
        logs = {"loss": float(total / count) if count else 0.0}
        if self.model._compiled_metrics is not None:
            for name, _, _ in self.model._compiled_metrics.entries:
                if name in means:
                    logs[name] = means[name]
        return logs


def plain(value):
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    value = np.asarray(value)
    return float(value) if value.ndim == 0 else value


def as_list(logs):
    """The values of logs as Keras returns them: one by itself, several as a list."""
    values = list(logs.values())
    return values[0] if len(values) == 1 else values


def run_batches(model, program, data, order, begin, end, batch_size, limit, totals, seconds):
    """Run up to `limit` batches over rows [begin, end) of `order`; returns how many were run."""
    x, y, w = data
    count = min(limit, -(-(end - begin) // batch_size))
    if program.training:
        optimizer = model.optimizer
        iteration = optimizer.raw_iterations
        if optimizer.has_schedule:
            count = min(count, 256)
        if program.host_constraints:
            count = 1
        rates = optimizer.learning_rates(iteration, count)
    else:
        iteration, rates = 0, np.empty(0)
    predictions = None
    if program.python_metrics:
        count = min(count, max(1, 4096 // batch_size))
        rows = min(end - begin, count * batch_size)
        predictions = np.empty((rows, *program.predictions_shape), program.dtype)
        end = min(end, begin + rows)
    totals.begin(program)
    done = program.trainer.run(
        x,
        y,
        w,
        order,
        begin,
        end,
        batch_size,
        count,
        seconds,
        rates,
        iteration,
        model._random_step,
        predictions,
    )
    if program.training:
        model._random_step += done
        optimizer.advance(done)
        program.constrain()
    if predictions is not None:
        _update_python_metrics(program, data, order, begin, end, batch_size, done, predictions)
    totals.collect(program)
    return done


def _update_python_metrics(program, data, order, begin, end, batch_size, done, predictions):
    _, y, w = data
    for i in range(done):
        first = begin + i * batch_size
        last = min(first + batch_size, end)
        rows = slice(first, last) if order is None else order[first:last]
        pred, mask = program.split_predictions(predictions[first - begin : last - begin])
        for _, metric, weighted in program.python_metrics:
            weight = w[rows] if weighted and w is not None else None
            update_metric(metric, y[rows], pred, weight, mask)


def _prepare(program, x, y, w):
    return x, program.prepare_targets(y), program.prepare_weights(w)


class ArrayEpochs:
    """Hands out ranges of rows, epoch after epoch; with `steps` an epoch may end between them."""

    def __init__(self, data: ArrayData, steps=None):
        self.data = data
        self.steps = steps
        self.batches = steps or data.batches
        self.cursor = None
        self.order = None
        self.program = None
        self.arrays = None

    def close(self):
        """Free what a GPU holds of the data."""
        if self.program is not None:
            self.program.trainer.release()

    def restart(self):
        """Let the next run begin with the first row."""
        self.cursor = None

    def begin_epoch(self):
        if self.steps is None or self.cursor is None or self.cursor >= self.data.rows:
            self.order = self.data.order()
            self.cursor = 0

    def run(self, model, mode, totals, callbacks, per_batch, stop):
        """One epoch; `stop()` is asked between batches."""
        self.begin_epoch()
        data, batch = self.data, self.data.batch_size
        program = model._step_program(
            mode, data.x.shape[1:], data.y.shape[1:] if data.y is not None else None, batch
        )
        self.program, self.arrays = program, None
        if not data.sparse:
            self.arrays = _prepare(program, *data.dense())
            program.trainer.hold(*self.arrays)
        done = 0
        while done < self.batches:
            if self.cursor >= data.rows:
                warnings.warn(
                    f"fit: the data ended after {done} of {self.batches} steps of this epoch; the "
                    "next epoch starts again; use fewer steps_per_epoch or more data",
                    stacklevel=5,
                )
                break
            first, left = done, self.batches - done
            if per_batch:
                callbacks.batch_begin(mode, done)
                left = min(left, model.steps_per_execution)
            seconds = SECONDS_PER_CALL if not per_batch else float("inf")
            while left > 0 and self.cursor < data.rows:
                rows = self._rows(model, mode)
                n = run_batches(model, program, *rows, batch, left, totals, seconds)
                self.cursor = min(self.cursor + n * batch, data.rows)
                done += n
                left = left - n if per_batch else 0
            if per_batch:
                callbacks.batch_end(mode, first + model.steps_per_execution - 1, totals.logs())
            else:
                callbacks.progress(mode, done - 1, totals.logs)
            if stop():
                break
        return done

    def _rows(self, model, mode):
        """`(arrays, order, begin, end)` of what to run next: all that is left or a sparse batch."""
        data, begin = self.data, self.cursor
        if self.arrays is not None:
            return self.arrays, self.order, begin, data.rows
        rows = slice(begin, begin + data.batch_size)
        x, y, w = data.dense(rows if self.order is None else self.order[rows])
        if isinstance(data.y, SparseRows):
            model._check_targets(self.program, y, mode)
        return _prepare(self.program, x, y, w), None, 0, len(x)


class StreamEpochs:
    """Batches from a generator or dataset, one after the other."""

    def __init__(self, data, steps=None):
        self.data = data
        self.steps = steps
        self.batches = steps or data.batches
        self.iterator = None
        self.exhausted = False

    def close(self):
        """Stop what makes batches ahead."""
        if self.iterator is not None:
            self.iterator.close()
            self.iterator = None

    def restart(self):
        """Let the next run begin with the first batch."""
        self.close()
        self.data.restart()

    def run(self, model, mode, totals, callbacks, per_batch, stop):
        self.data.begin_epoch()
        if self.iterator is None or self.steps is None:
            self.close()
            self.iterator = self.data.epoch(self.steps)
        done = 0
        group = model.steps_per_execution if per_batch else 1
        while self.steps is None or done < self.steps:
            item = next(self.iterator, None)
            if item is None and self.steps is not None and not self.data.once:
                # A dataset of known length starts again, in the middle of an epoch if need be.
                self.iterator = self.data.epoch(self.steps - done)
                item = next(self.iterator, None)
            if item is None:
                self.iterator = None
                if done % group:
                    callbacks.batch_end(mode, done - 1, totals.logs())
                if self.steps is not None:
                    self.exhausted = True
                    warnings.warn(
                        f"fit: the data ended after {done} of {self.steps} steps; let the "
                        "generator yield more batches, or use fewer steps",
                        stacklevel=5,
                    )
                break
            x, y, w = item
            x = model._fit_input_rank(x)
            model._build_for(x.shape)
            program = model._step_program(
                mode, x.shape[1:], y.shape[1:] if y is not None else None, len(x)
            )
            model._check_targets(program, y, mode)
            arrays = _prepare(program, x, y, w)
            if per_batch and done % group == 0:
                callbacks.batch_begin(mode, done)
            run_batches(model, program, arrays, None, 0, len(x), len(x), 1, totals, float("inf"))
            done += 1
            if not per_batch:
                callbacks.progress(mode, done - 1, totals.logs)
            elif done % group == 0 or done == self.steps:
                callbacks.batch_end(mode, done - 1, totals.logs())
            else:
                continue
            if stop():
                return done
        self.data.end_epoch()
        if done == 0 and self.steps is None and self.batches is not None:
            self.exhausted = True
            warnings.warn(
                "fit: the data ended before this epoch; training stops; pass steps_per_epoch, or "
                "data that can be read again",
                stacklevel=5,
            )
        elif done == 0 and self.steps is None:
            raise ValueError(
                f"{self.data.where}: expected at least one batch, got none; a generator can be "
                "used for one pass only"
            )
        if self.batches is None:
            self.batches = done
        return done
