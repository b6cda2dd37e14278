"""Where the time of a step goes, op by op."""

from __future__ import annotations

import html
import time

import numpy as np

from pyseq import _core, lowering, settings
from pyseq.training import inputs, loop

_REST = "(loss, optimizer, data)"


class Profile(list):
    """Dicts with these keys, one for each op in the order of the program; prints as a table.

    Attributes of a row:
        op, layer: kind of the op, name of its layer.
        forward_us, backward_us: microseconds of one step.
        gflops: 1e9 floating point operations a second, forward and backward together. Operations
            are those of the plain algorithm: Winograd's convolution does fewer.
        share: of what the threads in use can do on registers alone; None on a GPU. Small for ops
            that only move data.
    """

    def __str__(self):
        rows = self._table()
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = []
        for row in rows:
            cells = [row[i].ljust(widths[i]) for i in (0, 1)]
            cells += [row[i].rjust(widths[i]) for i in range(2, len(row))]
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self):
        head, *rows = self._table()
        lines = ["".join(f"<th>{html.escape(c)}</th>" for c in head)]
        lines += ["".join(f"<td>{html.escape(c)}</td>" for c in row) for row in rows]
        return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"

    def _table(self):
        rows = [("op", "layer", "forward, us", "backward, us", "GFLOP/s", "of peak", "of time")]
        total = sum(r["forward_us"] + r["backward_us"] for r in self) or 1.0
        for r in self:
            share = f"{r['share']:.0%}" if r["share"] else ""
            times = (f"{r['forward_us']:,.1f}", f"{r['backward_us']:,.1f}")
            part = (r["forward_us"] + r["backward_us"]) / total
            speed = f"{r['gflops']:,.1f}" if r["gflops"] else ""
            rows.append((r["op"], r["layer"], *times, speed, share, f"{part:.0%}"))
        return rows


def profile(model, x, y=None, batch_size=32, steps=20):
    """Run `steps` steps on the first batch and return a `Profile`.

    Args:
        model: a compiled model; its weights and optimizer state are restored.
        x, y: arrays; with `y` the steps train.
        batch_size: rows of a step.
        steps: steps that are averaged.
    """
    model._check_compiled("profile")
    mode = "train" if y is not None else "test"
    data = inputs.rows_of(model, x, y, None, batch_size, False, None, "profile", None)
    x, y, _ = data.dense(slice(0, batch_size))
    x = model._enter(x)
    y_shape = y.shape[1:] if y is not None else None
    program = model._step_program(mode, x.shape[1:], y_shape, batch_size)
    saved = [(v, v.numpy()) for v in (*model.weights, *model.optimizer.variables)]
    arrays = (program.prepare_inputs(x), program.prepare_targets(y, len(x)), None)
    totals = loop.Totals(model)
    rows = len(x)

    def step():
        loop.run_batches(model, program, arrays, None, 0, rows, batch_size, 1, totals, 1e9)

    trainer = program.trainer
    try:
        step()
        trainer.profile(True)
        started = time.perf_counter()
        for _ in range(steps):
            step()
        total = (time.perf_counter() - started) / steps * 1e6
        times = [t / steps for t in trainer.profile_microseconds()]
        work = [f * rows for f in trainer.profile_flops()]
    finally:
        trainer.profile(False)
        for variable, value in saved:
            variable.assign(value)
    on_host = settings.device == "cpu"
    peak = _core.peak_flops() * _core.num_threads() / 1e9 if on_host else None
    ops, result = program.graph.ops, Profile()
    for i, op in enumerate(ops):
        forward, backward = times[i], times[len(ops) + i]
        done = work[i] + (work[len(ops) + i] if backward else 0.0)
        gflops = done / (forward + backward) / 1e3 if forward + backward else 0.0
        result.append(_row(op["kind"], op["name"], forward, backward, gflops, peak))
    result.append(_row(_REST, "", total - sum(times), 0.0, 0.0, None))
    return result


def _row(op, layer, forward, backward, gflops, peak):
    share = None if peak is None else gflops / peak
    return {
        "op": op,
        "layer": layer,
        "forward_us": forward,
        "backward_us": backward,
        "gflops": gflops,
        "share": share,
    }


def flops_of_row(model):
    """Return `{layer name: floating point operations}` of one row in inference.

    A row of zeros runs through the model, and its ops tell what they do.

    Raises:
        ValueError: shapes are not known, or the model keeps states between calls.
    """
    shape = model._input_batch_shape if model.built else None
    if shape is None or isinstance(shape, dict) or None in shape[1:] or model._is_stateful():
        raise ValueError(
            f"{model.name}: summary(show_flops=True) expected a built model that keeps no states, "
            f"with known shapes, got input shape {shape}; build it with an Input of a full shape"
        )
    graph, output = lowering.lower(model, shape[1:], False, None)
    spec = {"target": [], "loss": None, "metrics": [], "optimizers": [], "parameters": []}
    program = graph.program(output)
    trainer = _core.Trainer(program, [v._storage for v in graph.variables], spec)
    dtype = np.dtype("int64" if 0 in graph.int64 else graph.dtype)
    x = np.zeros((1, *shape[1:]), dtype)
    trainer.run(x, None, None, None, 0, 1, 1, 1, 1e9, np.empty(0), 0, 0, None)
    totals = {}
    for op, work in zip(graph.ops, trainer.profile_flops()):
        totals[op["name"]] = totals.get(op["name"], 0.0) + work
    return totals
