"""Recurrent cells: the weights and the one-step function of the recurrent layers."""

from __future__ import annotations

import numpy as np

from pyseq import activations, constraints, initializers, random, regularizers
from pyseq.layers.base import Layer
from pyseq.saving import serialization
from pyseq.saving.registration import builtin

_NOT_ELEMENTWISE = ("softmax", "log_softmax", "sparsemax", "glu")


def core_activation(where, argument, activation):
    """`(name, arguments)` of the compiled twin of an element-wise activation."""
    core = activations.core(activation)
    if core is None or core[0] in _NOT_ELEMENTWISE:
        name = getattr(activation, "__name__", repr(activation))
        raise ValueError(
            f"{where}: expected `{argument}` to be a built-in element-wise activation, got {name}; "
            "recurrent steps run compiled: use tanh, sigmoid, relu or another element-wise one"
        )
    return core


def forget_bias(initializer, units):
    """An initializer of gates i, f, c, o of `units` each, with ones for f."""

    def initialize(_, dtype=None):
        parts = [
            initializer((units,), dtype=dtype),
            np.ones((units,), dtype=dtype),
            initializer((2 * units,), dtype=dtype),
        ]
        return np.concatenate([np.asarray(p) for p in parts])

    return initialize


class Cell(Layer):
    """What the built-in cells share: arguments, weights, dropout masks, states.

    A cell maps `(inputs (N, I), states)` to `(output (N, U), new states)`. Called directly it
    computes on NumPy arrays; inside `RNN` and its subclasses it is compiled.
    """

    mask_policy = "consume"
    gates = 1
    op_kind = ""
    has_recurrent_activation = True
    state_count = 1

    def __init__(
        self,
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
        implementation=2,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if isinstance(units, bool) or not hasattr(units, "__index__") or units <= 0:
            raise ValueError(f"{self.name}: expected `units` to be a positive integer, got {units}")
        self.units = int(units)
        self.activation = activations.get(activation)
        if self.has_recurrent_activation:
            self.recurrent_activation = activations.get(recurrent_activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = min(1.0, max(0.0, dropout))
        self.recurrent_dropout = min(1.0, max(0.0, recurrent_dropout))
        # 1: one dropout mask for each gate; 2: one for all, which a recurrent dropout rules out.
        self.implementation = 1 if self.recurrent_dropout else implementation
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)
        self.output_size = self.units
        self._masks = {}

    @property
    def state_size(self):
        return self.units if self.state_count == 1 else [self.units] * self.state_count

    def _bias_shape(self):
        return (self.gates * self.units,)

    def _bias_initializer(self):
        return self.bias_initializer

    def build(self, input_shape):
        width = self.gates * self.units
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], width),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, width),
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=self._bias_shape(),
                initializer=self._bias_initializer(),
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def get_initial_state(self, batch_size=None):
        """Zero states for `batch_size` rows."""
        return [np.zeros((batch_size, self.units), self.compute_dtype)] * self.state_count

    def compute_output_shape(self, input_shape, states_shape=None):
        return (input_shape[0], self.units)

    # --- one step on arrays

    def __call__(self, inputs, states, training=False):
        inputs = np.asarray(inputs, dtype=self.dtype)
        if not self.built:
            self.build(inputs.shape)
        return self.call(inputs, states, training=training)

    def _mask(self, kind, like, rate):
        """Dropout factors for each gate; the same until reset, as within one sequence."""
        if kind not in self._masks:
            ones = np.ones_like(like)
            count = self.gates if self.implementation == 1 else 1
            self._masks[kind] = [
                random.dropout(ones, rate, seed=self.seed_generator) for _ in range(count)
            ] * (self.gates // count)
        return self._masks[kind]

    def get_dropout_mask(self, step_input):
        return self._mask("input", step_input, self.dropout) if self.dropout else None

    def get_recurrent_dropout_mask(self, step_input):
        rate = self.recurrent_dropout
        return self._mask("recurrent", step_input, rate) if rate else None

    def reset_dropout_mask(self):
        self._masks.pop("input", None)

    def reset_recurrent_dropout_mask(self):
        self._masks.pop("recurrent", None)

    def _dropped(self, inputs, state, training):
        """Inputs and state for each gate."""
        xs, hs = [inputs] * self.gates, [state] * self.gates
        if training and self.dropout:
            xs = [inputs * m for m in self.get_dropout_mask(inputs)]
        if training and self.recurrent_dropout:
            hs = [state * m for m in self.get_recurrent_dropout_mask(state)]
        return xs, hs

    def _projected(self, inputs, kernel, bias=None):
        parts = np.split(np.asarray(kernel), self.gates, axis=1)
        sums = [x @ k for x, k in zip(inputs, parts, strict=True)]
        if bias is not None:
            biases = np.split(np.asarray(bias), self.gates)
            sums = [s + b for s, b in zip(sums, biases, strict=True)]
        return sums

    # --- lowering

    def emit_sequence(self, g, x, *, name, sequences, backwards, zero_masked, return_state, states):
        """Run the cell over x (T, I) in graph `g`; returns [output] or [output, *states]."""
        where = name or self.name
        shape = ((x.shape[0],) if sequences else ()) + (self.units,)
        activation, args = core_activation(where, "activation", self.activation)
        attrs = {"activation": activation, "activation_args": args or None}
        if self.has_recurrent_activation:
            rec, rec_args = core_activation(
                where, "recurrent_activation", self.recurrent_activation
            )
            attrs["recurrent_activation"] = rec
            attrs["recurrent_activation_args"] = rec_args or None
        if g.training and (self.dropout or self.recurrent_dropout):
            attrs["dropout"] = float(self.dropout)
            attrs["recurrent_dropout"] = float(self.recurrent_dropout)
            attrs["dropout_per_gate"] = self.implementation == 1
            attrs["seed"] = random.draw_seed(self.seed)
        weights = [self.kernel, self.recurrent_kernel, *([self.bias] if self.use_bias else [])]
        outputs = g.op_multi(
            self.op_kind,
            [x] if x.mask is None else [x.with_mask(None), x.mask],
            [shape, *([(self.units,)] * self.state_count if return_state else [])],
            weights=[*weights, *states],
            name=where,
            units=self.units,
            use_bias=bool(self.use_bias),
            return_sequences=bool(sequences),
            go_backwards=bool(backwards),
            zero_output_for_mask=bool(zero_masked),
            return_state=bool(return_state),
            stateful=bool(states),
            **attrs,
            **self._op_attributes(),
        )
        return list(outputs)

    def _op_attributes(self):
        return {}

    # --- configuration

    def _config(self):
        """The arguments that cells and their layers save, in Keras's order."""
        config = {"units": self.units, "activation": activations.serialize(self.activation)}
        if self.has_recurrent_activation:
            config["recurrent_activation"] = activations.serialize(self.recurrent_activation)
        config["use_bias"] = self.use_bias
        for name in ("kernel", "recurrent", "bias"):
            key = f"{name}_initializer"
            config[key] = initializers.serialize(getattr(self, key))
        for name in ("kernel", "recurrent", "bias"):
            key = f"{name}_regularizer"
            config[key] = regularizers.serialize(getattr(self, key))
        for name in ("kernel", "recurrent", "bias"):
            key = f"{name}_constraint"
            config[key] = constraints.serialize(getattr(self, key))
        config["dropout"] = self.dropout
        config["recurrent_dropout"] = self.recurrent_dropout
        return config

    def get_config(self):
        return {**super().get_config(), **self._config(), "seed": self.seed}


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
        units,
        activation="tanh",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        **kwargs,
    ):
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

    def call(self, inputs, states, training=False):
        h = np.asarray(states[0] if isinstance(states, (list, tuple)) else states, inputs.dtype)
        (x,), (h,) = self._dropped(inputs, h, training)
        z = x @ self.kernel.value + h @ self.recurrent_kernel.value
        output = self.activation(z + self.bias.value if self.use_bias else z)
        return output, [output] if isinstance(states, (list, tuple)) else output


