"""Steps of a model that several processes train: each takes its share of the rows of every batch.

What moves numbers between the processes is `settings.group`, which `pyseq.distribution` sets; None
means that this process is alone, and nothing here changes anything.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import time

import numpy as np

from pyseq import random, settings

# Random numbers of ops are a function of the step: those of other processes are steps far away.
_STEPS_APART = 1 << 40
# Most batches of one call of the core.
_MOST_BATCHES = 4096


def begin(model):
    """Let training begin alike everywhere: random streams as in the first process."""
    group = settings.group
    if group is None:
        return
    for layer in model._flatten():
        if getattr(layer, "stateful", False):
            raise ValueError(
                f"{layer.name}: expected layers without state between batches, got stateful=True; "
                "rows of a batch lie in several processes; set stateful=False or train in one"
            )
    random.set_streams(group.same(random.streams()))
    group.begun += 1


def check_rows(source, where):
    """Raise an error in all processes where their arrays are not of the same length."""
    group = settings.group
    if group is None:
        return
    data = source.data
    rows = group.gather((getattr(data, "rows", None), getattr(data, "batch_size", None)))
    if len(set(rows)) > 1:
        told = ", ".join(f"{n} rows in batches of {size}" for n, size in rows)
        raise ValueError(
            f"{where}: expected the same arrays and batch_size in all processes, got {told}; each "
            "process takes its rows of them. Where each has data of its own, pass a generator or a "
            "PyDataset and DataParallel(auto_shard_dataset=False)"
        )


def any_stops(stop):
    """`stop()` here, as long as this process is alone; else whether it is true in any of them."""
    group = settings.group
    return stop if group is None else lambda: group.any(bool(stop()))


def own_rows(first, last):
    """The part of the batch [first, last) that this process takes, as a slice of positions."""
    group = settings.group
    if group is None or group.sizes is not None:
        return slice(first, last)
    return group.share(first, last)


def rows_to_read(first, last):
    """Which rows [first, last) of a batch this process makes arrays of, and where they lie there.

    Returns:
        (slice of positions, row number in the arrays for each position of the batch or None where
        all are read); a process without a share reads one row, which gives the arrays their shape.
    """
    own = own_rows(first, last)
    if own == slice(first, last):
        return own, None
    begin = min(own.start, last - 1)
    end = max(own.stop, begin + 1)
    return slice(begin, end), np.clip(np.arange(first, last) - begin, 0, end - begin - 1)


def totals(values):
    """Sums `[(total, count), ...]` of this process's rows as those of all."""
    group = settings.group
    if group is None:
        return values
    sums = np.array(values, np.float64)
    group.sum(sums)
    return [tuple(pair) for pair in sums.tolist()]


def agreed(batches, where):
    """Yield batches `(x, ...)` of a stream as long as all processes have one; errors say `where`.

    Raises:
        ValueError: in all processes, where the data of some of them end before the others', or
            where they should be the same and are not.
    """
    group = settings.group
    try:
        for number in itertools.count():
            batch = next(batches, None)
            sizes = group.gather(None if batch is None else len(batch[0]))
            ended = [rank for rank, size in enumerate(sizes) if size is None]
            if len(ended) == group.size:
                return
            if ended:
                raise ValueError(
                    f"{where}: expected the same number of batches in all processes, got no more "
                    f"after {number} from process {_names(ended)} while the others go on; give "
                    "every process as many batches, or set steps_per_epoch to the smallest number"
                )
            if not group.shards:
                group.sizes = sizes
            elif len(set(sizes)) > 1:
                raise ValueError(
                    f"{where}: expected the same batch in all processes, got {sizes} rows from "
                    f"processes 0 to {group.size - 1}; where each process has data of its own, set "
                    "DataParallel(auto_shard_dataset=False)"
                )
            yield batch
    finally:
        group.sizes = None
        batches.close()


def _names(ranks):
    return ", ".join(map(str, ranks))


