"""`Model.export`: the inference program and its weights as a file for C++ programs."""

from __future__ import annotations

import contextlib
import os

import numpy as np

from pyseq import _core, fusion, lowering


def export_model(model, filepath, format="pyseq", input_signature=None, **kwargs):
    """Write a `.pyseq` file; see `csrc/include/pyseq/model.h` for its layout.

    Raises:
        ValueError: the model is not built, its input shape has free dimensions, it holds Python
            functions, or `format` is unknown.
    """
    if kwargs:
        raise ValueError(f"export: got unknown arguments {sorted(kwargs)}")
    if format != "pyseq":
        raise ValueError(
            f"export: expected format 'pyseq', got {format!r}; to move a model to another "
            "framework save it as .keras, which Keras reads"
        )
    if not model.built:
        raise ValueError(
            f"{model.name}.export: expected a built model, got one without an input shape; put "
            "Input(shape) first or call it once"
        )
    front = model._text_layers()
    if front:
        names = [layer.name for layer in front]
        raise ValueError(
            f"{model.name}.export: expected a model on numbers, got one that begins with layers on "
            f"text, {names}; export what stands behind them, Sequential([Input(shape), "
            "*model.layers[n:]]), and give it the numbers that they make"
        )
    shape = tuple(model.input_shape if input_signature is None else input_signature)[1:]
    if any(d is None for d in shape):
        raise ValueError(
            f"{model.name}.export: expected a fixed input shape, got {(None, *shape)}; pass "
            "input_signature=(None, ...) with every size"
        )
    graph, output = lowering.lower(model, shape, training=False)
    if isinstance(output, (list, tuple)):
        raise ValueError(f"{model.name}.export: expected one output, got {len(output)}")
    fusion.fuse(graph, output, portable=True)
    rng = np.random.default_rng(0)
    # Small non-negative integers suit embeddings and images alike.
    x = rng.integers(0, 2, (3, *shape)).astype("int64" if 0 in graph.int64 else graph.dtype)
    storages = [v._storage for v in graph.variables]
    program, path = graph.program(output), os.fspath(filepath)
    _remove_stale(path)
    try:
        _core.export_model(program, storages, path, x)
    except ValueError:  # a table of one row takes no other id than 0
        _core.export_model(program, storages, path, np.zeros_like(x))


def _remove_stale(path):
    """Remove what killed processes left: `<path>.tmp<process>`, as the core writes it."""
    folder, base = os.path.split(path)
    if os.name != "posix" or not os.path.isdir(folder or "."):
        return
    for name in os.listdir(folder or "."):
        process = name.removeprefix(f"{base}.tmp")
        if process != name and process.isascii() and process.isdigit() and not _runs(int(process)):
            with contextlib.suppress(OSError):
                os.remove(os.path.join(folder, name))


def _runs(process):
    if process == os.getpid():  # of an earlier one with this number
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
