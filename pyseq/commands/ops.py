"""`ops FILE`: the ops that a C++ program needs to run a model."""

from __future__ import annotations

import os
import tempfile

from pyseq.commands import models
from pyseq.commands.failure import told
from pyseq.saving.export import kinds_of_ops


def add_arguments(parser):
    """Describe the command."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="saved models of any format")
    parser.add_argument(
        "--import",
        dest="modules",
        action="append",
        default=[],
        metavar="MODULE",
        help="a module of yours that registers layers",
    )


def run(options):
    """Print them as CMake takes them: `-DPYSEQ_OPS="..."`."""
    models.import_modules(options.modules)
    needed = set()
    for path in options.files:
        models.need(path)
        with told():
            needed |= set(ops_of(path))
    print(";".join(sorted(needed)))
    return 0


def ops_of(path):
    """Kinds of the ops that inference of a saved model runs: those of the file and put together."""
    if os.path.splitext(path)[1] == ".pyseq":
        return kinds_of_ops(path)
    with tempfile.TemporaryDirectory() as folder:
        exported = os.path.join(folder, "model.pyseq")
        models.load(path, compile=False).export(exported, verbose=False)
        return kinds_of_ops(exported)
