"""The `.pyseq` format as a saved model: what C++ runs and trains, and Python opens again.

Beside the program of inference, which every `.pyseq` file has, it holds Keras's description of the
model, what its weights are called, and, of a compiled model, the program of training.
"""

from __future__ import annotations

import json
import os

import numpy as np

from pyseq import _core
from pyseq.registry import limits, serialization
from pyseq.registry.reading import reading
from pyseq.saving import h5_weights, keras_format, safe_json, tree

# What NumPy has more dtypes of than the core.
_NEAREST = {"bool": "uint8", "float16": "float32", "bfloat16": "float32", "uint32": "int64"}


# --- writing


def describe(model, step=None):
    """What a file holds beside inference, as `_core.write_model` takes it.

    Args:
        model: a built model.
        step: what `Model._training_step` returned, or None for a model that is not to be trained
            in C++.
    """
    with serialization.object_sharing_scope():
        config = serialization.serialize_keras_object(model)
    tensors = _Tensors()
    weights, assets = [], []
    for path, obj in tree.entries(model):
        for key, tensor in tensors.of(obj):
            weights.append((path, key, tensor))
        if hasattr(obj, "get_assets"):
            for name, data in sorted(obj.get_assets().items()):
                assets.append((path, name, _constant(np.frombuffer(data, "uint8"))))
    described = {
        "config": json.dumps(config),
        "weights": weights,
        "assets": assets,
        "program": None,
    }
    if step is None:
        return described
    optimizer = model.optimizer
    inner = getattr(optimizer, "_optimizers", [optimizer])
    rates = [tensors.scalar(o.learning_rate, "float32") for o in inner]
    return {
        **described,
        **step,
        "learning_rates": rates,
        "iterations": tensors.scalar(optimizer._iterations, "int64"),
    }


class _Tensors:
    """Tensors of the core that stand for variables, one for each."""

    def __init__(self):
        self._made = {}

    def of(self, obj):
        """`(key, tensor)` for what a layer or optimizer saves of its own."""
        store = _Store()
        obj.save_own_variables(store)
        own = {str(i): v for i, v in enumerate(tree.own_variables(obj))}
        for key, array in store.items():
            variable = own.get(key)
            # A layer may save something else under the number of a variable.
            if variable is not None and _same(array, variable.numpy()):
                yield key, self.variable(variable)
            else:
                yield key, _constant(array)

    def variable(self, variable):
        """The variable's own storage, or a tensor with its value."""
        if variable.is_float:
            return variable._storage
        if id(variable) not in self._made:
            self._made[id(variable)] = variable, _constant(variable.numpy())
        return self._made[id(variable)][1]

    def scalar(self, value, dtype):
        """The same for a number, or for what changes by itself: then a tensor of its own."""
        if hasattr(value, "is_float"):
            return self.variable(value)
        return _constant(np.asarray(value, dtype))


class _Store(dict):
    def __setitem__(self, key, value):
        super().__setitem__(str(key), np.asarray(value))


def _same(a, b):
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def _constant(array):
    array = np.asarray(array)
    dtype = _NEAREST.get(array.dtype.name, array.dtype.name)
    tensor = _core.Variable(list(array.shape), dtype)
    tensor.array()[...] = array
    return tensor


# --- reading


class _Group:
    """The tensors of one path, as `h5_weights.read` asks for them."""

    def __init__(self, tensors, where):
        self._tensors = tensors
        self._where = where

    def names(self):
        return list(self._tensors)

    def __contains__(self, name):
        return name in self._tensors

    def shape(self, name):
        return self._tensors[name].array().shape

    def array(self, name, shape=None, finite=True):
        array = self._tensors[name].array()
        if shape is not None and array.shape != tuple(shape):
            raise ValueError(
                f"{self._where}: expected {name} of shape {tuple(shape)}, got {array.shape}"
            )
        if finite and array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(
                f"{self._where}: expected finite weights, got NaN or infinity in {name}; pass "
                "allow_non_finite=True to load them"
            )
        return array


def load(path, custom_objects=None, compile=True, finite=True):
    """Return the model in a `.pyseq` file that was saved or trained to be opened again.

    Raises:
        ValueError: the file is damaged, or holds inference alone.
    """
    with reading(path):
        text, weights, assets = _core.read_stored(path)
        config = safe_json.loads(text.encode(), path)
        if not compile:
            config["compile_config"] = None
        groups = {}
        for where, key, tensor in weights:
            groups.setdefault(where, {})[key] = tensor
        groups = {where: _Group(g, f"{path}/{where}") for where, g in groups.items()}
        with limits.loading(os.path.getsize(path), path):
            model = keras_format.model_from_config(config, custom_objects, path)
            h5_weights.read(model, groups.get, path, finite=finite, fresh=True)
            found = {f"{at}/{name}": tensor.array().tobytes() for at, name, tensor in assets}
            keras_format.load_assets(model, found, path)
    return model
