"""`check FILE`: what `model.check` finds in a saved model, and in data."""

from __future__ import annotations

import dataclasses
import warnings
import zipfile

import numpy as np

from pyseq import checks, config
from pyseq.commands import models
from pyseq.commands.failure import Failure

# What arrays are called where no name is given, the likeliest first.
_NAMES = {"x": ("x", "x_train", "X", "X_train"), "y": ("y", "y_train", "Y", "Y_train", "labels")}


def add_arguments(parser):
    """Describe the command."""
    models.add_model(parser)
    parser.add_argument(
        "--data",
        metavar="NPZ",
        help="rows and targets, as np.savez(path, x=..., y=...) writes them",
    )
    parser.add_argument("--x", metavar="NAME", help="the array of rows in NPZ (x or x_train)")
    parser.add_argument("--y", metavar="NAME", help="the array of targets in NPZ (y or y_train)")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.epilog = (
        "Exit status: 0 without findings, 1 with some. docs/mistakes.md tells of each code; "
        "PYSEQ_SILENCE=PS103 in the environment silences one."
    )


def run(options):
    """Print the findings."""
    if not options.data and (options.x or options.y):
        raise Failure("--x and --y: expected --data, got none; write --data FILE.npz")
    models.import_modules(options.modules)
    model, found = _load(options.file)
    x, y = _arrays(options) if options.data else (None, None)
    told = {(f.code, f.layer) for f in found}
    found = checks.Findings(
        [*found, *(f for f in model.check(x, y) if (f.code, f.layer) not in told)]
    )
    silenced = config.silenced()
    found = checks.Findings(
        f for f in found if f.severity == "error" or not f.code.startswith(silenced)
    )
    if options.json:
        findings = [dataclasses.asdict(finding) for finding in found]
        parts = {"compiled": model.compiled, "x": x is not None, "y": y is not None}
        models.print_json({"file": options.file, "looked_at": parts, "findings": findings})
        return int(bool(found))
    if not model.compiled and not found:
        print("The model is not compiled: there is no loss and no optimizer to look at.")
    if not options.data:
        print("Without --data only the model is looked at.")
    print(found)
    return int(bool(found))


def _load(path):
    """The model, and what already stands in the way of compiling it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", checks.CheckWarning)  # `model.check` finds them again
        try:
            return models.load(path), []
        except Failure as failure:
            if not isinstance(failure.__cause__, checks.CheckError):
                raise
            return models.load(path, compile=False), [failure.__cause__.finding]


def _arrays(options):
    path = options.data
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise Failure(
                f"{path}: expected an .npz file, got a single array; write it with "
                "np.savez(path, x=x, y=y)"
            )
        with archive:
            return _array(archive, "x", options), _array(archive, "y", options)
    except FileNotFoundError as error:
        raise Failure(f"{path}: expected an .npz file, got none; check the path") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise Failure(
            f"{path}: expected an .npz file of numbers and strings, got what NumPy does not read "
            f"({error}); write it with np.savez(path, x=x, y=y)"
        ) from error


def _array(archive, which, options):
    name, names = getattr(options, which), archive.files
    if name is None:
        name = next((n for n in _NAMES[which] if n in names), None)
        if name is None and which == "y":
            return None
    if name not in names:
        wanted = repr(name) if name else "an array called x or x_train"
        raise Failure(
            f"{options.data}: expected {wanted}, got {', '.join(names) or 'nothing'}; write "
            f"--{which} NAME with one of these"
        )
    return archive[name]
