"""pyseq: the Keras `Sequential` model as a library of its own.

>>> import pyseq
>>> model = pyseq.Sequential([pyseq.Input((3,)), pyseq.layers.Dense(1)])
>>> model.output_shape
(None, 1)
"""

from __future__ import annotations

import importlib
import os

from pyseq._version import __version__
from pyseq.compat import imports as _old_imports

TYPE_CHECKING = False  # as in `typing`, which takes longer to import than all of this

if TYPE_CHECKING:  # what `__getattr__` answers, for editors and checkers
    from pyseq import (
        activations as activations,
        backend as backend,
        callbacks as callbacks,
        checks as checks,
        config as config,
        constraints as constraints,
        datasets as datasets,
        distribution as distribution,
        dtype_policies as dtype_policies,
        initializers as initializers,
        layers as layers,
        losses as losses,
        metrics as metrics,
        mixed_precision as mixed_precision,
        models as models,
        ops as ops,
        optimizers as optimizers,
        preprocessing as preprocessing,
        random as random,
        regularizers as regularizers,
        saving as saving,
        tree as tree,
        utils as utils,
        visualize as visualize,
        wrappers as wrappers,
    )
    from pyseq.config import device as device
    from pyseq.dtype_policies import (
        DTypePolicy as DTypePolicy,
        FloatDTypePolicy as FloatDTypePolicy,
    )
    from pyseq.initializers import Initializer as Initializer
    from pyseq.layers.base import Layer as Layer
    from pyseq.layers.core import Input as Input
    from pyseq.layers.keras_tensor import KerasTensor as KerasTensor
    from pyseq.layers.shapes import InputSpec as InputSpec
    from pyseq.losses import Loss as Loss
    from pyseq.metrics import Metric as Metric
    from pyseq.naming import name_scope as name_scope
    from pyseq.optimizers import Optimizer as Optimizer
    from pyseq.regularizers import Regularizer as Regularizer
    from pyseq.saving import load_model as load_model, load_onnx as load_onnx
    from pyseq.sequential import Sequential as Sequential
    from pyseq.training.model import Model as Model
    from pyseq.utils.session import version as version
    from pyseq.variable import Variable as Variable

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
    "distribution",
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
    "load_onnx": "pyseq.saving",
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


if not TYPE_CHECKING:  # checkers know the names from the imports above

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


__all__ = [
    "DTypePolicy",
    "FloatDTypePolicy",
    "Initializer",
    "Input",
    "InputSpec",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Regularizer",
    "Sequential",
    "Variable",
    "__version__",
    "activations",
    "backend",
    "callbacks",
    "checks",
    "config",
    "constraints",
    "datasets",
    "device",
    "distribution",
    "dtype_policies",
    "initializers",
    "layers",
    "load_model",
    "load_onnx",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "name_scope",
    "ops",
    "optimizers",
    "preprocessing",
    "random",
    "regularizers",
    "saving",
    "tree",
    "utils",
    "version",
    "visualize",
    "wrappers",
]


def __dir__() -> list[str]:
    return sorted(__all__)
