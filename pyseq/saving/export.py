"""`Model.export`: programs and weights as a file for C++, which Python opens again if it is to."""

from __future__ import annotations

import contextlib
import os

import numpy as np

from pyseq import _core, lowering
from pyseq.saving import pyseq_format
from pyseq.saving.to_cpp import header as cpp_header
from pyseq.saving.to_onnx import file as onnx_file

_ROWS = 3  # of the self-test


def export_model(
    model,
    filepath,
    format="pyseq",
    input_signature=None,
    training=False,
    described=False,
    namespace=None,
    **kwargs,
):
    """Write a `.pyseq` file; see `csrc/include/pyseq/model.h` for its layout. Or another file.

    Args:
        model: a built model.
        filepath: where to.
        format: "pyseq", "onnx" or "cpp".
        input_signature: full input shape, where the model has free dimensions.
        training: with what C++ needs to go on training; the model has to be compiled.
        described: with what Python needs to open it again, which `training` includes.
        namespace: of the C++ header; the name of the file if it is not given.

    Raises:
        ValueError: the model is not built, its input shape has free dimensions, it holds Python
            functions, texts go through more than one layer that makes numbers of them, ONNX or
            a C++ header has nothing for a layer, or `format` is unknown.
    """
    if kwargs:
        raise ValueError(f"export: got unknown arguments {sorted(kwargs)}")
    if format not in ("pyseq", "onnx", "cpp"):
        raise ValueError(
            f"export: expected format 'pyseq', 'onnx' or 'cpp', got {format!r}; to move a model to "
            "Keras save it as .keras"
        )
    if namespace is not None and format != "cpp":
        raise ValueError(
            f"export: expected namespace with format='cpp' alone, got format {format!r}; leave it "
            "out"
        )
    if not model.built:
        raise ValueError(
            f"{model.name}.export: expected a built model, got one without an input shape; put "
            "Input(shape) first or call it once"
        )
    shape = tuple(model.input_shape if input_signature is None else input_signature)[1:]
    if any(d is None for d in shape):
        raise ValueError(
            f"{model.name}.export: expected a fixed input shape, got {(None, *shape)}; pass "
            "input_signature=(None, ...) with every size"
        )
    if format != "pyseq":
        _check_for_others(model, format, training)
    if format == "onnx":
        return onnx_file.export(model, os.fspath(filepath), shape)
    if format == "cpp":
        return cpp_header.export(model, os.fspath(filepath), shape, namespace)
    text, texts, rows = None, [], None
    if model._text_layers():
        text = _reader(model).text_step(shape)
        texts = _texts_of(text)
        rows = np.asarray(model.read_text(np.array(texts, object).reshape(-1, *shape)))
        if len(rows) != _ROWS:
            raise ValueError(
                f"{text['name']}: expected as many rows as samples, {_ROWS}, got {len(rows)}; give "
                "the model samples of one dimension or more"
            )
        shape = rows.shape[1:]
    batch = model.input_shape[0] if model._is_stateful() else None
    graph, output = lowering.lower(model, shape, training=False, batch_size=batch, portable=True)
    if isinstance(output, (list, tuple)):
        raise ValueError(f"{model.name}.export: expected one output, got {len(output)}")
    if text is None:
        # Small non-negative integers suit embeddings and images alike.
        rows = np.random.default_rng(0).integers(0, 2, (batch or _ROWS, *shape))
    x = np.ascontiguousarray(rows, "int64" if 0 in graph.int64 else graph.dtype)
    storages = [v._storage for v in graph.variables]
    program, path = graph.program(output, fuse=True), os.fspath(filepath)
    beside = None
    if training or described:
        beside = pyseq_format.describe(model, model._training_step(shape, required=training))
    _remove_stale(path)
    if text is not None:
        _core.write_model(program, storages, path, x, text, texts, beside)
        return
    # A table of one row takes no other id than 0, a vocabulary may have other ids alone.
    tokens = [layer.some_token() for layer in model._flatten() if hasattr(layer, "some_token")]
    fills = [0, *(t for t in tokens if t is not None)]
    tries = [x, *(np.full_like(x, fill) for fill in fills)]
    for k, rows in enumerate(tries, 1):
        try:
            return _core.write_model(program, storages, path, rows, None, [], beside)
        except ValueError:
            if k == len(tries):
                raise


def _check_for_others(model, format, training):
    name = {"onnx": "ONNX", "cpp": "a C++ header"}[format]
    if training:
        raise ValueError(
            f"{model.name}.export: expected training=False with format={format!r}, got "
            f"{training!r}; to go on training save it as .keras or .pyseq"
        )
    if model._text_layers():
        layer = model._text_layers()[0]
        raise ValueError(
            f"{layer.name}: expected a model that takes numbers, which is what {name} has, got one "
            "that takes texts; apply the layer before the model, and export the model without it"
        )


def _reader(model):
    """The layer that makes numbers of the texts."""
    front = model._text_layers()
    if len(front) == 1 and hasattr(front[0], "_text_layers"):
        return _reader(front[0])
    # Not inherited: what a subclass computes is code.
    own = ["text_step" in vars(type(layer)) for layer in front]
    if own == [True]:
        return front[0]
    layer = front[own.index(False) if False in own else 1]
    raise ValueError(
        f"{layer.name}: expected TextVectorization, StringLookup or Hashing alone in front of a "
        f"model to export, got {type(layer).__name__} among {[layer.name for layer in front]}; "
        "apply it to the texts before `predict`, and export a model without it"
    )


def _texts_of(text):
    """Short texts for the self-test, of the vocabulary: any other may have no number."""
    tokens = sorted(text["vocabulary"][:1000], key=len)[:8] or ["a", "bc", ""]
    joined = 1 if text["split"] == "none" else 3
    count = _ROWS * text["texts"]
    return [" ".join(tokens[(i + j) % len(tokens)] for j in range(joined)) for i in range(count)]


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


def kinds_of_ops(path):
    """Kinds of the ops of a `.pyseq` file: those in it, and those that they become together."""
    return _core.Model.load(os.fspath(path)).ops
