"""pyseq: the Keras `Sequential` model as a library of its own.

>>> import pyseq
>>> model = pyseq.Sequential([pyseq.Input((3,)), pyseq.layers.Dense(1)])
>>> model.output_shape
(None, 1)
"""

from __future__ import annotations

import importlib
import os

from pyseq._version import __version__ as __version__
from pyseq.compat import imports as _old_imports

_old_imports.register()

# Imported when first used, so that `import pyseq` stays quick.
_MODULES = (
    "activations",
    "backend",
    "callbacks",
    "checks",
    "config",
    "constraints",
    "datasets",
    "dtype_policies",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "ops",
    "optimizers",
    "preprocessing",
    "random",
    "regularizers",
    "saving",
    "tree",
    "utils",
    "visualize",
    "wrappers",
)
_NAMES = {
    "Sequential": "pyseq.sequential",
    "Model": "pyseq.training.model",
    "Layer": "pyseq.layers.base",
    "InputSpec": "pyseq.layers.shapes",
    "Input": "pyseq.layers.core",
    "KerasTensor": "pyseq.layers.keras_tensor",
    "Variable": "pyseq.variable",
    "device": "pyseq.config",
    "name_scope": "pyseq.naming",
    "DTypePolicy": "pyseq.dtype_policies",
    "FloatDTypePolicy": "pyseq.dtype_policies",
    "Loss": "pyseq.losses",
    "Metric": "pyseq.metrics",
    "Optimizer": "pyseq.optimizers",
    "Initializer": "pyseq.initializers",
    "Regularizer": "pyseq.regularizers",
    "load_model": "pyseq.saving",
    "version": "pyseq.utils.session",
}


# Rounds that an idle thread of the core waits before it sleeps, about 0.2 ms. GNU OpenMP's default
# is some milliseconds, which a process with a few answers a second would pay at each of them.
_SPIN_COUNT = "20000"


def _load_core():
    given = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(os.environ)
    if not given:
        os.environ["GOMP_SPINCOUNT"] = _SPIN_COUNT  # read once, when the library is loaded
    try:
        return importlib.import_module("pyseq._core")
    finally:
        if not given:
            del os.environ["GOMP_SPINCOUNT"]


def __getattr__(name):
    if name == "_core":
        return _load_core()
    if name in _MODULES:
        try:
            return importlib.import_module(f"pyseq.{name}")
        except ModuleNotFoundError as error:
            if error.name == f"pyseq.{name}":
                raise AttributeError(f"module 'pyseq' has no attribute {name!r}") from None
            raise
    if name in _NAMES:
        value = getattr(importlib.import_module(_NAMES[name]), name)
        globals()[name] = value
        return value
    if name in _old_imports.MODULES:
        return importlib.import_module(f"pyseq.{name}")
    raise AttributeError(f"module 'pyseq' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_MODULES, *_NAMES])
