"""Attributes and methods of Keras 1 and 2 that models, layers and optimizers answer to."""

from __future__ import annotations

import numpy as np

from pyseq import hooks
from pyseq.callbacks import Callback
from pyseq.compat import generators, yaml_texts
from pyseq.compat.notices import tell
from pyseq.layers.base import Layer
from pyseq.layers.batch_normalization import BatchNormalization
from pyseq.optimizers import Optimizer
from pyseq.schedules import InverseTimeDecay
from pyseq.training.model import Model


@hooks.answers("old_attribute")
def old_attribute(obj, name):
    """What the attribute `name` of `obj` is, where only Keras 1 or 2 knew it.

    Raises:
        AttributeError: `obj` never had such an attribute; the message is Python's own.
    """
    if not name.startswith("_") and not hasattr(type(obj), name):
        for cls, table in TABLE:
            if isinstance(obj, cls) and name in table:
                return table[name](obj)
    # Raises what Python would, or a property's own error.
    return object.__getattribute__(obj, name)


@hooks.answers("set_old_attribute")
def set_old_attribute(obj, name, value):
    """Set an attribute that has another name today; return whether it has."""
    if name != "lr":
        return False
    tell(".lr", ".learning_rate")
    _set_rate(obj, value)
    return True


def _means(what, since="2.0"):
    """Decorator: what the attribute is today, and the version of Keras from which on it is old."""

    def decorate(get):
        get.means, get.since = what, since
        return get

    return decorate


class Method:
    """An attribute whose value is `function` with the object as its first argument."""

    since = "3.0"

    def __init__(self, function, new):
        self.function = function
        self.new = new
        self.means = f"`.{new}`" if "(" in new else f"`.{new}()`"

    def __call__(self, obj):
        tell(f".{self.function.__name__}()", self.new)
        return self.function.__get__(obj)


class Renamed:
    """An attribute with another name today."""

    since = "2.0"

    def __init__(self, old, new):
        self.old = old
        self.new = new
        self.means = f"`.{new}`"

    def __call__(self, obj):
        # The weights of a recurrent layer are those of its cell.
        value = getattr(obj if hasattr(obj, self.new) else getattr(obj, "cell", obj), self.new)
        tell(f".{self.old}", f".{self.new}")
        return value


# --- layers


def _shape(what):
    @_means(f"the shape of `.{what}`", "3.0")
    def get(layer):
        tensor = object.__getattribute__(layer, what)
        return [t.shape for t in tensor] if isinstance(tensor, list) else tensor.shape

    return get


def _at(what, of_shape=False):
    @_means(f"the shape of `.{what}`" if of_shape else f"`.{what}`", "3.0")
    def get(layer):
        def at(node_index=0):
            """The tensor (or its shape) of the call number `node_index`, which is 0 here."""
            if node_index != 0:
                raise ValueError(
                    f"{layer.name}: expected node_index 0, got {node_index!r}; a layer of a "
                    "Sequential is called once"
                )
            return _shape(what)(layer) if of_shape else getattr(layer, what)

        return at

    return get


# --- models


def predict_classes(self, x, batch_size=None, verbose=0, steps=None):
    """The class of each row: the largest output, or whether a single output is above 0.5."""
    y = self.predict(x, batch_size=batch_size, verbose=verbose, steps=steps)
    return y.argmax(axis=-1) if y.shape[-1] > 1 else (y > 0.5).astype("int32")


def predict_proba(self, x, batch_size=None, verbose=0, steps=None):
    """The outputs, which are probabilities where the last layer makes such."""
    return self.predict(x, batch_size=batch_size, verbose=verbose, steps=steps)


@_means("while `fit` runs: [x, y, sample weights] that it validates on", "3.0")
def _validation_data(model):
    """While `fit` runs: [x, y, sample weights] that it validates on, else None."""
    data = model._progress.validation
    if not isinstance(data, (list, tuple)) or len(data) not in (2, 3):
        return data
    weights = data[2] if len(data) == 3 and data[2] is not None else np.ones(len(data[0]))
    return [data[0], data[1], weights]


@_means(_validation_data.means, "3.0")
def _callback_validation_data(callback):
    return _validation_data(callback.model)


@_means("the model itself")
def _model(model):
    return model