def run(
    model,
    program,
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
    step,
    predictions,
):
    """`Trainer.run` over this process's shares of the batches; returns how many were done."""
    group = settings.group
    if program.training and program.agreed != group.begun:
        _check(group, model, program)
        program.agreed = group.begun
    count = min(count, _MOST_BATCHES)
    # Clocks differ, the number of batches must not; and sums of Python metrics depend on it.
    if math.isfinite(seconds) and predictions is None:
        known = program.seconds_per_batch
        count = group.same(min(count, max(1, int(seconds / known))) if known else 1)
    positions, shares = _deal(group, begin, end, batch_size, count)
    if program.training and program.needs_rows and not shares[:, 0].all():
        raise ValueError(
            f"fit: expected at least {group.size} rows in every batch for "
            f"BatchNormalization(synchronized=True), got {shares[-1, 1]} in the last one; leave "
            "these rows out or choose another batch_size"
        )
    order = positions if order is None else order[positions]
    started = time.perf_counter()
    first = begun = 0
    while first < count:
        # Where statistics are averaged must not depend on clocks either: rounding would.
        last = count if program.averaged == [] else first + 1
        part = shares[first:last]
        own = slice(begun, begun + int(part[:, 0].sum()))
        program.trainer.run(
            x,
            y,
            w,
            order[own],
            0,
            own.stop - own.start,
            max(int(part[:, 0].max()), 1),
            last - first,
            math.inf,
            rates[first:last],
            iteration + first,
            step + first + group.rank * _STEPS_APART,
            None if predictions is None else predictions[own],
            group,
            part,
        )
        if program.averaged is None:  # known since it ran
            program.averaged = _moving_statistics(program)
        group.average(program.averaged)
        first, begun = last, own.stop
    program.seconds_per_batch = (time.perf_counter() - started) / count
    return count


def _moving_statistics(program):
    """What batches write into the model beside what the optimizer does."""
    if not program.training:
        return []
    written = [program.graph.variables[i] for i in program.trainer.written()]
    return [v for v in written if v.dtype.startswith(("float", "bfloat"))]


def _deal(group, begin, end, batch_size, count):
    """Positions of this process's rows in `count` batches, and (rows here, rows) of each batch."""
    if group.sizes is not None:
        size = end - begin
        return np.arange(begin, end), np.array([[size, sum(group.sizes)]])
    end = min(end, begin + count * batch_size)
    full = (end - begin) // batch_size
    own = group.share(0, batch_size)
    firsts = begin + batch_size * np.arange(full)
    positions = (firsts[:, None] + np.arange(own.start, own.stop)).ravel()
    shares = [[own.stop - own.start, batch_size]] * full
    first = begin + full * batch_size
    if first < end:
        own = group.share(first, end)
        positions = np.concatenate([positions, np.arange(own.start, own.stop)])
        shares.append([own.stop - own.start, end - first])
    return positions, np.array(shares, np.int64)


def _check(group, model, program):
    """Raise an error in all processes where models or their weights differ."""
    ops = json.dumps(
        [[op["kind"], op.get("attrs", {})] for op in program.graph.ops], sort_keys=True, default=str
    )
    program.needs_rows = any(op.get("attrs", {}).get("synchronized") for op in program.graph.ops)
    weights = hashlib.sha256()
    for variable in (*model.variables, *model.optimizer.variables):
        weights.update(np.ascontiguousarray(variable.numpy()).tobytes())
    mine = hashlib.sha256(ops.encode()).hexdigest(), weights.hexdigest()
    everyones = group.gather(mine)
    for part, what, remedy in (
        (0, "layers, losses and optimizers", "build and compile the same model in each"),
        (1, "weights", "seed them alike (`utils.set_random_seed`) or load the same file in each"),
    ):
        different = [rank for rank, own in enumerate(everyones) if own[part] != everyones[0][part]]
        if different:
            raise ValueError(
                f"fit: expected the same {what} in all processes, got others in process "
                f"{_names(different)} than in process 0; {remedy}"
            )


class MergedMetrics:
    """Metrics that compute in Python: what each process adds to their state goes to all of them."""

    def __init__(self, program):
        self.variables = []
        if settings.group is not None:
            metrics = [metric for _, metric, _ in program.python_metrics]
            if program.own_metrics is not None:
                metrics = program.own_metrics.model.metrics
            self.variables = [v for metric in metrics for v in metric.variables]
        self.before = [v.numpy().copy() for v in self.variables]

    def merge(self):
        """To be called when this process has updated the metrics with its rows."""
        for variable, before in zip(self.variables, self.before):
            added = np.atleast_1d(np.subtract(variable.numpy(), before, dtype=np.float64))
            settings.group.sum(added)
            variable.assign((before + added.reshape(before.shape)).astype(before.dtype))
