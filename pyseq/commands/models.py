"""Saved models as arguments of commands."""

from __future__ import annotations

import importlib
import json
import os
import sys

from pyseq.commands.failure import Failure, told
from pyseq.saving import load_onnx, saving_api

FORMATS = ".keras, .h5, .pyseq or .onnx"


def add_model(parser):
    """The arguments of a command that opens a model."""
    parser.add_argument("file", metavar="FILE", help=f"a model: {FORMATS}, or a folder")
    add_import(parser)


def add_import(parser):
    """The argument for code that a model needs."""
    parser.add_argument(
        "--import",
        dest="modules",
        metavar="MODULE",
        action="append",
        default=[],
        help="import a module of yours first, which registers layers or losses of your own "
        "(pyseq.saving.register_keras_serializable); a file alone never runs code",
    )


def import_modules(names):
    """Import the modules of `--import`; those of the current folder are found, too."""
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:  # whatever the user's code raises
            raise Failure(
                f"--import {name}: {type(error).__name__}: {error}; give the name of a module, as "
                "in Python's import"
            ) from error


def need(path):
    """Raise a `Failure` where there is no such file."""
    if not os.path.exists(path) and "://" not in path:
        raise Failure(f"{path}: expected a model ({FORMATS}), got no such file; check the path")


def load(path, compile=True):
    """The model of a file.

    Raises:
        Failure: there is none, or it needs code that is not there.
    """
    need(path)
    try:
        if path.endswith(".onnx"):
            return load_onnx(path)
        return saving_api.load_model(path, compile=compile)
    except ValueError as error:
        if "register_keras_serializable" not in str(error):
            raise Failure(error) from error
        problem = str(error).partition("; ")[0]
        raise Failure(
            f"{problem}; write --import MODULE, the module of yours that registers it with "
            "pyseq.saving.register_keras_serializable"
        ) from error
    except (ImportError, OSError, TypeError) as error:
        with told():
            raise error


def size_of(path):
    """Bytes of a file, or of all files of a folder."""
    if not os.path.isdir(path):
        return os.path.getsize(path)
    return sum(
        os.path.getsize(os.path.join(folder, file))
        for folder, _, files in os.walk(path)
        for file in files
    )


def print_json(value):
    """Print a value as JSON that other programs read."""
    print(json.dumps(value, indent=2))
