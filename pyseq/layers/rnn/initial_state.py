"""Calls of recurrent layers with `initial_state`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import hooks
from pyseq.layers.base import Layer
from pyseq.layers.rnn.python_steps import flatten
from pyseq.variable import Variable

if TYPE_CHECKING:
    from pyseq.types import Tensor


class StatefulCalls:
    """`layer(x, initial_state=...)` for layers that define `lower_from` and `state_shapes`."""

    _started = None

    def __call__(
        self, inputs: Tensor, initial_state: Any = None, mask: Tensor = None, training: Any = None
    ) -> Any:
        """Run the layer on `(n, T, ...)`, from given states if there are any.

        Args:
            initial_state: arrays `(n, ...)`, one for each state; zeros (or, where `stateful`, the
                states of the last call) by default.
        """
        expected = self._expected_batch_size
        if self.stateful and expected is not None and len(inputs) != expected:
            raise ValueError(self._batch_message(len(inputs)))
        return self._nested(self._from_states(inputs, initial_state, mask, training))

    def _nested(self, outputs):
        """Outputs with a list of states for each cell, where several cells are one."""
        cells = getattr(getattr(self, "cell", None), "cells", None)
        if cells is None or not self.return_state:
            return outputs
        y, *states = outputs
        following = iter(states)
        return [y, *([next(following) for _ in flatten(cell.state_size)] for cell in cells)]

    def _from_states(self, inputs, initial_state, mask, training):
        if initial_state is None:
            return Layer.__call__(self, inputs, training=training, mask=mask)
        x = np.asarray(inputs)
        if not self.built:
            self.check_input(x.shape)
            self.build(x.shape)
        values = self._check_states(initial_state, x.shape)
        if self.stateful:
            for variable, value in zip(self.states, values):
                variable.assign(value)
            return hooks.ask("run_layer", self, x, bool(training), mask)
        shapes = [v.shape for v in values]
        if self._started is None or [v.shape for v in self._started.states] != shapes:
            vars(self)["_started"] = _Started(self, values)  # no further layer of this one
        for variable, value in zip(self._started.states, values):
            variable.assign(value)
        return hooks.ask("run_layer", self._started, x, bool(training), mask)

    def _check_states(self, initial_state, input_shape):
        """Given states as arrays in the layout of the state variables."""
        arrays = [np.asarray(s, self.state_dtype()) for s in flatten(initial_state)]
        expected = [(input_shape[0], *shape) for shape in self.state_shapes(input_shape)]
        got = [a.shape for a in arrays]
        if got != expected:
            raise ValueError(
                f"{self.name}: expected `initial_state` of {len(expected)} arrays of shapes "
                f"{expected}, got {got}"
            )
        return [self.state_value(a) for a in arrays]

    def state_dtype(self) -> Any:
        return self.arithmetic_dtype

    def state_value(self, array: Tensor) -> Any:
        """A state as users see it, in the layout of the state variables."""
        return array

    def _batch_message(self, rows):
        return (
            f"{self.name}: expected batches of {self._expected_batch_size} rows, because the layer "
            f"is stateful, got {rows}; pass full batches, or build it for another batch size"
        )


class _Started(Layer):
    """A recurrent layer together with the states that it starts from."""

    mask_policy = "consume"

    def __init__(self, layer, values):
        super().__init__(name=layer.name, dtype=layer.dtype_policy)
        self.layer = layer
        self.states = [
            Variable(v, trainable=False, dtype=layer.state_dtype(), name="initial_state")
            for v in values
        ]
        self.built = True

    def check_input(self, shape):
        self.layer.check_input(shape)

    def lower(self, g, x):
        return self.layer.lower_from(g, x, self.states)
