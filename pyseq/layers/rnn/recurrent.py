"""The recurrent layers: SimpleRNN, LSTM, GRU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyseq.layers.rnn.base import CellLayer, check_use_cudnn
from pyseq.layers.rnn.cells import GRUCell, LSTMCell, SimpleRNNCell
from pyseq.layers.shapes import InputSpec
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import (
        ActivationLike,
        ConstraintLike,
        InitializerLike,
        PlainLayerArguments,
        RegularizerLike,
        Seed,
    )


def _sequence_spec():
    return InputSpec(ndim=3).with_hint("give each sample a time axis: (N, T, features)")


@builtin("layers")
class SimpleRNN(CellLayer):
    """Fully connected recurrent layer: h_t = activation(x_t K + h_(t-1) R + b).

    Input (N, T, I), output (N, units), or (N, T, units) with `return_sequences`.

    Args:
        units: width of the output and of the state.
        activation: element-wise activation of the state.
        dropout: share of the inputs dropped in training, the same ones at every step.
        recurrent_dropout: the same for the state.
        activity_regularizer: regularizer of the output. (Keras accepts and ignores it.)
        return_sequences, return_state, go_backwards, stateful, unroll: see `RNN`.
        use_bias: whether a bias is added.
        kernel_initializer, recurrent_initializer, bias_initializer: how the weights start: a name
            or an Initializer.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on the weights,
            added to the loss.
        kernel_constraint, recurrent_constraint, bias_constraint: what the weights are put through
            after each update.
        seed: number that makes the draws repeat, or a SeedGenerator.

    >>> import numpy as np
    >>> SimpleRNN(4)(np.zeros((2, 5, 3))).shape
    (2, 4)
    """

    _saves_seed = False

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
        activity_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        recurrent_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: Seed = None,
        **kwargs: Unpack[PlainLayerArguments],
    ) -> None:
        cell = SimpleRNNCell(
            units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="simple_rnn_cell",
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.input_spec = _sequence_spec()


@builtin("layers")
class LSTM(CellLayer):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997).

    With gates i, f, g, o cut from z = x K + h R + b: c = s(f) c + s(i) a(g), h = s(o) a(c), where
    a is `activation` and s is `recurrent_activation`. Input (N, T, I), output (N, units), or
    (N, T, units) with `return_sequences`.

    Args:
        units: width of the output and of each state.
        activation: activation of the candidate and of the cell state.
        recurrent_activation: activation of the gates.
        unit_forget_bias: start the forget gate's bias at 1 (Jozefowicz et al., 2015).
        dropout: share of the inputs dropped in training, the same ones at every step.
        recurrent_dropout: the same for the state h, drawn for each gate.
        return_sequences, return_state, go_backwards, stateful, unroll: see `RNN`.
        use_cudnn: accepted for compatibility.
        use_bias: whether a bias is added.
        kernel_initializer, recurrent_initializer, bias_initializer: how the weights start: a name
            or an Initializer.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on the weights,
            added to the loss.
        activity_regularizer: penalty on the output, added to the loss.
        kernel_constraint, recurrent_constraint, bias_constraint: what the weights are put through
            after each update.
        seed: number that makes the draws repeat, or a SeedGenerator.

    >>> import numpy as np
    >>> LSTM(4, return_sequences=True)(np.zeros((2, 5, 3))).shape
    (2, 5, 4)
    """

    _cell_attributes = (
        *CellLayer._cell_attributes,
        "recurrent_activation",
        "unit_forget_bias",
    )

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
        activity_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        recurrent_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Seed = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: Any = "auto",
        **kwargs: Unpack[PlainLayerArguments],
    ) -> None:
        cell = LSTMCell(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            unit_forget_bias=unit_forget_bias,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            implementation=kwargs.pop("implementation", 2),
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="lstm_cell",
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.input_spec = _sequence_spec()
        self.use_cudnn = check_use_cudnn(self, use_cudnn)


@builtin("layers")
class GRU(CellLayer):
    """Gated recurrent unit (Cho et al., 2014).

    With gates z, r: h = z h + (1 - z) a(x K_h + b + r (h R_h + b')), or, with
    `reset_after=False`, h = z h + (1 - z) a(x K_h + b + (r h) R_h). Input (N, T, I), output
    (N, units), or (N, T, units) with `return_sequences`.

    Args:
        units: width of the output and of the state.
        activation: activation a of the candidate.
        recurrent_activation: activation of the gates.
        dropout: share of the inputs dropped in training, the same ones at every step.
        recurrent_dropout: the same for the state, drawn for each gate.
        reset_after: apply the reset gate after the recurrent product; the bias then has two rows.
        return_sequences, return_state, go_backwards, stateful, unroll: see `RNN`.
        use_cudnn: accepted for compatibility.
        use_bias: whether a bias is added.
        kernel_initializer, recurrent_initializer, bias_initializer: how the weights start: a name
            or an Initializer.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on the weights,
            added to the loss.
        activity_regularizer: penalty on the output, added to the loss.
        kernel_constraint, recurrent_constraint, bias_constraint: what the weights are put through
            after each update.
        seed: number that makes the draws repeat, or a SeedGenerator.

    >>> import numpy as np
    >>> GRU(4)(np.zeros((2, 5, 3))).shape
    (2, 4)
    """

    _cell_attributes = (*CellLayer._cell_attributes, "recurrent_activation", "reset_after")

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
        activity_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        recurrent_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Seed = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        **kwargs: Unpack[PlainLayerArguments],
    ) -> None:
        cell = GRUCell(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            reset_after=reset_after,
            seed=seed,
            implementation=kwargs.pop("implementation", 2),
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="gru_cell",
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.input_spec = _sequence_spec()
        self.use_cudnn = check_use_cudnn(self, use_cudnn)
