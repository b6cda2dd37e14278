"""The Sequential model: a stack of layers, each with one input and one output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyseq import hooks, revision
from pyseq.layers.base import Layer
from pyseq.layers.core import InputLayer
from pyseq.layers.keras_tensor import KerasTensor
from pyseq.naming import auto_name
from pyseq.registry import limits, serialization
from pyseq.registry.reading import reading, reading_layer
from pyseq.registry.registration import builtin
from pyseq.saving import safe_json
from pyseq.training import text
from pyseq.training.model import Model

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from typing_extensions import Self

    from pyseq.types import Config, CustomObjects, Shape, Tensor


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

    def __init__(
        self,
        layers: Sequence[Layer | KerasTensor] | None = None,
        trainable: bool = True,
        name: str | None = None,
    ) -> None:
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

    _stays_open = True
    # Whether `layers` begins with the InputLayer, as in models made by `Model(inputs, outputs)`.
    _counts_input = False

    @property
    def _stack(self):
        return [layer for layer in self._layers if not isinstance(layer, InputLayer)]

    @property
    def layers(self) -> list[Layer]:
        """The layers in order, without the InputLayer.

        With it, as in Keras, in a model that `Model(inputs, outputs)` made.
        """
        return list(self._layers) if self._counts_input else self._stack

    @layers.setter
    def layers(self, _: Any) -> None:
        raise AttributeError("`Sequential.layers` cannot be set; use `add` and `pop`")

    def saved_children(self) -> Iterator[Any]:
        yield "layers", self._stack
        yield from super().saved_children()

    @property
    def output_layer(self) -> Any:
        return self._stack[-1] if self._stack else None

    def add(self, layer: Layer | KerasTensor, rebuild: bool = True) -> None:
        """Append a layer; builds it at once if the input shape is known."""
        layer = self._as_layer(layer)
        layer.check_place()
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
                if self._stack:
                    self.build()
                raise

    def _as_layer(self, layer):
        if isinstance(layer, KerasTensor):
            if len(layer.path) != 1:
                raise ValueError(
                    f"{self.name}.add: expected an Input, got the output of {layer.name}; add the "
                    "layer itself"
                )
            return layer.path[0]
        if isinstance(layer, Layer):
            return layer
        if isinstance(layer, type) and issubclass(layer, Layer):
            raise ValueError(
                f"{self.name}.add: expected a layer, got the class {layer.__name__}; create it: "
                f"{layer.__name__}(...)"
            )
        fix = "wrap a function in layers.Lambda or layers.Activation"
        if isinstance(layer, (list, tuple)):
            fix = "put * before it to add its layers, or make it a Sequential([...]) of its own"
        raise ValueError(
            f"{self.name}.add: expected a layer, got {type(layer).__name__} {layer!r}; {fix}"
        )

    def pop(self, rebuild: bool = True) -> Layer:
        """Remove the last layer and return it."""
        if not self._stack:
            raise TypeError(f"{self.name}.pop: expected at least one layer, got an empty model")
        layer = self._layers.pop()
        self._changed()
        if rebuild and self._stack and isinstance(self._layers[0], InputLayer):
            self.build()
        return layer

    def _changed(self):
        self.built = False
        self._input_batch_shape = None
        self._output_batch_shape = None
        self._tensors = None
        self._forget_programs()

    def build(self, input_shape: Any = None) -> None:
        """Build all layers for `input_shape`, which includes the batch dimension."""
        if not self._stack:
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
            dtype = "string" if self._text_input else None
            self._layers.insert(0, InputLayer(batch_shape=shape, dtype=dtype))
            self._layers[0].deferred = True
        self._input_batch_shape = tuple(shape)
        tensor = self._layers[0].output
        for i, layer in enumerate(self._layers):
            if isinstance(layer, InputLayer):
                continue
            if isinstance(tensor, list):
                raise ValueError(
                    f"{layer.name}: expected one input, got {len(tensor)} outputs of "
                    f"{self._layers[i - 1].name}; a layer with return_state=True or "
                    "merge_mode=None can only be last"
                )
            if i and len(tensor.shape) == 2:
                _check_steps(self._layers[i - 1], layer)
            with reading_layer(layer.name):
                tensor = tensor.through(layer)
        many = isinstance(tensor, list)
        self._output_batch_shape = [t.shape for t in tensor] if many else tensor.shape
        self._tensors = (self._layers[0].output, tensor)
        self._build_input_shape = self._input_batch_shape
        self.built = True
        if self.compiled and input_shape is not None:  # `add` and `pop` may go on
            self._check_model("build")

    def check_input(self, shape: Shape) -> None:
        if self._layers and isinstance(self._layers[0], InputLayer):
            self._layers[0].check_shape(self.name, shape)
        elif self._layers:
            self._layers[0].check_input(shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = tuple(input_shape)
        for layer in self._stack:
            shape = layer.compute_output_shape(shape)
        return shape

    def lower(self, g: Any, x: Tensor) -> Any:
        return self._lower_from(g, x, 0)

    # --- text in front

    # Whether the first data was text, where no Input says so.
    _text_input = False

    @property
    def text_policy(self) -> Any:
        return "read" if self._text_layers() else super().text_policy

    def _text_layers(self):
        """The leading layers that texts go through ahead of the program.

        The last of them may be a model with further layers, which are part of the program.
        """
        cached = self.__dict__.get("_front")
        if cached is None or cached[0] != revision.current():
            cached = revision.current(), self._find_text_layers()
            object.__setattr__(self, "_front", cached)
        return cached[1]

    def _find_text_layers(self):
        if self._runs_call():
            return []
        first = self._layers[0] if self._layers else None
        declared = isinstance(first, InputLayer) and first.dtype == "string"
        # Whether texts come to the next layer; None where it is not known.
        texts = True if declared or self._text_input else None
        count = 0
        for i, layer in enumerate(self._stack, 1):
            policy = layer.text_policy
            if policy == "read" or (policy == "either" and texts):
                count, texts = i, False
                if isinstance(layer, Sequential):
                    break
            elif policy == "write" and count:
                texts = True
            elif policy != "pass" or texts is False:
                break
        return self._stack[:count]

    def _reads_text(self, x):
        if self._text_input:
            return text.is_text(x)
        if self._text_layers():
            return True
        first = self._layers[0] if self._layers else None
        if first is None or (isinstance(first, InputLayer) and not first.deferred):
            return False
        if self._stack[0].text_policy != "either" or not text.is_text(x):
            return False
        # From now on, whatever comes: what the layer makes of numbers is the same on the host.
        self._text_input = True
        if isinstance(first, InputLayer):
            first._dtype = "string"
        self._forget_programs()
        return True

    def read_text(self, x: Tensor) -> Any:
        """What the leading layers that read text make of an array of texts."""
        for layer in self._text_layers():
            x = layer.read_text(x)
        return x

    def lower_rows(self, g: Any, x: Tensor) -> Any:
        front = self._text_layers()
        if not front:
            return self.emit(g, x)
        if isinstance(front[-1], Sequential):
            x = front[-1].lower_rows(g, x)
        return self._lower_from(g, x, len(front))

    def _lower_from(self, g, x, begin):
        """The layers from number `begin` on."""
        for layer in self._stack[begin:]:
            x = layer.emit(g, x)
        return x

    # --- shapes

    @property
    def inputs(self) -> list[KerasTensor]:
        return [self.input]

    @property
    def outputs(self) -> list[KerasTensor]:
        return self.output if isinstance(self.output, list) else [self.output]

    def keep_tensors(self, inputs: Tensor, outputs: Tensor) -> None:
        """A nested model keeps its own input and output."""

    @property
    def input_dtype(self) -> Any:
        return self._layers[0].dtype if self._layers else None

    def input_program_dtype(self) -> Any:
        front = self._text_layers()
        if front:
            last = front[-1]
            nested = isinstance(last, Sequential)
            return last.input_program_dtype() if nested else last.integer_dtype()
        first = self._layers[0] if self._layers else None
        return first.dtype if isinstance(first, InputLayer) and not first.deferred else None

    @property
    def supports_masking(self) -> bool:
        return True

    mask_policy = "pass"

    # --- configuration

    def get_config(self) -> Config:
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
    def from_config(cls, config: Config, custom_objects: CustomObjects = None) -> Self:
        """Create a model with new weights from what `get_config` returned."""
        if not isinstance(config, dict) or "name" not in config or "layers" not in config:
            raise ValueError(
                f"{cls.__name__}.from_config: expected a dict with the keys 'name' and 'layers', "
                f"got {serialization.short(config)}; pass what get_config returned"
            )
        where = f"{cls.__name__}.from_config"
        with reading(where, prefix=False), limits.describing(where):
            model = cls(name=config["name"], trainable=config.get("trainable", True))
            for item in config["layers"]:
                layer = serialization.deserialize_keras_object(
                    item, custom_objects=custom_objects, family=("layers", "")
                )
                model.add(layer, rebuild=False)
            shape = config.get("build_input_shape")
            if model._stack and isinstance(model._layers[0], InputLayer):
                model.build()
            elif model._stack and shape:
                model.build(tuple(shape))
        return model


class FeatureExtractor(Sequential):
    """The outputs of several layers of a model, for inference: `Model(inputs, [a, b])`.

    Args:
        layers: the InputLayer and the layers up to the last output.
        taps: for each output, how many of `layers` lead to it.
    """

    def __init__(self, layers, taps, name=None):
        super().__init__(name=name)
        self._taps = taps
        for layer in layers:
            self.add(layer, rebuild=False)
        self.build()

    def build(self, input_shape=None):
        super().build(input_shape)
        tensor, outputs = self._layers[0].output, {1: self._layers[0].output}
        for i, layer in enumerate(self._layers[1:], 2):
            outputs[i] = tensor = tensor.through(layer)
        tensors = [outputs[n] for n in self._taps]
        self._output_batch_shape = [t.shape for t in tensors]
        self._tensors = (self._layers[0].output, tensors)

    def compute_output_shape(self, input_shape):
        return [layer_output.shape for layer_output in self.output]

    def _lower_from(self, g, x, begin):
        if min(self._taps) <= begin:
            raise ValueError(
                f"{self.name}: expected outputs behind the layers that read text, got one of "
                f"{self._layers[min(self._taps) - 1].name}; call that layer itself"
            )
        values = {begin + 1: x}
        for i, layer in enumerate(self._stack[begin:], begin + 2):
            values[i] = x = layer.emit(g, x)
        return [values[n] for n in self._taps]

    def get_config(self):
        raise ValueError(
            f"{self.name}: expected a model with one output to save or copy, got "
            f"{len(self._taps)}; save the model that the layers belong to"
        )


@hooks.answers("straight_model")
def straight_model(inputs, outputs, name=None, trainable=True):
    """`Model(inputs, outputs)` for symbolic tensors that one line of layers connects.

    Returns a `Sequential` that shares the layers, or a `FeatureExtractor` for several outputs.
    """
    name = name or auto_name("functional")
    where = f"Model {name}"

    def only(tensors, what):
        if isinstance(tensors, dict):
            tensors = list(tensors.values())
        tensors = list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]
        for tensor in tensors:
            if not isinstance(tensor, KerasTensor):
                raise TypeError(
                    f"{where}: expected {what} to be symbolic tensors, as Input() and layers "
                    f"return them, got {type(tensor).__name__}"
                )
        return tensors

    starts, ends = only(inputs, "inputs"), only(outputs, "outputs")
    longest = max(ends, key=lambda t: len(t.path))
    if len(starts) != 1 or any(t.path != longest.path[: len(t.path)] for t in ends):
        raise ValueError(
            f"{where}: expected one input and one line of layers, got {len(starts)} inputs and "
            f"outputs of {[t.name for t in ends]}; layers stand in one line here: "
            "use Sequential([...]) or, for lines that meet, a subclass of Model with a `call`"
        )
    begin = starts[0].path
    if longest.path[: len(begin)] != begin or len(longest.path) == len(begin):
        raise ValueError(
            f"{where}: expected outputs that layers connect to the input {starts[0].name}, got "
            f"the output of {longest.name}, which does not come from it"
        )
    first = [starts[0]] if len(begin) == 1 else [InputLayer(batch_shape=starts[0].shape)]
    stack = [*first, *longest.path[len(begin) :]]
    if len(ends) > 1 or isinstance(outputs, dict):
        model = FeatureExtractor(stack, [len(t.path) - len(begin) + 1 for t in ends], name=name)
    else:
        model = Sequential(stack, trainable=trainable, name=name)
    model._counts_input = True
    return model


def model_from_json(json_string: Any, custom_objects: CustomObjects = None) -> Sequential:
    """Create a model with new weights from what `to_json` returned.

    Raises:
        ValueError: no JSON, a class or argument that pyseq has not, or weights of more than half
            of the memory.
        TypeError: no text, or its configuration has values of the wrong kind.
    """
    where = "model_from_json"
    if not isinstance(json_string, (str, bytes)):
        raise TypeError(f"{where}: expected a JSON text, got {type(json_string).__name__}")
    with reading(where):
        config = safe_json.loads(json_string, where)
        return serialization.deserialize_keras_object(config, custom_objects=custom_objects)


def _check_steps(before, layer):
    """Raise a ValueError where a recurrent layer hands on its last step to one that reads all."""
    inner = getattr(before, "forward_layer", before)
    spec = layer.input_spec
    if getattr(inner, "return_sequences", None) is False and getattr(spec, "ndim", None) == 3:
        raise ValueError(
            f"{layer.name}: expected sequences (n, T, features), but layer {before.name} gives its "
            f"last step only, (n, features); set return_sequences=True in layer {before.name}"
        )
