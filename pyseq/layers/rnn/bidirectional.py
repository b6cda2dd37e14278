"""`Bidirectional`: a recurrent layer read in both directions."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from pyseq.layers.base import Layer
from pyseq.layers.rnn.initial_state import StatefulCalls
from pyseq.registry import serialization
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from pyseq.types import Config, CustomObjects, LayerArguments, Tensor

_COMMON = ("stateful", "return_sequences", "return_state")


def _renamed(layer, prefix, **changes):
    config = serialization.serialize_keras_object(layer)
    name = layer.name
    name = name[len(prefix) :] if name.startswith(prefix) else name
    config["config"] = {**config["config"], "name": prefix + name, **changes}
    return serialization.deserialize_keras_object(config)


@builtin("layers")
class Bidirectional(StatefulCalls, Layer):
    """Run a recurrent layer forwards and a copy of it backwards, and merge their outputs.

    Args:
        layer: an `RNN`, `LSTM`, `GRU`, ... . It serves as a description: the wrapper makes two new
            layers from its configuration, `forward_<name>` and `backward_<name>`.
        merge_mode: "concat" (along the last axis), "sum", "mul", "ave", or None for a list of the
            two outputs.
        weights: initial weights, forward ones first.
        backward_layer: layer to read backwards instead of a copy; its `go_backwards` must differ.

    At masked steps both directions give 0 when sequences are returned.

    >>> import numpy as np
    >>> from pyseq.layers import LSTM
    >>> Bidirectional(LSTM(4, return_sequences=True))(np.zeros((2, 5, 3))).shape
    (2, 5, 8)
    """

    _casts_itself = True
    mask_policy = "consume"

    def __init__(
        self,
        layer: Any,
        merge_mode: Any = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(**kwargs)
        for argument, value in (("layer", layer), ("backward_layer", backward_layer)):
            if not isinstance(value, Layer) and (value is not None or argument == "layer"):
                raise ValueError(f"{self.name}: expected `{argument}` to be a layer, got {value!r}")
        if merge_mode not in ("sum", "mul", "ave", "concat", None):
            raise ValueError(
                f"{self.name}: expected `merge_mode` to be 'sum', 'mul', 'ave', 'concat' or None, "
                f"got {merge_mode!r}"
            )
        if not hasattr(layer, "go_backwards"):
            raise ValueError(
                f"{self.name}: expected a recurrent layer (with `go_backwards`), got "
                f"{type(layer).__name__}; wrap LSTM, GRU, SimpleRNN, RNN or ConvLSTM"
            )
        self.forward_layer = _renamed(layer, "forward_")
        if backward_layer is None:
            backward_layer = _renamed(layer, "backward_", go_backwards=True)
        self.backward_layer = backward_layer
        if hasattr(layer, "use_cudnn"):
            self.forward_layer.use_cudnn = layer.use_cudnn
            self.backward_layer.use_cudnn = layer.use_cudnn
        self._check_pair()
        for part in (self.forward_layer, self.backward_layer):
            if getattr(part, "zero_output_for_mask", None) is not None:
                part.zero_output_for_mask = part.return_sequences
        self.merge_mode = merge_mode
        self._initial_weights = weights
        self.stateful = layer.stateful
        self.return_sequences = layer.return_sequences
        self.return_state = layer.return_state
        self.input_spec = layer.input_spec

    def _check_pair(self):
        forward, backward = self.forward_layer, self.backward_layer
        if forward.go_backwards == backward.go_backwards:
            raise ValueError(
                f"{self.name}: expected layers of different `go_backwards`, got "
                f"{forward.go_backwards} for both; set go_backwards=True in `backward_layer`"
            )
        for name in _COMMON:
            a, b = getattr(forward, name), getattr(backward, name)
            if a != b:
                raise ValueError(
                    f"{self.name}: expected forward and backward layers of the same `{name}`, got "
                    f"{a} and {b}"
                )

    @property
    def states(self) -> Any:
        """States of both directions of a stateful layer, or None."""
        if self.forward_layer.states and self.backward_layer.states:
            return tuple(self.forward_layer.states) + tuple(self.backward_layer.states)
        return None

    @property
    def _expected_batch_size(self):
        return getattr(self.forward_layer, "_expected_batch_size", None)

    def reset_state(self) -> None:
        """Set the states of both directions back to zero."""
        if not self.stateful:
            raise AttributeError(
                f"{self.name}.reset_state: expected a stateful layer, got stateful=False"
            )
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state

    def build(self, input_shape: Any) -> None:
        for part in (self.forward_layer, self.backward_layer):
            if not part.built:
                part.build(input_shape)
        if self._initial_weights:
            self.set_weights(self._initial_weights)
            self._initial_weights = None

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = self.forward_layer.compute_output_shape(input_shape)
        other = self.backward_layer.compute_output_shape(input_shape)
        states = ()
        if self.return_state:
            states = tuple(shape[1:]) + tuple(other[1:])
            shape, other = shape[0], other[0]
        if self.merge_mode is None:
            return (shape, other, *states)
        if self.merge_mode == "concat":
            shape = (*shape[:-1], shape[-1] + other[-1])
        elif shape != other:
            raise ValueError(
                f"{self.name}: expected forward and backward outputs of one shape for "
                f"merge_mode={self.merge_mode!r}, got {shape} and {other}; use merge_mode='concat'"
            )
        return (shape, *states) if self.return_state else shape

    def compute_mask(self, inputs: Tensor, previous_mask: Any = None) -> Any:
        mask = previous_mask if self.return_sequences else None
        return (mask, mask) if self.merge_mode is None else mask

    def state_shapes(self, input_shape: Any) -> Any:
        """Shapes of the states of one sample: forward ones first."""
        parts = (self.forward_layer, self.backward_layer)
        return [shape for part in parts for shape in part.state_shapes(input_shape)]

    def state_value(self, array: Tensor) -> Any:
        return self.forward_layer.state_value(array)

    def lower(self, g: Any, x: Tensor) -> Any:
        return self._merge(g, x, self.forward_layer.emit(g, x), self.backward_layer.emit(g, x))

    def lower_from(self, g: Any, x: Tensor, given: Any) -> Any:
        """Append both directions, which start from halves of the state variables `given`."""
        half = len(given) // 2
        y = self.forward_layer.lower_from(g, x, given[:half])
        return self._merge(g, x, y, self.backward_layer.lower_from(g, x, given[half:]))

    def _merge(self, g, x, y, y_back):
        self.compute_output_shape((g.batch_size, *x.shape))
        states = []
        if self.return_state:
            (y, *ahead), (y_back, *back) = y, y_back
            states = ahead + back
        mask = x.mask if self.return_sequences else None
        if self.return_sequences:
            y_back = g.op("reverse_time", y_back, y_back.shape, name=self.name)
        if self.merge_mode is None:
            return [y.with_mask(mask), y_back.with_mask(mask), *states]
        if self.merge_mode == "concat":
            shape = (*y.shape[:-1], y.shape[-1] + y_back.shape[-1])
            merged = g.op("concat", [y, y_back], shape, name=self.name, axis=-1)
        else:
            merged = g.op("merge", [y, y_back], y.shape, name=self.name, mode=self.merge_mode)
        merged = merged.with_mask(mask)
        return [merged, *states] if self.return_state else merged

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "merge_mode": self.merge_mode,
            "layer": serialization.serialize_keras_object(self.forward_layer),
            "backward_layer": serialization.serialize_keras_object(self.backward_layer),
        }

    @classmethod
    def from_config(cls, config: Config, custom_objects: CustomObjects = None) -> Self:
        config = copy.deepcopy(config)
        for key in ("layer", "backward_layer"):
            if config.get(key) is not None:
                config[key] = serialization.deserialize_keras_object(
                    config[key], custom_objects=custom_objects
                )
        return cls(**config)
