"""What a check may look at: a model, what it is compiled for, and data where there are any."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import activations

if TYPE_CHECKING:
    from pyseq.types import Array, Tensor

REGRESSION = (
    "huber",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
)
SPARSE = ("sparse_categorical_crossentropy",)
CATEGORICAL = ("categorical_crossentropy", "categorical_focal_crossentropy", *SPARSE)
BINARY = ("binary_crossentropy", "binary_focal_crossentropy")

_REORDER = ("ActivityRegularization", "Dropout", "Flatten", "Identity", "Permute", "Reshape")
_REORDER += ("AlphaDropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D")
# Layers whose values are some of those of their input, or averages of them.
_KEEP_RANGE = frozenset(
    [*_REORDER, "RepeatVector", "GaussianDropout", "Masking"]
    + [f"Cropping{n}D" for n in (1, 2, 3)]
    + [
        f"{prefix}{kind}Pooling{n}D"
        for prefix in ("", "Global", "Adaptive")
        for kind in ("Max", "Average")
        for n in (1, 2, 3)
    ]
)
_KEEP_VALUES = frozenset(_REORDER)
_ACTIVATION_LAYERS = {"ReLU": "relu", "Softmax": "softmax", "ELU": "elu", "LeakyReLU": "leaky_relu"}
_LINEAR = ("Dense", "EinsumDense", "Conv1D", "Conv2D", "Conv3D")
_LINEAR += ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")


class Context:
    """What the checks of one moment get.

    Args:
        model: any model; it may be without an input shape, and not compiled.
        where: the function that the user has called, for messages.
        x, y, weights: arrays of rows as the model takes them, and their weights, or None.
        details: further facts of the moment, such as `epoch`; see `details`.

    Everything else is worked out when a check asks for it, and is None where it is not known.
    """

    def __init__(
        self,
        model: Any,
        where: Any,
        x: Tensor = None,
        y: Tensor = None,
        weights: Tensor = None,
        **details: Any,
    ) -> None:
        self.model = model
        self.where = where
        self.x = x if isinstance(x, np.ndarray) else None
        self.y = y if isinstance(y, np.ndarray) else None
        self.weights = weights if isinstance(weights, np.ndarray) else None
        self.details = details

    def place(self, name: str) -> str:
        """What a finding about data names: the function that runs, or `name` in `model.check`."""
        return name if self.where == "check" else self.where

    # --- what the model is compiled for

    @property
    def optimizer(self) -> Any:
        return self.model.optimizer if self.model.compiled else None

    @functools.cached_property
    def optimizers(self) -> list[Any]:
        """The optimizers inside the model's, or itself, that have a learning rate of their own."""
        optimizer = self.optimizer
        if optimizer is None:
            return []
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        return list(getattr(optimizer, "optimizers", [optimizer]))

    @functools.cached_property
    def loss(self) -> Any:
        """The `Loss` that is trained on."""
        compiled = self.model._compiled_loss if self.model.compiled else None
        if compiled is None or self.model._defines("compute_loss"):
            return None
        if not compiled.built:
            if self.y is not None and self.output_shape is not None:
                return compiled.resolve(self.y.shape, (None, *self.output_shape))
            return compiled.resolve()
        return compiled.loss

    @functools.cached_property
    def _lowered(self):
        if self.loss is None:
            return None, {}
        return self.loss.lower() or ("value", {})

    @property
    def kind(self) -> str | None:
        """The loss as "mean_squared_error" and so on; "value" for a user's own."""
        return self._lowered[0]

    @property
    def attrs(self) -> dict[str, Any]:
        """Arguments of the loss, such as `from_logits`."""
        return self._lowered[1]

    @functools.cached_property
    def metric_names(self) -> list[str]:
        """Those of the compiled metrics that were given by name."""
        compiled = self.model._compiled_metrics if self.model.compiled else None
        return [] if compiled is None else compiled.names()

    # --- the model's layers

    @functools.cached_property
    def chain(self) -> list[Any]:
        """The layers in order, those of nested models in their place; empty for a `call`."""
        return _chain(self.model)

    @functools.cached_property
    def first(self) -> Any:
        """The first layer that does something with the values of x; None where unknown."""
        for layer in self.chain:
            if type(layer).__name__ not in _KEEP_VALUES:
                while type(layer).__name__ == "TimeDistributed":
                    layer = layer.layer
                return layer
        return None

    @functools.cached_property
    def output_shape(self) -> tuple[int, ...] | None:
        """Shape of one row of the output; None where part of it is not known."""
        shape = self.model._output_batch_shape
        if isinstance(shape, list):
            return None
        if (shape is None or None in shape[1:]) and self.x is not None and self.chain:
            try:
                shape = self.model.compute_output_shape((None, *self.x.shape[1:]))
            except (ValueError, TypeError, AttributeError):
                return None
        if shape is None or isinstance(shape, list) or None in shape[1:]:
            return None
        return tuple(shape[1:])

    @functools.cached_property
    def output(self) -> tuple[Any, str | None]:
        """`(layer, activation)` that made the range of the output; None, None where unknown.

        Layers that hand on values, such as Flatten and pooling, are passed over.
        """
        return self.before(len(self.chain), _KEEP_RANGE)[:2]

    @property
    def units(self) -> int | None:
        """Length of the last axis of the output."""
        shape = self.output_shape
        if shape is not None:
            return shape[-1] if shape else 1
        return getattr(self.chain[-1], "units", None) if self.chain else None

    def before(self, index: Any, passing: Any = _KEEP_VALUES) -> tuple[Any, str | None, int]:
        """`(layer, activation, its index)` of the last one before `index` that changes values."""
        for i in range(index - 1, -1, -1):
            layer = self.chain[i]
            name = type(layer).__name__
            activation = activation_of(layer)
            if name in passing or (name == "Activation" and activation == "linear"):
                continue
            return layer, activation, i
        return None, None, -1

    # --- data and predictions

    def rows(self, array: Tensor, count: Any = 1000) -> Array:
        """Up to about so many rows of an array, evenly spread."""
        return array[:: max(1, len(array) // count)]

    def step(self, array: Tensor, numbers: int) -> int:
        """Every how many rows to look at one, so that it is about so many numbers in all."""
        return max(1, -(-array.size // numbers)) if array.ndim else 1

    @functools.cached_property
    def predictions(self) -> Array | None:
        """What the model predicts for some rows of x; None where that is not known.

        It would change the states of a stateful model.
        """
        model = self.model
        if self.x is None or not model.built or not len(self.x) or model._is_stateful():
            return None
        try:
            y = model.predict(self.rows(self.x), verbose=0)
        except (TypeError, ValueError):  # `predict` says so
            return None
        return None if isinstance(y, list) else np.asarray(y)


def activation_of(layer):
    """The name of a layer's built-in activation; None where it has none that is known."""
    name = type(layer).__name__
    if name == "TimeDistributed":
        return activation_of(layer.layer)
    if name in _ACTIVATION_LAYERS:
        return _ACTIVATION_LAYERS[name]
    function = getattr(layer, "activation", None)
    name = getattr(function, "__name__", None)
    return name if name and getattr(activations, name, None) is function else None


def is_linear_map(layer):
    """Whether a layer's output has the range of its activation: dense and convolutional ones."""
    if type(layer).__name__ == "TimeDistributed":
        return is_linear_map(layer.layer)
    return type(layer).__name__ in (*_LINEAR, "Activation", *_ACTIVATION_LAYERS)


def _chain(model):
    stack = getattr(model, "_stack", None)
    if stack is None or model._runs_call() or hasattr(model, "_taps"):
        return []
    found = []
    for layer in stack:
        inner = _chain(layer) if hasattr(layer, "_stack") else []
        found += inner or [layer]
    return found