@builtin("layers")
class LSTMCell(Cell):
    """One step of `LSTM`. States: h and c.

    >>> output, (h, c) = LSTMCell(2)([[1.0, 2.0, 3.0]], [[[0.0, 0.0]], [[0.0, 0.0]]])
    >>> output.shape, c.shape
    ((1, 2), (1, 2))
    """

    gates = 4
    op_kind = "lstm"
    state_count = 2

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        unit_forget_bias=True,
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        **kwargs,
    ):
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

    def call(self, inputs, states, training=False):
        h, c = (np.asarray(s, inputs.dtype) for s in states)
        xs, hs = self._dropped(inputs, h, training)
        z = self._projected(xs, self.kernel, self.bias)
        z = [a + b for a, b in zip(z, self._projected(hs, self.recurrent_kernel), strict=True)]
        i, f, o = (self.recurrent_activation(z[k]) for k in (0, 1, 3))
        c = f * c + i * self.activation(z[2])
        h = o * self.activation(c)
        return h, [h, c]

    def get_config(self):
        return _insert_after(
            super().get_config(), "use_bias", "unit_forget_bias", self.unit_forget_bias
        )


@builtin("layers")
class GRUCell(Cell):
    """One step of `GRU`.

    >>> output, (h,) = GRUCell(2)([[1.0, 2.0, 3.0]], [[[0.0, 0.0]]])
    >>> output.shape
    (1, 2)
    """

    gates = 3
    op_kind = "gru"

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        reset_after=True,
        seed=None,
        **kwargs,
    ):
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

    def call(self, inputs, states, training=False):
        h = np.asarray(states[0] if isinstance(states, (list, tuple)) else states, inputs.dtype)
        xs, hs = self._dropped(inputs, h, training)
        bias = self.bias.value if self.use_bias else None
        inner = None
        if bias is not None and self.reset_after:
            bias, inner = bias
        xz, xr, xh = self._projected(xs, self.kernel, bias)
        if self.reset_after:
            hz, hr, hh = self._projected(hs, self.recurrent_kernel, inner)
        else:
            hz, hr, _ = self._projected(hs, self.recurrent_kernel)
        z, r = self.recurrent_activation(xz + hz), self.recurrent_activation(xr + hr)
        if self.reset_after:
            candidate = self.activation(xh + r * hh)
        else:
            last = self.recurrent_kernel.value[:, 2 * self.units :]
            candidate = self.activation(xh + (r * hs[2]) @ last)
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

    def __init__(self, cells, **kwargs):
        super().__init__(**kwargs)
        cells = list(cells)
        if not cells:
            raise ValueError(f"{self.name}: expected at least one cell, got none")
        for cell in cells:
            check_cell(self.name, cell)
        self.cells = cells

    @property
    def state_size(self):
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self):
        return output_size(self.cells[-1])

    def get_initial_state(self, batch_size=None):
        """Zero states of each cell."""
        return [cell.get_initial_state(batch_size=batch_size) for cell in self.cells]

    def build(self, input_shape):
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(input_shape)
                prefix_paths(self.name, cell)
            input_shape = (input_shape[0], output_size(cell))

    def compute_output_shape(self, input_shape, states_shape=None):
        return (input_shape[0], self.output_size)

    def __call__(self, inputs, states, training=False):
        return self.call(inputs, states, training=training)

    def call(self, inputs, states, training=False):
        new_states = []
        for cell, state in zip(self.cells, states, strict=True):
            inputs, state = cell(inputs, state, training=training)
            new_states.append(state)
        return inputs, new_states

    def get_config(self):
        cells = [serialization.serialize_keras_object(cell) for cell in self.cells]
        return {**super().get_config(), "cells": cells}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        cells = [
            serialization.deserialize_keras_object(cell, custom_objects=custom_objects)
            for cell in config.pop("cells")
        ]
        return cls(cells, **config)


def output_size(cell):
    """Width of a cell's output."""
    size = getattr(cell, "output_size", None)
    if size is None:
        size = cell.state_size
        size = size[0] if isinstance(size, (list, tuple)) else size
    return size


def check_cell(where, cell):
    for attribute in ("call", "state_size"):
        if not hasattr(cell, attribute):
            raise ValueError(
                f"{where}: expected a cell with `call` and `state_size`, got {cell!r} without "
                f"`{attribute}`; use LSTMCell, GRUCell or SimpleRNNCell"
            )


def prefix_paths(prefix, layer):
    """Put a container's name before the paths of the weights of a layer that it just built."""
    for variable in layer.weights:
        variable.path = f"{prefix}/{variable.path}"
