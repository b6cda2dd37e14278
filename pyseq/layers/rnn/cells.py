"""Recurrent cells: the weights and the one-step function of the recurrent layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import symbolic
from pyseq.layers.base import Layer
from pyseq.layers.rnn.cell import (
    Cell,
    check_cell,
    forget_bias,
    output_size,
    raise_outside,
)
from pyseq.layers.rnn.python_steps import call_cell, zero_states
from pyseq.registry import serialization
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from pyseq.types import (
        ActivationLike,
        Config,
        ConstraintLike,
        CustomObjects,
        InitializerLike,
        LayerArguments,
        RegularizerLike,
        Seed,
        Tensor,
    )


def _insert_after(config, key, name, value):
    result = {}
    for k, v in config.items():
        result[k] = v
        if k == key:
            result[name] = value
    return result


@builtin("layers")
class SimpleRNNCell(Cell):
    """One step of `SimpleRNN`: h = activation(x K + h R + b).

    Args:
        units: width of the output and of each state.
        use_bias: whether a bias is added.
        bias_initializer: how the weights start: a name or an Initializer.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on the weights,
            added to the loss.
        kernel_constraint, recurrent_constraint, bias_constraint: what the weights are put through
            after each update.
        dropout: share of the inputs that is dropped in training.
        recurrent_dropout: the same for the state.
        seed: number that makes the draws repeat, or a SeedGenerator.
        activation: what the output goes through: a name or a function.
        kernel_initializer, recurrent_initializer: how the weights start: a name or an Initializer.

    >>> cell = SimpleRNNCell(2, kernel_initializer="ones", recurrent_initializer="zeros")
    >>> output, states = cell([[0.0, 0.0, 0.0]], [[[0.0, 0.0]]])
    >>> output.shape, len(states)
    ((1, 2), 1)
    """

    gates = 1
    op_kind = "simple_rnn"
    has_recurrent_activation = False

    def __init__(
        self,
        units: int,
        activation: ActivationLike = "tanh",
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        recurrent_initializer: InitializerLike = "orthogonal",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: RegularizerLike = None,
        recurrent_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        recurrent_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Seed = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(
            units,
            activation,
            None,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            seed,
            **kwargs,
        )

    def call(self, inputs: Tensor, states: Any, training: bool = False) -> Any:
        h = self._state(states[0] if isinstance(states, (list, tuple)) else states, inputs)
        xs, hs = self._dropped(inputs, h, training)
        bias = self.bias if self.use_bias else None
        (z,) = self._projected(xs, self.kernel, bias)
        (r,) = self._projected(hs, self.recurrent_kernel)
        output = self.activation(z + r)
        return output, [output] if isinstance(states, (list, tuple)) else output


@builtin("layers")
class LSTMCell(Cell):
    """One step of `LSTM`. States: h and c.

    Args:
        units: width of the output and of each state.
        activation: what the output goes through: a name or a function.
        recurrent_activation: activation of the gates.
        use_bias: whether a bias is added.
        kernel_initializer, recurrent_initializer, bias_initializer: how the weights start: a name
            or an Initializer.
        unit_forget_bias: start the forget gate's bias at 1.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on the weights,
            added to the loss.
        kernel_constraint, recurrent_constraint, bias_constraint: what the weights are put through
            after each update.
        dropout: share of the inputs that is dropped in training.
        recurrent_dropout: the same for the state.
        seed: number that makes the draws repeat, or a SeedGenerator.

    >>> output, (h, c) = LSTMCell(2)([[1.0, 2.0, 3.0]], [[[0.0, 0.0]], [[0.0, 0.0]]])
    >>> output.shape, c.shape
    ((1, 2), (1, 2))
    """

    gates = 4
    op_kind = "lstm"
    state_count = 2

    def __init__(
        self,
        units: int,
        activation: ActivationLike = "tanh",
        recurrent_activation: ActivationLike = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        recurrent_initializer: InitializerLike = "orthogonal",
        bias_initializer: InitializerLike = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: RegularizerLike = None,
        recurrent_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        recurrent_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Seed = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(
            units,
            activation,
            recurrent_activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            seed,
            **kwargs,
        )
        self.unit_forget_bias = unit_forget_bias

    def _bias_initializer(self):
        if not self.unit_forget_bias:
            return self.bias_initializer
        return forget_bias(self.bias_initializer, self.units)

    def call(self, inputs: Tensor, states: Any, training: bool = False) -> Any:
        h, c = (self._state(s, inputs) for s in states)
        xs, hs = self._dropped(inputs, h, training)
        z = self._projected(xs, self.kernel, self.bias)
        z = [a + b for a, b in zip(z, self._projected(hs, self.recurrent_kernel), strict=True)]
        i, f, o = (self.recurrent_activation(z[k]) for k in (0, 1, 3))
        c = f * c + i * self.activation(z[2])
        h = o * self.activation(c)
        return h, [h, c]

    def get_config(self) -> Config:
        return _insert_after(
            super().get_config(), "use_bias", "unit_forget_bias", self.unit_forget_bias
        )


@builtin("layers")
class GRUCell(Cell):
    """One step of `GRU`.

    Args:
        units: width of the output and of each state.
        activation: what the output goes through: a name or a function.
        recurrent_activation: activation of the gates.
        use_bias: whether a bias is added.
        kernel_initializer, recurrent_initializer, bias_initializer: how the weights start: a name
            or an Initializer.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on the weights,
            added to the loss.
        kernel_constraint, recurrent_constraint, bias_constraint: what the weights are put through
            after each update.
        dropout: share of the inputs that is dropped in training.
        recurrent_dropout: the same for the state.
        reset_after: apply the reset gate after the product of the state, not before.
        seed: number that makes the draws repeat, or a SeedGenerator.

    >>> output, (h,) = GRUCell(2)([[1.0, 2.0, 3.0]], [[[0.0, 0.0]]])
    >>> output.shape
    (1, 2)
    """

    gates = 3
    op_kind = "gru"

    def __init__(
        self,
        units: int,
        activation: ActivationLike = "tanh",
        recurrent_activation: ActivationLike = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        recurrent_initializer: InitializerLike = "orthogonal",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: RegularizerLike = None,
        recurrent_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        recurrent_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        seed: Seed = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(
            units,
            activation,
            recurrent_activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            seed,
            **kwargs,
        )
        self.reset_after = reset_after

    def _bias_shape(self):
        width = 3 * self.units
        return (2, width) if self.reset_after else (width,)

    def _op_attributes(self):
        return {"reset_after": bool(self.reset_after)}

    def call(self, inputs: Tensor, states: Any, training: bool = False) -> Any:
        h = self._state(states[0] if isinstance(states, (list, tuple)) else states, inputs)
        xs, hs = self._dropped(inputs, h, training)
        bias = self.bias if self.use_bias else None
        if bias is not None and not symbolic.is_traced(inputs):
            bias = bias.value
        inner = None
        if bias is not None and self.reset_after:
            bias, inner = bias[0], bias[1]
        xz, xr, xh = self._projected(xs, self.kernel, bias)
        if self.reset_after:
            hz, hr, hh = self._projected(hs, self.recurrent_kernel, inner)
        else:
            hz, hr, _ = self._projected(hs, self.recurrent_kernel)
        z, r = self.recurrent_activation(xz + hz), self.recurrent_activation(xr + hr)
        if self.reset_after:
            candidate = self.activation(xh + r * hh)
        else:
            last = self._projected([r * hs[2]] * 3, self.recurrent_kernel)[2]
            candidate = self.activation(xh + last)
        h = z * h + (1 - z) * candidate
        return h, [h] if isinstance(states, (list, tuple)) else h

    def _config(self):
        return {**super()._config(), "reset_after": self.reset_after}


@builtin("layers")
class StackedRNNCells(Layer):
    """Cells applied one after another at each step; `RNN([cell, ...])` makes one.

    Args:
        cells: list of cells.

    >>> StackedRNNCells([LSTMCell(3), GRUCell(2)]).output_size
    2
    """

    mask_policy = "consume"

    def __init__(self, cells: Any, **kwargs: Unpack[LayerArguments]) -> None:
        super().__init__(**kwargs)
        cells = list(cells)
        if not cells:
            raise ValueError(f"{self.name}: expected at least one cell, got none")
        for cell in cells:
            check_cell(self.name, cell)
        self.cells = cells

    @property
    def state_size(self) -> Any:
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> Any:
        return output_size(self.cells[-1])

    def get_initial_state(self, batch_size: int | None = None) -> Any:
        """Zero states of each cell."""
        return [zero_states(cell, batch_size, self.arithmetic_dtype) for cell in self.cells]

    def build(self, input_shape: Any) -> None:
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(input_shape)
            input_shape = (input_shape[0], output_size(cell))

    def check_place(self) -> None:
        raise_outside(self)

    def compute_output_shape(self, input_shape: Any, states_shape: Any = None) -> Any:
        return (input_shape[0], self.output_size)

    def __call__(self, inputs: Tensor, states: Any, training: bool = False) -> Any:
        if not self.built:
            self.build(inputs.shape if symbolic.is_traced(inputs) else np.shape(inputs))
        return self.call(inputs, states, training=training)

    def call(self, inputs: Tensor, states: Any, training: bool = False) -> Any:
        new_states = []
        for cell, state in zip(self.cells, states, strict=True):
            inputs, state = call_cell(cell, inputs, state, training)
            new_states.append(state)
        return inputs, new_states

    def get_config(self) -> Config:
        cells = [serialization.serialize_keras_object(cell) for cell in self.cells]
        return {**super().get_config(), "cells": cells}

    @classmethod
    def from_config(cls, config: Config, custom_objects: CustomObjects = None) -> Self:
        config = dict(config)
        cells = [
            serialization.deserialize_keras_object(cell, custom_objects=custom_objects)
            for cell in config.pop("cells")
        ]
        return cls(cells, **config)
