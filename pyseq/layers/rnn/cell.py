"""The base class of recurrent cells, and what their layers need to know of any cell."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import activations, constraints, initializers, random, regularizers, symbolic
from pyseq.layers.base import Layer
from pyseq.registry import limits
from pyseq.signatures import call_with

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import (
        ActivationLike,
        Config,
        ConstraintLike,
        InitializerLike,
        LayerArguments,
        RegularizerLike,
        Seed,
        Tensor,
    )

NOT_ELEMENTWISE = ("softmax", "log_softmax", "sparsemax", "glu")


def core_activation(where, argument, activation):
    """`(name, arguments)` of the compiled twin of an element-wise activation."""
    core = activations.core(activation)
    if core is None or core[0] in NOT_ELEMENTWISE:
        name = getattr(activation, "__name__", repr(activation))
        raise ValueError(
            f"{where}: expected `{argument}` to be a built-in element-wise activation, got {name}; "
            "recurrent steps run compiled: use tanh, sigmoid, relu or another element-wise one"
        )
    return core


def forget_bias(initializer, units):
    """An initializer of gates i, f, c, o of `units` each, with ones for f."""
    return functools.partial(_with_ones_for_f, initializer, units)


def _with_ones_for_f(initializer, units, _, dtype=None):
    parts = [
        call_with(initializer, (units,), dtype=dtype),
        np.ones((units,), dtype=dtype),
        call_with(initializer, (2 * units,), dtype=dtype),
    ]
    return np.concatenate([np.asarray(p) for p in parts])


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
        units: int,
        activation: ActivationLike,
        recurrent_activation: ActivationLike,
        use_bias: Any,
        kernel_initializer: InitializerLike,
        recurrent_initializer: InitializerLike,
        bias_initializer: InitializerLike,
        kernel_regularizer: RegularizerLike,
        recurrent_regularizer: RegularizerLike,
        bias_regularizer: RegularizerLike,
        kernel_constraint: ConstraintLike,
        recurrent_constraint: ConstraintLike,
        bias_constraint: ConstraintLike,
        dropout: float,
        recurrent_dropout: float,
        seed: Seed,
        implementation: int = 2,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
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
    def state_size(self) -> Any:
        return self.units if self.state_count == 1 else [self.units] * self.state_count

    def _bias_shape(self):
        return (self.gates * self.units,)

    def _bias_initializer(self):
        return self.bias_initializer

    def build(self, input_shape: Any) -> None:
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

    def check_place(self) -> None:
        raise_outside(self)

    def get_initial_state(self, batch_size: int | None = None) -> Any:
        """Zero states for `batch_size` rows."""
        shape = (batch_size, self.units)
        limits.take(shape, self.arithmetic_dtype, f"{self.name}/states")
        return [np.zeros(shape, self.arithmetic_dtype)] * self.state_count

    def compute_output_shape(self, input_shape: Any, states_shape: Any = None) -> Any:
        return (input_shape[0], self.units)

    # --- one step on arrays

    def __call__(self, inputs: Tensor, states: Any, training: bool = False) -> Any:
        if not symbolic.is_traced(inputs):
            inputs = np.asarray(inputs, dtype=self.arithmetic_dtype)
        if not self.built:
            self.build(inputs.shape)
        return self.call(inputs, states, training=training)

    @staticmethod
    def _state(state, inputs):
        return state if symbolic.is_traced(state) else np.asarray(state, inputs.dtype)

    def _mask(self, kind, like, rate):
        """Dropout factors for each gate; the same until reset, as within one sequence."""
        if kind not in self._masks:
            ones = np.ones_like(like)
            count = self.gates if self.implementation == 1 else 1
            self._masks[kind] = [
                random.dropout(ones, rate, seed=self.seed_generator) for _ in range(count)
            ] * (self.gates // count)
        return self._masks[kind]

    def get_dropout_mask(self, step_input: Any) -> Any:
        return self._mask("input", step_input, self.dropout) if self.dropout else None

    def get_recurrent_dropout_mask(self, step_input: Any) -> Any:
        rate = self.recurrent_dropout
        return self._mask("recurrent", step_input, rate) if rate else None

    def reset_dropout_mask(self) -> None:
        self._masks.pop("input", None)

    def reset_recurrent_dropout_mask(self) -> None:
        self._masks.pop("recurrent", None)

    def _dropped(self, inputs, state, training):
        """Inputs and state for each gate."""
        xs, hs = [inputs] * self.gates, [state] * self.gates
        if training and self.dropout:
            xs = _times(inputs, self.get_dropout_mask(inputs))
        if training and self.recurrent_dropout:
            hs = _times(state, self.get_recurrent_dropout_mask(state))
        return xs, hs

    def _projected(self, inputs, kernel, bias=None):
        """Products of the inputs of each gate with its part of the kernel."""
        if symbolic.is_traced(inputs[0]):
            if any(x is not inputs[0] for x in inputs):
                raise ValueError(
                    f"{self.name}: expected one dropout mask for all gates in steps of a user's "
                    "cell, got one for each; set implementation=2 and recurrent_dropout=0"
                )
            sums = np.matmul(inputs[0], kernel)
            return np.split(sums if bias is None else sums + bias, self.gates, axis=1)
        parts = np.split(np.asarray(kernel), self.gates, axis=1)
        sums = [x @ k for x, k in zip(inputs, parts, strict=True)]
        if bias is not None:
            biases = np.split(np.asarray(bias), self.gates)
            sums = [s + b for s, b in zip(sums, biases, strict=True)]
        return sums

    # --- lowering

    def emit_sequence(
        self,
        g: Any,
        x: Tensor,
        *,
        name: str,
        sequences: Tensor,
        backwards: Any,
        zero_masked: Any,
        return_state: Any,
        states: Any,
    ) -> Any:
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

    def get_config(self) -> Config:
        return {**super().get_config(), **self._config(), "seed": self.seed}


def _times(x, masks):
    """Products with each mask; one for all where the masks are one."""
    if all(mask is masks[0] for mask in masks):
        return [x * masks[0]] * len(masks)
    return [x * mask for mask in masks]


def raise_outside(cell):
    """The answer to a cell that stands among the layers of a model."""
    raise ValueError(
        f"{cell.name}: expected a layer, got a cell, which is one step of a recurrence; wrap it: "
        f"RNN({type(cell).__name__}(...))"
    )


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
