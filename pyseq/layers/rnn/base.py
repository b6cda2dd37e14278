"""`RNN`: a cell applied to each step of a sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import regularizers
from pyseq.layers.base import Layer
from pyseq.layers.rnn.cell import check_cell, output_size
from pyseq.layers.rnn.cells import StackedRNNCells
from pyseq.layers.rnn.initial_state import StatefulCalls
from pyseq.layers.rnn.python_steps import flatten, is_compiled, lower_steps, zero_states
from pyseq.registry import serialization
from pyseq.registry.registration import builtin
from pyseq.variable import Variable

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from pyseq.types import Config, CustomObjects, LayerArguments, Tensor


@builtin("layers")
class RNN(StatefulCalls, Layer):
    """Apply a recurrent cell along the time axis: (N, T, I) to (N, U) or (N, T, U).

    Args:
        cell: a cell, or a list of cells to stack. `SimpleRNNCell`, `GRUCell` and `LSTMCell` run
            compiled; a cell of another class, with `state_size` and `call(inputs, states) ->
            (output, new_states)` on NumPy arrays, runs step by step and cannot be trained.
        return_sequences: return the output of every step, not only the last.
        return_state: return the last states too, as a list `[output, *states]`; only in the last
            layer of a model.
        go_backwards: read the sequence from its end; outputs stay in the order of processing.
        stateful: start from the states of the previous batch until `reset_state()`. Needs a fixed
            batch size.
        unroll: accepted for compatibility; the result is the same.
        zero_output_for_mask: output zeros at masked steps instead of repeating the previous output.

    >>> import numpy as np
    >>> from pyseq.layers import RNN, GRUCell, LSTMCell
    >>> RNN([LSTMCell(8), GRUCell(4)])(np.zeros((2, 5, 3))).shape
    (2, 4)
    """

    states: Any

    _casts_itself = True
    mask_policy = "consume"

    @property
    def row_coupling(self) -> Any:
        return "always" if self.stateful else None

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        check_cell(self.name, cell)
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.states = None
        size = cell.state_size
        self.single_state = isinstance(size, int)
        self.state_size = [size] if self.single_state else list(size)
        self._expected_batch_size = None

    @property
    def cells(self) -> Any:
        """The cells, one after the other."""
        return self.cell.cells if isinstance(self.cell, StackedRNNCells) else [self.cell]

    def build(self, input_shape: Any) -> None:
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build((input_shape[0], *input_shape[2:]))
        if not self.stateful:
            return
        if self.states is not None:
            self.reset_state()
            return
        if input_shape[0] is None:
            raise ValueError(
                f"{self.name}: expected a fixed batch size, as stateful=True keeps states between "
                "batches, got None; give the model `Input(batch_shape=(N, T, I))`"
            )
        self._expected_batch_size = int(input_shape[0])
        self.states = [
            Variable(state, trainable=False, dtype=self.state_dtype(), name="rnn_state")
            for state in flatten(self.get_initial_state(self._expected_batch_size))
        ]

    def get_initial_state(self, batch_size: int) -> Any:
        """Zero states for `batch_size` rows, as a list."""
        return zero_states(self.cell, batch_size, self.arithmetic_dtype)

    def reset_state(self) -> None:
        """Set the states of a stateful layer back to zero."""
        for state in self.states or ():
            state.assign(np.zeros(state.shape, state.dtype))

    reset_states = reset_state

    # --- shapes and masks

    def _step_output_shape(self, input_shape):
        return (output_size(self.cell),)

    def state_shapes(self, input_shape: Any) -> Any:
        """Shapes of the states of one sample."""
        return [(size,) for size in flatten(self.state_size)]

    def compute_output_shape(self, input_shape: Any) -> Any:
        self.check_input(input_shape)
        batch, steps = input_shape[:2]
        shape = self._step_output_shape(input_shape)
        output = (batch, steps, *shape) if self.return_sequences else (batch, *shape)
        if not self.return_state:
            return output
        return (output, *((batch, *s) for s in self.state_shapes(input_shape)))

    def compute_mask(self, inputs: Tensor, previous_mask: Any = None) -> Any:
        mask = previous_mask if self.return_sequences else None
        return [mask] + [None] * len(flatten(self.state_size)) if self.return_state else mask

    # --- running

    def lower(self, g: Any, x: Tensor) -> Any:
        if self.stateful and g.batch_size != self._expected_batch_size:
            raise ValueError(self._batch_message(g.batch_size))
        return self.lower_from(g, x, list(self.states or ()))

    def lower_from(self, g: Any, x: Tensor, given: Any) -> Any:
        """Append the recurrence, which starts from the state variables `given`, if any."""
        if not all(is_compiled(cell) for cell in self.cells):
            value, *states = lower_steps(self, g, x, given)
            value = value.with_mask(x.mask if self.return_sequences else None)
            return [value, *states] if self.return_state else value
        cells = self.cells
        mask, value, states = x.mask, x, []
        for number, cell in enumerate(cells):
            last = number == len(cells) - 1
            own, given = given[: cell.state_count], given[cell.state_count :]
            value, *new_states = cell.emit_sequence(
                g,
                value.with_mask(mask),
                name=self.name,
                sequences=self.return_sequences or not last,
                backwards=self.go_backwards and number == 0,
                zero_masked=self.zero_output_for_mask and last,
                return_state=self.return_state,
                states=own,
            )
            states += new_states
            if number == 0 and self.go_backwards and mask is not None and not last:
                mask = g.op("reverse_time", mask, mask.shape, name=self.name)
        value = value.with_mask(x.mask if self.return_sequences else None)
        return [value, *states] if self.return_state else value

    # --- configuration

    def get_config(self) -> Config:
        return {
            **self._sequence_config(),
            "cell": serialization.serialize_keras_object(self.cell),
        }

    def _sequence_config(self):
        return {
            **super().get_config(),
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "stateful": self.stateful,
            "unroll": self.unroll,
            "zero_output_for_mask": self.zero_output_for_mask,
        }

    @classmethod
    def from_config(cls, config: Config, custom_objects: CustomObjects = None) -> Self:
        config = dict(config)
        cell = serialization.deserialize_keras_object(
            config.pop("cell"), custom_objects=custom_objects
        )
        return cls(cell, **config)


class CellLayer(RNN):
    """An `RNN` that makes its own cell and shows the cell's arguments as its own."""

    _cell_attributes = (
        "units",
        "activation",
        "use_bias",
        "kernel_initializer",
        "recurrent_initializer",
        "bias_initializer",
        "kernel_regularizer",
        "recurrent_regularizer",
        "bias_regularizer",
        "kernel_constraint",
        "recurrent_constraint",
        "bias_constraint",
        "dropout",
        "recurrent_dropout",
    )

    if not TYPE_CHECKING:  # checkers would take any name for an attribute

        def __getattr__(self, name):
            # Only reached where normal lookup fails.
            if not name.startswith("_") and name in type(self)._cell_attributes:
                return getattr(self.cell, name)
            return super().__getattr__(name)

    def get_config(self) -> Config:
        config = self._sequence_config()
        for key, value in self.cell._config().items():
            config[key] = value
            if key == "bias_initializer" and "unit_forget_bias" in self._cell_attributes:
                config["unit_forget_bias"] = self.cell.unit_forget_bias
            if key == "bias_regularizer":
                # Keeps Keras's place for the key, which the base class may have set before.
                config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        if self._saves_seed:
            config["seed"] = self.cell.seed
        return config

    _saves_seed = True

    @classmethod
    def from_config(cls, config: Config) -> Self:
        return cls(**config)


def check_use_cudnn(layer, use_cudnn):
    if use_cudnn not in ("auto", True, False):
        raise ValueError(
            f"{layer.name}: expected `use_cudnn` to be 'auto', True or False, got {use_cudnn!r}"
        )
    return use_cudnn
