"""`Model.summary()`: a table of layers, output shapes and parameters."""

from __future__ import annotations

import io
import re

import numpy as np

from pyseq.dtypes import itemsize


def _count(variables):
    return sum(int(np.prod(v.shape)) for v in variables)


def _bytes(variables):
    return sum(int(np.prod(v.shape)) * itemsize(v.dtype) for v in variables)


def _size(n):
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if n < 1024 or unit == "TB":
            return f"{n:.2f} {unit}"
        n /= 1024


def _shape(layer, known):
    shape = known.get(id(layer))
    if shape is None:
        return "?"
    if isinstance(shape, list):
        return "[" + ", ".join(str(tuple(s)) for s in shape) + "]"
    return str(tuple(shape))


def _output_shapes(model, shape, into):
    if model.output_layer is None:  # `call` says what the layers get: what they were built for
        for layer in model._flatten() if shape and None not in shape[1:] else ():
            shape = None if layer is model or not layer.built else layer._build_input_shape
            if shape and not isinstance(shape, dict):
                into[id(layer)] = layer.compute_output_shape(shape)
        return
    for layer in model.layers:
        if shape is None:
            into[id(layer)] = None
            continue
        if hasattr(layer, "layers"):
            _output_shapes(layer, shape, into)
        shape = layer.compute_output_shape(shape)
        into[id(layer)] = shape


def _rows(model, known, expand_nested, show_trainable, depth=0):
    for layer in model.layers:
        name = "   " * depth + f"{layer.name} ({type(layer).__name__})"
        params = f"{layer.count_params():,}" if layer.built else "0 (unbuilt)"
        row = [name, _shape(layer, known), params]
        if show_trainable:
            weights = layer.weights
            row.append("-" if not weights else "Y" if layer.trainable_weights else "N")
        yield layer, row
        if expand_nested and hasattr(layer, "layers"):
            yield from _rows(layer, known, expand_nested, show_trainable, depth + 1)


def _select(rows, layer_range):
    if layer_range is None:
        return rows
    if len(layer_range) != 2:
        raise ValueError(f"summary: expected layer_range as [first, last], got {layer_range!r}")
    at = []
    for pattern in layer_range:
        found = [i for i, (layer, _) in enumerate(rows) if re.match(str(pattern), layer.name)]
        if not found:
            raise ValueError(f"summary: expected layer_range to name layers, got {pattern!r}")
        at.append(found)
    return rows[min(at[0]) : max(at[1]) + 1]


def print_summary(
    model,
    line_length=None,
    positions=None,
    print_fn=None,
    expand_nested=False,
    show_trainable=False,
    layer_range=None,
):
    """Print the table; `print_fn` gets it as one string (or line by line if it takes only that)."""
    from rich.box import HEAVY_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    known = {}
    _output_shapes(model, model._input_batch_shape, known)
    rows = _select(list(_rows(model, known, expand_nested, show_trainable)), layer_range)
    headers = ["Layer (type)", "Output Shape", "Param #"] + ["Trai…"] * show_trainable
    width = line_length or 80
    if positions is None:
        positions = [0.45, 0.80, 0.89, 1.0] if show_trainable else [0.48, 0.80, 1.0]
    if max(positions) <= 1:
        positions = [int(width * p) for p in positions]
    starts = [0, *positions]
    table = Table(width=width, box=HEAVY_HEAD, show_lines=True, header_style="bold")
    for i, header in enumerate(headers):
        column = starts[i + 1] - starts[i] - (4 if i == 0 else 3)
        table.add_column(
            header,
            width=max(6, column),
            overflow="fold",
            justify="left" if i < 2 else "right" if i == 2 else "center",
        )
    for _, row in rows:
        table.add_row(*[escape(cell) for cell in row])

    optimizer = model.optimizer
    state = list(optimizer.variables) if model.compiled and optimizer is not None else []
    trainable, frozen = model.trainable_weights, model.non_trainable_weights
    everything = [*model.weights, *state]
    lines = [
        f" Total params: {_count(everything):,} ({_size(_bytes(everything))})",
        f" Trainable params: {_count(trainable):,} ({_size(_bytes(trainable))})",
        f" Non-trainable params: {_count(frozen):,} ({_size(_bytes(frozen))})",
    ]
    if state:
        lines.append(f" Optimizer params: {_count(state):,} ({_size(_bytes(state))})")

    title = f'Model: "{model.name}"'
    if print_fn is None:
        console = Console(width=width, highlight=False)
        console.print(f"[bold]{escape(title)}[/bold]")
        console.print(table)
        console.print("\n".join(lines), markup=False)
        return
    text = io.StringIO()
    console = Console(file=text, width=width, highlight=False, color_system=None)
    console.print(title, markup=False)
    console.print(table)
    console.print("\n".join(lines), markup=False)
    print_fn(text.getvalue())