@_means("whether something acts in training only")
def _uses_learning_phase(layer):
    if isinstance(layer, BatchNormalization):
        return True
    names = ("rate", "stddev", "dropout", "recurrent_dropout", "word_dropout")
    if any(getattr(layer, name, None) for name in names):
        return True
    children = [child for _, child in layer.saved_children()]
    parts = [p for c in children for p in (c if isinstance(c, (list, tuple)) else [c])]
    return any(_uses_learning_phase(part) for part in parts if isinstance(part, Layer))


# --- logs

LOG_NAMES = {"acc": "accuracy", "accuracy": "acc"}
LOG_NAMES_SINCE = "2.3"
RATE_IN_LOGS = {"lr": "learning_rate"}
# Logs had the names of functions where metrics were given by short names.
LONG_IN_LOGS = {
    "mean_absolute_error": "mae",
    "mean_absolute_percentage_error": "mape",
    "mean_squared_error": "mse",
    "mean_squared_logarithmic_error": "msle",
}


@hooks.answers("old_log_name")
def old_log_name(name, known):
    """The name among `known` that Keras 1 or 2 called `name`; `name` where there is none.

    >>> old_log_name("val_loss", ["loss"])
    'val_loss'
    """
    bare = name.removeprefix("val_")
    today = {**LOG_NAMES, **RATE_IN_LOGS, **LONG_IN_LOGS}.get(bare)
    if bare in known or today not in known:
        return name
    new = name.removesuffix(bare) + today
    tell(f"the name {name} in logs", new)
    return new


# --- optimizers


class Rate(float):
    """A learning rate before decay, which `K.set_value` may set."""

    def __new__(cls, optimizer, value):
        rate = super().__new__(cls, value)
        rate._optimizer = optimizer
        return rate

    def assign(self, value):
        """Begin from another learning rate."""
        _set_rate(self._optimizer, value)


def _decays(optimizer):
    rate = optimizer._learning_rate
    return isinstance(rate, InverseTimeDecay) and rate.decay_steps == 1 and not rate.staircase


@_means("`.learning_rate`; that before decay", "2.3")
def _get_rate(optimizer):
    tell(".lr", ".learning_rate")
    return base_rate(optimizer)


@hooks.answers("base_rate")
def base_rate(optimizer):
    """The learning rate of an optimizer; that before decay, where it was made with `decay=`."""
    if _decays(optimizer):
        return Rate(optimizer, optimizer._learning_rate.initial_learning_rate)
    return optimizer.learning_rate


@hooks.answers("set_base_rate")
def _set_rate(optimizer, value):
    if _decays(optimizer) and not callable(value):
        decay = optimizer._learning_rate.decay_rate
        value = InverseTimeDecay(float(value), 1, decay)
    optimizer.learning_rate = value


@_means("the rate of decay that the optimizer was made with", "3.0")
def _decay(optimizer):
    return optimizer._learning_rate.decay_rate if _decays(optimizer) else 0.0


TABLE = (
    (
        Model,
        {
            "evaluate_generator": Method(generators.evaluate_generator, "evaluate"),
            "fit_generator": Method(generators.fit_generator, "fit"),
            "model": _model,
            "predict_classes": Method(predict_classes, "predict(x).argmax(axis=-1)"),
            "predict_generator": Method(generators.predict_generator, "predict"),
            "predict_proba": Method(predict_proba, "predict"),
            "to_yaml": Method(yaml_texts.to_yaml, "to_json"),
            "uses_learning_phase": _uses_learning_phase,
            "validation_data": _validation_data,
        },
    ),
    (
        Layer,
        {
            "W": Renamed("W", "kernel"),
            "U": Renamed("U", "recurrent_kernel"),
            "b": Renamed("b", "bias"),
            "get_input_at": _at("input"),
            "get_input_shape_at": _at("input", True),
            "get_output_at": _at("output"),
            "get_output_shape_at": _at("output", True),
            "inner_activation": Renamed("inner_activation", "recurrent_activation"),
            "input_shape": _shape("input"),
            "nb_filter": Renamed("nb_filter", "filters"),
            "output_dim": Renamed("output_dim", "units"),
            "output_shape": _shape("output"),
            "p": Renamed("p", "rate"),
            "uses_learning_phase": _uses_learning_phase,
        },
    ),
    (Optimizer, {"decay": _decay, "lr": _get_rate}),
    (Callback, {"validation_data": _callback_validation_data}),
)
