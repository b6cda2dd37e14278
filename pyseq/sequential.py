"""The Sequential model: a stack of layers, each with one input and one output."""

from __future__ import annotations

import copy
import json

from pyseq.layers.base import Layer
from pyseq.layers.core import InputLayer, KerasTensor
from pyseq.saving import serialization
from pyseq.saving.registration import builtin
from pyseq.training.model import Model


@builtin("", aliases=("models.Sequential",))
class Sequential(Model):
    """A plain stack of layers: each layer's output is the next one's input.

    Args:
        layers: layers, models or one `Input(...)` in front, in order.
        trainable: whether training updates the weights.
        name: name of the model.

    Without `Input` (or `input_shape=` in the first layer) the model is built when it first sees
    data.

    >>> import pyseq
    >>> from pyseq import layers
    >>> model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(3, activation="relu")])
    >>> model.output_shape
    (None, 3)
    """

    def __init__(self, layers=None, trainable=True, name=None):
        super().__init__(trainable=trainable, name=name)
        if layers is not None:
            if isinstance(layers, (Layer, KerasTensor)):
                raise TypeError(
                    f"{self.name}: expected a list of layers, got one {type(layers).__name__}; "
                    "write Sequential([layer, ...])"
                )
            for layer in layers:
                self.add(layer)

    # --- the stack

    @property
    def layers(self):
        """The layers in order, without the InputLayer."""
        return [layer for layer in self._layers if not isinstance(layer, InputLayer)]

    @layers.setter
    def layers(self, _):
        raise AttributeError("`Sequential.layers` cannot be set; use `add` and `pop`")

    def add(self, layer, rebuild=True):
        """Append a layer; builds it at once if the input shape is known."""
        layer = self._as_layer(layer)
        if isinstance(layer, InputLayer) and self._layers:
            raise ValueError(
                f"{self.name}.add: expected an Input only as the first layer, got {layer.name} "
                f"after {self._layers[-1].name}; a Sequential has one input"
            )
        for known in self._layers:
            if known.name == layer.name and known is not layer:
                raise ValueError(
                    f"{self.name}.add: expected layers with different names, got a second "
                    f"`{layer.name}`; pass `name=`"
                )
        if not self._layers and not isinstance(layer, InputLayer):
            shape = layer._legacy_input_shape
            if shape is None and isinstance(layer, Sequential) and layer.built:
                shape = layer._input_batch_shape
            if shape is not None:
                self._layers.append(InputLayer(batch_shape=shape, dtype=layer.dtype))
        self._layers.append(layer)
        self._changed()
        if rebuild and isinstance(self._layers[0], InputLayer):
            try:
                self.build()
            except Exception:
                self._layers.pop()
                if (
                    len(self._layers) == 1
                    and isinstance(self._layers[0], InputLayer)
                    and (self._layers[0] is not layer)
                ):
                    self._layers.pop()
                self._changed()
                if self.layers:
                    self.build()
                raise

    def _as_layer(self, layer):
        if isinstance(layer, KerasTensor):
            return layer.layer
        if isinstance(layer, Layer):
            return layer
        if isinstance(layer, type) and issubclass(layer, Layer):
            raise TypeError(
                f"{self.name}.add: expected a layer, got the class {layer.__name__}; create it: "
                f"{layer.__name__}(...)"
            )
        raise TypeError(
            f"{self.name}.add: expected a layer, got {type(layer).__name__} {layer!r}; wrap a "
            "function in layers.Lambda or layers.Activation"
        )

    def pop(self, rebuild=True):
        """Remove the last layer and return it."""
        if not self.layers:
            raise TypeError(f"{self.name}.pop: expected at least one layer, got an empty model")
        layer = self._layers.pop()
        self._changed()
        if rebuild and self.layers and isinstance(self._layers[0], InputLayer):
            self.build()
        return layer

    def _changed(self):
        self.built = False
        self._input_batch_shape = None
        self._output_batch_shape = None
        self._forget_programs()

    def build(self, input_shape=None):
        """Build all layers for `input_shape`, which includes the batch dimension."""
        if not self.layers:
            if not self._layers:
                raise ValueError(
                    f"{self.name}.build: expected at least one layer, got an empty model; call "
                    "`add` first"
                )
        first = self._layers[0]
        if isinstance(first, InputLayer):
            shape = first.batch_shape
            if input_shape is not None and len(shape) != len(input_shape):
                raise ValueError(
                    f"{self.name}.build: expected the shape of its Input {shape}, got "
                    f"{tuple(input_shape)}"
                )
        elif input_shape is None:
            raise ValueError(
                f"{self.name}.build: expected a model whose input shape is known, got none; put "
                "`Input(shape)` first, pass `input_shape=` to the first layer, or call "
                "`build(input_shape)`"
            )
        else:
            shape = tuple(input_shape)
            self._layers.insert(0, InputLayer(batch_shape=shape))
        self._input_batch_shape = tuple(shape)
        for i, layer in enumerate(self._layers):
            if isinstance(layer, InputLayer):
                continue
            if isinstance(shape, list):
                raise ValueError(
                    f"{layer.name}: expected one input, got {len(shape)} outputs of "
                    f"{self._layers[i - 1].name}; a layer with return_state=True can only be last"
                )
            layer.check_input(shape)
            if not layer.built:
                layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self._output_batch_shape = shape
        self._build_input_shape = self._input_batch_shape
        self.built = True

    def check_input(self, shape):
        if self._layers and isinstance(self._layers[0], InputLayer):
            self._layers[0].check_shape(self.name, shape)
        elif self._layers:
            self._layers[0].check_input(shape)

    def compute_output_shape(self, input_shape):
        shape = tuple(input_shape)
        for layer in self.layers:
            shape = layer.compute_output_shape(shape)
        return shape

    def lower(self, g, x):
        for layer in self.layers:
            x = layer.emit(g, x)
        return x

    # --- shapes

    def _known(self, what, value):
        if value is None:
            raise AttributeError(
                f"{self.name}.{what}: expected a built model, got one that has not seen its input "
                "shape; put `Input(shape)` first or call `build(input_shape)`"
            )
        return value

    @property
    def input_shape(self):
        return self._known("input_shape", self._input_batch_shape)

    @property
    def output_shape(self):
        return self._known("output_shape", self._output_batch_shape)

    @property
    def inputs(self):
        return [KerasTensor(self.input_shape, self._layers[0].dtype, self._layers[0].name)]

    @property
    def input(self):
        return self.inputs[0]

    @property
    def outputs(self):
        shape = self.output_shape
        shapes = shape if isinstance(shape, list) else [shape]
        return [KerasTensor(s, self.compute_dtype, self.layers[-1].name) for s in shapes]

    @property
    def output(self):
        return self.outputs[0] if len(self.outputs) == 1 else self.outputs

    @property
    def input_dtype(self):
        return self._layers[0].dtype if self._layers else None

    @property
    def supports_masking(self):
        return True

    mask_policy = "pass"

    # --- configuration

    def get_config(self):
        config = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": super().get_config()["dtype"],
            "layers": [serialization.serialize_keras_object(layer) for layer in self._layers],
        }
        if self._input_batch_shape is not None:
            config["build_input_shape"] = self._input_batch_shape
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Create a model with new weights from what `get_config` returned."""
        config = dict(config)
        model = cls(name=config.get("name"), trainable=config.get("trainable", True))
        for item in config.get("layers", ()):
            layer = serialization.deserialize_keras_object(
                item, custom_objects=custom_objects, family=("layers", "")
            )
            model.add(layer, rebuild=False)
        shape = config.get("build_input_shape")
        if model.layers and isinstance(model._layers[0], InputLayer):
            model.build()
        elif model.layers and shape:
            model.build(tuple(shape))
        return model

    def to_json(self, **kwargs):
        """The architecture, without weights, as a JSON string."""
        return json.dumps(serialization.serialize_keras_object(self), **kwargs)


def clone_model(
    model, input_tensors=None, clone_function=None, call_function=None, recursive=False, **kwargs
):
    """Return a model of the same architecture with new weights.

    Args:
        model: a Sequential.
        clone_function: called with each layer (without the InputLayer) to make its copy.
        recursive: also clone the layers of nested models with `clone_function`.
    """
    if kwargs:
        raise ValueError(f"clone_model: got unknown arguments {sorted(kwargs)}")
    if not isinstance(model, Sequential):
        raise ValueError(f"clone_model: expected a Sequential, got {type(model).__name__}")
    if call_function is not None:
        raise ValueError(
            "clone_model: expected no `call_function` for a Sequential, which calls its layers "
            "one after the other"
        )

    def copy_of(layer):
        if recursive and isinstance(layer, Sequential):
            return clone_model(layer, clone_function=clone_function, recursive=True)
        if clone_function is not None and not isinstance(layer, Sequential):
            return clone_function(layer)
        return type(layer).from_config(copy.deepcopy(layer.get_config()))

    new = Sequential(name=model.name, trainable=model.trainable)
    if input_tensors is not None:
        tensors = input_tensors if isinstance(input_tensors, (list, tuple)) else [input_tensors]
        if len(tensors) != 1:
            raise ValueError(f"clone_model: expected one input tensor, got {len(tensors)}")
        new.add(tensors[0])
    for layer in model._layers:
        if isinstance(layer, InputLayer):
            if input_tensors is None:
                new.add(InputLayer.from_config(layer.get_config()))
        else:
            new.add(copy_of(layer))
    return new


def model_from_json(json_string, custom_objects=None):
    """Create a model with new weights from what `to_json` returned."""
    return serialization.deserialize_keras_object(
        json.loads(json_string), custom_objects=custom_objects
    )
