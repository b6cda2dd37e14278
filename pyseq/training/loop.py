"""The loops of `fit`, `evaluate` and `predict`: runs of batches in the core between callbacks."""

from __future__ import annotations

import collections
import contextlib
import functools
import math
import time

import numpy as np

from pyseq import checks, random, settings
from pyseq.training import text, together
from pyseq.training.compile_metrics import flat_results, metric_value, update_metric
from pyseq.training.data import ArrayData
from pyseq.training.late_rows import LateRows

# The core comes back about this often, for progress and Ctrl-C.
SECONDS_PER_CALL = 0.05

# A generator that has given so many batches in its first epoch most likely has no end.
ENDLESS = 100_000

_NO_RATES = np.empty(0)


class Totals:
    """Running means of one epoch: the loss and the metrics that the core accumulates."""

    in_epoch = False  # of `fit`, with more steps to come

    def __init__(self, model, epoch=None):
        self.model = model
        self.epoch = epoch  # from 1, of `fit`
        self.batches = 0  # how many are in the sums
        self.finite = True
        self.values = None  # pairs (total, count), those of the loss first
        self.before = None  # what other programs, or earlier runs of this one, added
        self.program = None

    def begin(self, program):
        # The core goes on adding: sums must not depend on how often it comes back.
        if program.totals is not self:
            program.totals = self
            program.trainer.reset_totals()
            self.before = self.values

    def resume(self, values, program):
        """Go on from the sums of an interrupted epoch."""
        self.values, self.program = values.tolist(), program

    def collect(self, program):
        self.program = program
        self.values = together.totals(program.trainer.totals())
        if self.before is not None and len(self.before) == len(self.values):
            pairs = zip(self.values, self.before)
            self.values = [(t + before, n + m) for (t, n), (before, m) in pairs]

    def logs(self):
        """`{name: value}` of loss and metrics, sorted by name as Keras's logs are."""
        return dict(sorted(self.results().items()))

    def results(self):
        """`{"loss": ..., metric: ...}` as floats (arrays for metrics of several values).

        A metric whose result is a dict has its entries here, behind those of the others.
        """
        if self.program is None:
            return {}
        means = {}
        for (name, metric), (total, count) in zip(self.program.core_metrics, self.values[1:]):
            metric.reset_state()
            metric.add_total_count(total, count)
            means[name] = metric_value(name, metric)
        for name, metric, _ in self.program.python_metrics:
            means[name] = metric_value(name, metric)
        total, count = self.values[0]
        logs = {"loss": total / count if count else 0.0}
        if self.program.own_metrics is not None:
            return flat_results({**logs, **means["compute_metrics"]})
        if self.model._compiled_metrics is not None:
            for name, _, _ in self.model._compiled_metrics.entries:
                if name in means:
                    logs[name] = means[name]
        for metric in self.model._layer_metrics():
            logs[metric.name] = means[metric.name] = metric_value(metric.name, metric)
        for value in means.values():
            if isinstance(value, dict):
                return flat_results(logs)
        return logs


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
        if iteration == 0:  # the weights may be others than when its state was made
            optimizer.start_from_weights()
        if optimizer.has_schedule:
            count = min(count, 256)
        if program.host_constraints:
            count = 1
        rates = optimizer.learning_rates(iteration, count)
    else:
        iteration, rates = 0, _NO_RATES
    predictions = None
    if program.python_metrics:
        count = min(count, max(1, 4096 // batch_size))
        rows = min(end - begin, count * batch_size)
        predictions = np.empty((rows, *program.predictions_shape), program.dtype)
        end = min(end, begin + rows)
    totals.begin(program)
    run = program.trainer.run
    if settings.group is not None:
        run = functools.partial(together.run, model, program)
    more = (seconds, rates, iteration, model._random_step, predictions)
    try:
        done = run(x, y, w, order, begin, end, batch_size, count, *more)
    except ValueError as error:
        checks.values.raise_if_outside(error)
        raise
    if program.training:
        vars(model)["_random_step"] += done  # no program is lowered from it
        optimizer.advance(done)
        program.constrain()
    if predictions is not None:
        _update_python_metrics(program, data, order, begin, end, batch_size, done, predictions)
    totals.collect(program)
    totals.batches += done
    if program.training and totals.finite and not math.isfinite(totals.values[0][0]):
        totals.finite = False
        rows = slice(begin, min(end, begin + done * batch_size))
        if order is not None:
            rows = np.sort(order[rows])
        arrays = [None if a is None else a[rows] for a in data]
        model._check_lost(totals.epoch, totals.batches - done + 1, totals.batches, arrays)
    return done


def _update_python_metrics(program, data, order, begin, end, batch_size, done, predictions):
    x, y, w = data
    merged = together.MergedMetrics(program)
    at = 0
    for i in range(done):
        first = begin + i * batch_size
        last = min(first + batch_size, end)
        own = together.own_rows(first, last)
        size = own.stop - own.start
        if not size:
            continue
        rows = own if order is None else order[own]
        pred, mask = program.split_predictions(predictions[at : at + size])
        at += size
        if program.own_metrics is not None:
            own = program.own_metrics
            own.update(
                x[rows],
                y[rows] if program.has_targets else None,
                pred,
                None if w is None else w[rows],
            )
            continue
        for _, metric, weighted in program.python_metrics:
            weight = w[rows] if weighted and w is not None else None
            update_metric(metric, y[rows], pred, weight, mask)
    merged.merge()


def _prepare(program, x, y, w):
    x = program.prepare_inputs(x)
    return x, program.prepare_targets(y, len(x)), program.prepare_weights(w)


class ArrayEpochs:
    """Hands out ranges of rows, epoch after epoch; with `steps` an epoch may end between them."""

    def __init__(self, data: ArrayData, steps=None):
        self.data = data
        self.steps = steps
        self.batches = steps or data.batches
        self.cursor = None
        self.order = None
        self.keeps_position = False  # whether somebody will ask for it
        self.drawn_at = None  # where the random streams stood when the order was drawn
        self.program = None
        self.arrays = None
        self.totals = None
        self.done = 0
        self.pending = None

    def close(self):
        """Free what a GPU holds of the data."""
        if self.program is not None:
            self.program.trainer.release()

    def restart(self):
        """Let the next run begin with the first row."""
        self.cursor = None

    def position(self, within_epoch):
        """Where the data stand, for `resume`."""
        goes_on = within_epoch or self.steps is not None
        return {
            "data": [self.data.rows, self.data.batch_size, str(self.data.shuffle)],
            "cursor": self.cursor if goes_on else None,
            "done": self.done if within_epoch else 0,
            "drawn_at": self.drawn_at if goes_on else None,
        }

    def resume(self, position):
        """Begin the next epoch at a position; returns whether it is one of these data."""
        fits = position.get("data") == self.position(False)["data"]
        self.pending = position if fits else None
        return fits

    def begin_epoch(self):
        """Draw an order where the last one is used up; returns a position inside the epoch."""
        pending, self.pending = self.pending, None
        self.done = 0
        if pending is not None:
            self.cursor, self.done = pending["cursor"], pending["done"]
            if self.cursor is not None and (drawn_at := pending["drawn_at"]) is not None:
                now = random.streams()
                random.set_streams(drawn_at)
                self._draw()
                random.set_streams(now)
            if self.done:
                return pending
        if self.steps is None or self.cursor is None or self.cursor >= self.data.rows:
            self._draw()
            self.cursor = 0
        return None

    def _draw(self):
        if self.keeps_position and self.data.shuffle:
            self.drawn_at = random.streams()
        self.order = self.data.order()

    def run(self, model, mode, totals, callbacks, per_batch, stop):
        """One epoch; `stop()` is asked between batches."""
        resumed = self.begin_epoch()
        data, batch = self.data, self.data.batch_size
        program = model._step_program(
            mode, data.x.shape[1:], data.y.shape[1:] if data.y is not None else None, batch
        )
        self.program, self.totals, self.arrays = program, totals, None
        if not data.late:
            self.arrays = _prepare(program, *data.dense())
            program.trainer.hold(*self.arrays)
        done = self.done
        if resumed is not None:
            model._resume_epoch(resumed, program, totals)
        while done < self.batches:
            if self.cursor >= data.rows:
                checks.tell("PS302", done, self.batches, True)
                break
            first, left = done, self.batches - done
            if per_batch:
                callbacks.batch_begin(mode, done)
                left = min(left, model.steps_per_execution)
            seconds = SECONDS_PER_CALL if not per_batch else float("inf")
            while left > 0 and self.cursor < data.rows:
                rows = self._rows(model, mode)
                n = run_batches(model, program, *rows, batch, left, totals, seconds)
                callbacks.count_rows(mode, min(n * batch, data.rows - self.cursor))
                self.cursor = min(self.cursor + n * batch, data.rows)
                done += n
                left = left - n if per_batch else 0
            self.done = done
            if per_batch:
                callbacks.batch_end(mode, first + model.steps_per_execution - 1, totals.logs())
            else:
                callbacks.progress(mode, done - 1, totals.logs)
            if stop():
                break
        return done

    def _rows(self, model, mode):
        """`(arrays, order, begin, end)` of what to run next: all that is left or one batch."""
        data, begin = self.data, self.cursor
        if self.arrays is not None:
            return self.arrays, self.order, begin, data.rows
        end = min(begin + data.batch_size, data.rows)
        rows, order = together.rows_to_read(begin, end)
        x, y, w = data.dense(rows if self.order is None else self.order[rows])
        if isinstance(data.y, LateRows):
            model._check_targets(self.program, y, mode)
        return _prepare(self.program, x, y, w), order, 0, end - begin


class StreamEpochs:
    """Batches from a generator or dataset, one after the other."""

    def __init__(self, data, steps=None):
        self.data = data
        self.steps = steps
        self.batches = steps or data.batches
        self.iterator = None
        self.unused = collections.deque()  # batches that were taken ahead
        self.unchecked = True  # no batch has been looked at
        self.exhausted = False
        self.keeps_position = False  # whether somebody will ask for it
        self.began_at = None  # where random streams and data stood when the pass began
        self.taken = 0
        self.totals = None
        self.done = 0
        self.pending = None

    def close(self):
        """Stop what makes batches ahead."""
        if self.iterator is not None:
            self.iterator.close()
            self.iterator = None

    def restart(self):
        """Let the next run begin with the first batch."""
        self._forget()
        self.data.restart()

    def _forget(self):
        """Stop what makes batches, and drop those that can be read again."""
        self.close()
        if not self.data.once:
            self.unused.clear()

    def position(self, within_epoch):
        """Where the data stand, for `resume`; None where batches cannot be read again."""
        if self.data.once:
            return None
        goes_on = within_epoch or (self.steps is not None and self.iterator is not None)
        return {
            "data": [self.data.batches, str(self.data.shuffle)],
            "taken": self.taken if goes_on else None,
            "done": self.done if within_epoch else 0,
            "began_at": self.began_at if goes_on else self._here(),
        }

    def _here(self):
        ask = getattr(self.data.source, "get_state", None)
        return {"streams": random.streams(), "source": None if ask is None else ask()}

    def resume(self, position):
        """Begin the next epoch at a position; returns whether it is one of these data."""
        if self.data.once:
            return True
        fits = position.get("data") == self.position(False)["data"]
        self.pending = position if fits else None
        return fits

    def begin_epoch(self):
        """Open a pass; returns (position inside the epoch or None, the last batch before it)."""
        pending, self.pending = self.pending, None
        self.done, item = 0, None
        if pending is not None and (state := pending["began_at"]["source"]) is not None:
            self.data.source.set_state(state)
        if pending is not None and pending["taken"] is not None:
            now = random.streams()
            random.set_streams(pending["began_at"]["streams"])
            self._forget()
            self._open(0)
            for _ in range(pending["taken"]):
                item = self._next()
            random.set_streams(now)
            if item is not None and pending["done"]:
                self.done = pending["done"]
                return pending, item
        if self.iterator is None or self.steps is None:
            self._forget()
            self._open(0)
        return None, None

    def _open(self, done):
        """Begin a pass where `done` batches of the epoch are taken."""
        self.close()
        if self.keeps_position:
            self.began_at = self._here()
        self.taken = 0
        self.iterator = self.data.epoch(None if self.steps is None else self.steps - done)

    def _next(self):
        self.taken += 1
        return next(self.iterator, None)

    def _epoch(self):
        """Yield the batches that are left of the epoch, those first that nobody has used."""
        count, waiting = self.done, list(self.unused)
        while self.steps is None or count < self.steps:
            if waiting:
                item = waiting.pop(0)
            else:
                item = self._next()
                if item is None and self.steps is not None and not self.data.once:
                    # A dataset of known length starts again, in the middle of an epoch if need be.
                    self._open(count)
                    item = self._next()
                if item is None:
                    return
                self.unused.append(item)
            count += 1
            yield item

    def run(self, model, mode, totals, callbacks, per_batch, stop):
        self.data.begin_epoch()
        resumed, last = self.begin_epoch()
        self.totals = totals
        done = self.done
        if resumed is not None:
            program, _ = self._prepare(model, mode, (model._enter(last[0]), *last[1:]))
            model._resume_epoch(resumed, program, totals)
        group = model.steps_per_execution if per_batch else 1
        shows, due, rows = callbacks.shows_progress, -1.0, 0

        def tell():
            if rows:
                callbacks.count_rows(mode, rows)
                if not per_batch:
                    callbacks.progress(mode, done - 1, totals.logs)

        batches = text.numbered(model, self._epoch(), not self.keeps_position)
        if settings.group is not None:
            batches = together.agreed(batches, self.data.where)
        with contextlib.closing(batches):
            for item in batches:
                self.unused.popleft()
                program, arrays = self._prepare(model, mode, item)
                x = arrays[0]
                if per_batch and done % group == 0:
                    callbacks.batch_begin(mode, done)
                size = len(x)
                run_batches(model, program, arrays, None, 0, size, size, 1, totals, float("inf"))
                done += 1
                self.done = done
                rows += size
                if done == ENDLESS and self.batches is None and mode == "train":
                    checks.tell("PS407", done)
                if not per_batch:
                    if shows and time.perf_counter() >= due:
                        tell()
                        rows, due = 0, time.perf_counter() + SECONDS_PER_CALL
                elif done % group == 0 or done == self.steps:
                    tell()
                    rows = 0
                    callbacks.batch_end(mode, done - 1, totals.logs())
                else:
                    continue
                if stop():
                    tell()
                    return done
        tell()
        if self.steps is None or done < self.steps:
            self.iterator = None
            if done % group:
                callbacks.batch_end(mode, done - 1, totals.logs())
            if self.steps is not None:
                self.exhausted = True
                checks.tell("PS302", done, self.steps, False)
        self.data.end_epoch()
        if done == 0 and self.steps is None and self.batches is not None:
            self.exhausted = True
            checks.tell("PS303")
        elif done == 0 and self.steps is None:
            raise ValueError(
                f"{self.data.where}: expected at least one batch, got none; a generator can be "
                "used for one pass only"
            )
        if self.batches is None:
            self.batches = done
        return done

    def _prepare(self, model, mode, item):
        """(step program, arrays as it takes them) of a batch."""
        x, y, w = item
        program = model._step_program(
            mode, x.shape[1:], y.shape[1:] if y is not None else None, len(x)
        )
        model._check_targets(program, y, mode)
        if self.unchecked:
            self.unchecked = False
            model._check_data(mode, x, y, w)
        return program, _prepare(program, x, y, w)
