"""`Model.summary()`: a table of layers, output shapes and parameters."""

from __future__ import annotations

import html
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


def output_shapes(model):
    """`{id(layer): output shape}` of a model's layers and of nested ones; None if unknown."""
    known = {}
    _output_shapes(model, model._input_batch_shape, known)
    return known


def _row_bytes(layer, known):
    shape = known.get(id(layer))
    shapes = shape if isinstance(shape, list) else [shape]
    if any(s is None or None in s[1:] for s in shapes):
        return None
    return sum(int(np.prod(s[1:])) for s in shapes) * itemsize(layer.compute_dtype)


def _flops(layer, flops):
    if hasattr(layer, "layers"):
        return sum(_flops(inner, flops) for inner in layer.layers)
    return flops.get(layer.name, 0.0)


def _rows(model, known, show, depth=0):
    """`(layer, cells)`; `show` holds expand_nested, show_trainable, show_memory and flops."""
    for layer in model.layers:
        name = ("   " * depth + "└ " if depth else "") + f"{layer.name} ({type(layer).__name__})"
        params = f"{layer.count_params():,}" if layer.built else "0 (unbuilt)"
        row = [name, _shape(layer, known), params]
        if show["show_trainable"]:
            weights = layer.weights
            row.append("-" if not weights else "Y" if layer.trainable_weights else "N")
        if show["show_memory"]:
            outputs = _row_bytes(layer, known)
            row += [_size(_bytes(layer.weights)), "?" if outputs is None else _size(outputs)]
        if show["flops"] is not None:
            row.append(_count_shown(_flops(layer, show["flops"])))
        yield layer, row
        if show["expand_nested"] and hasattr(layer, "layers"):
            yield from _rows(layer, known, show, depth + 1)


def _count_shown(n):
    for unit, scale in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= scale:
            return f"{n / scale:.2f} {unit}"
    return f"{n:.0f}"


def _headers(show):
    """`(header, width of the optional ones, borders included)`."""
    headers = [("Layer (type)", 0), ("Output Shape", 0), ("Param #", 14)]
    if show["show_trainable"]:
        headers.append(("Trai…", 8))
    if show["show_memory"]:
        headers += [("Weights", 13), ("Output/row", 13)]
    if show["flops"] is not None:
        headers.append(("FLOPs/row", 13))
    return headers


def _totals(model, show):
    """The lines below the table."""
    optimizer = model.optimizer
    trained = model.compiled and optimizer is not None and optimizer.built
    state = list(optimizer.variables) if trained else []
    trainable, frozen = model.trainable_weights, model.non_trainable_weights
    everything = [*model.weights, *state]
    lines = [
        f" Total params: {_count(everything):,} ({_size(_bytes(everything))})",
        f" Trainable params: {_count(trainable):,} ({_size(_bytes(trainable))})",
        f" Non-trainable params: {_count(frozen):,} ({_size(_bytes(frozen))})",
    ]
    if state:
        lines.append(f" Optimizer params: {_count(state):,} ({_size(_bytes(state))})")
    if show["flops"] is not None:
        total = sum(show["flops"].values())
        lines.append(f" Floating point operations a row: {_count_shown(total)}")
    return lines


_PLAIN = {"expand_nested": True, "show_trainable": False, "show_memory": False, "flops": None}


def summary_html(model):
    """The table of `print_summary` with nested layers, as notebooks show it."""
    rows = [row for _, row in _rows(model, output_shapes(model), _PLAIN)]
    lines = ["".join(f"<th>{header}</th>" for header, _ in _headers(_PLAIN))]
    for row in rows:
        cells = [html.escape(cell).replace("   ", "&emsp;") for cell in row]
        lines.append("".join(f"<td>{cell}</td>" for cell in cells))
    table = "".join(f"<tr>{line}</tr>" for line in lines)
    totals = "<br>".join(html.escape(line.strip()) for line in _totals(model, _PLAIN))
    title = html.escape(f'Model: "{model.name}"')
    return f"<p><b>{title}</b></p><table>{table}</table><p>{totals}</p>"


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
    show_memory=False,
    flops=None,
):
    """Print the table; `print_fn` gets it as one string (or line by line if it takes only that).

    `flops` gives the floating point operations of one row as `{layer name: number}`.
    """
    from rich.box import HEAVY_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    show = {
        "expand_nested": expand_nested,
        "show_trainable": show_trainable,
        "show_memory": show_memory,
        "flops": flops,
    }
    rows = _select(list(_rows(model, output_shapes(model), show)), layer_range)
    headers = [header for header, _ in _headers(show)]
    optional = sum(width for _, width in _headers(show))
    width = line_length or (80 if optional <= 28 else optional + 58)
    if positions is None and len(headers) == 3:
        positions = [0.48, 0.80, 1.0]
    elif positions is None:
        left = max(width - optional, 20)
        positions = [left * 57 // 100, left]
        for _, wide in _headers(show)[2:]:
            positions.append(positions[-1] + wide)
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
            justify="left" if i < 2 else "center" if header == "Trai…" else "right",
        )
    for _, row in rows:
        table.add_row(*[escape(cell) for cell in row])

    lines = _totals(model, show)
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
