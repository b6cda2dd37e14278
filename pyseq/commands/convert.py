"""`convert IN OUT`: a saved model in another format, read back and compared."""

from __future__ import annotations

import argparse
import os
import re

import numpy as np

from pyseq.commands import models
from pyseq.commands.failure import Failure, told
from pyseq.saving import export

_ENDINGS = (".keras", ".h5", ".hdf5", ".pyseq", ".onnx")
_FIXED = (".pyseq", ".onnx")  # have every size


def _shape(text):
    sizes = re.split("[,x]", text)
    if not all(size.isdecimal() and int(size) for size in sizes):
        raise argparse.ArgumentTypeError(f"expected sizes such as 28,28,1, got {text!r}")
    return tuple(map(int, sizes))


def add_arguments(parser):
    """Describe the command."""
    parser.add_argument("file", metavar="IN", help=f"a model: {models.FORMATS}, or a folder")
    parser.add_argument(
        "out",
        metavar="OUT",
        help="where to: the ending chooses the format (.keras, .h5 or .hdf5, .pyseq, .onnx); a "
        "name that ends in / becomes a folder of what .keras holds",
    )
    parser.add_argument("--force", action="store_true", help="replace OUT where it exists")
    parser.add_argument(
        "--input-shape",
        type=_shape,
        metavar="SHAPE",
        help="for .pyseq and .onnx: sizes of one row, such as 28,28,1, where the model leaves "
        "some open",
    )
    parser.add_argument(
        "--without-optimizer",
        action="store_true",
        help="leave out loss, metrics and the state of training",
    )
    models.add_import(parser)


def run(options):
    """Write the file, open it again and compare."""
    folder = options.out.endswith(("/", os.sep))
    out = options.out.rstrip("/" + os.sep) if folder else options.out
    if not folder and not out.endswith(_ENDINGS):
        raise Failure(
            f"OUT: expected a name that ends in {', '.join(_ENDINGS)}, or in / for a folder, got "
            f"{options.out!r}; the ending chooses the format"
        )
    if options.input_shape and not out.endswith(_FIXED):
        raise Failure(
            f"--input-shape: expected OUT to end in .pyseq or .onnx, got {out!r}; the other "
            "formats keep open sizes: leave it out"
        )
    models.need(options.file)
    if os.path.exists(out) and not options.force:
        raise Failure(f"{out}: expected no such file, got one; choose another name or add --force")
    if os.path.exists(out) and os.path.realpath(out) == os.path.realpath(options.file):
        raise Failure(f"{out}: expected another file than IN, got the same; choose another name")
    if os.path.exists(out) and os.path.isdir(out) != folder:
        kinds = ("folder", "file") if folder else ("file", "folder")
        raise Failure("{}: expected a {}, got a {}; choose another name".format(out, *kinds))
    models.import_modules(options.modules)
    model = models.load(options.file, compile=not options.without_optimizer)
    with told():
        _write(model, out, folder, options.input_shape)
    kept = not out.endswith(".onnx")  # which may hold what no layers can be made of again
    if kept:
        again = models.load(out, compile=model.compiled)
        _compare(model, again, out)
    count, numbers = len(model.layers), sum(int(w.size) for w in model.weights)
    print(
        f"{options.file} ({models.size_of(options.file):,} bytes) -> "
        f"{options.out} ({models.size_of(out):,} bytes)"
    )
    what = f"{count} layer{'' if count == 1 else 's'}, {numbers:,} parameters"
    if not kept:
        print(f"{what}; to predict with: without loss and optimizer")
        return 0
    print(f"{what}; read back: all of them are the same")
    if model.compiled != again.compiled:
        print("The loss and the optimizer are not in the new file: compile after loading it.")
    return 0


def _write(model, out, folder, input_shape):
    if folder:
        model.save(out, zipped=False)
    elif input_shape is None:
        try:
            if out.endswith(".onnx"):
                model.export(out, format="onnx")
            else:
                model.save(out)
        except ValueError as error:
            if "input_signature" not in str(error):
                raise
            problem = str(error).partition("; ")[0]
            raise ValueError(
                f"{problem}; write --input-shape with every size of one row, such as 28,28,1"
            ) from error
    else:
        kind = "onnx" if out.endswith(".onnx") else "pyseq"
        export.export_model(
            model, out, kind, input_signature=(None, *input_shape), described=kind == "pyseq"
        )


def _compare(model, again, out):
    kept = [(model.weights, again.weights, "weights")]
    if model.compiled and again.compiled and model.optimizer and again.optimizer:
        kept.append((model.optimizer.variables, again.optimizer.variables, "state of training"))
    for before, after, what in kept:
        pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(before, after)]
        same = len(before) == len(after) and all(
            np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs
        )
        if not same:
            raise Failure(f"{out}: expected the {what} of IN, got another; do not use this file")
