"""Old spellings of Keras 1 and 2, and those of TensorFlow: what scripts are written in.

`import pyseq` registers the import paths of Keras; `install()` those of other packages.
"""

from __future__ import annotations

import importlib


def __getattr__(name):
    if name in ("install", "uninstall"):
        return getattr(importlib.import_module("pyseq.compat.tensorflow"), name)
    if name == "tensorflow":
        return importlib.import_module("pyseq.compat.tensorflow")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
