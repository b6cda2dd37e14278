"""Random recurrent layers, cells and wrappers."""

from __future__ import annotations

from layer_cases import L

from .draw import BIASES, KERNELS

_STATE = ["relu", "sigmoid", "softsign", "tanh", "elu", "gelu", "silu", "hard_tanh", "linear"]
_GATES = ["hard_sigmoid", "sigmoid", "tanh", "softsign", "gelu"]


def _gated(d, gated):
    chosen = {}
    if d.chance(0.3):
        chosen["activation"] = d.of(*_STATE)
    if gated and d.chance(0.3):
        chosen["recurrent_activation"] = d.of(*_GATES)
    if d.chance(0.2):
        chosen["use_bias"] = False
    chosen.update(d.some(
        0.12, kernel_regularizer=d.regularizer, recurrent_regularizer=d.regularizer,
        bias_regularizer=d.regularizer, recurrent_constraint=d.constraint,
        kernel_constraint=d.constraint, kernel_initializer=lambda: d.of(*KERNELS),
        recurrent_initializer=lambda: d.of(*KERNELS), bias_initializer=lambda: d.of(*BIASES),
    ))
    return chosen


def cell_arguments(d, kind):
    arguments = {"units": d.channels(6), **_gated(d, kind != "SimpleRNN")}
    if kind == "GRU" and d.chance(0.4):
        arguments["reset_after"] = False
    if kind == "LSTM" and d.chance(0.3):
        arguments["unit_forget_bias"] = False
    return arguments


def _common(d, sequences, backwards=True):
    more = {"return_sequences": d.chance(0.5) if sequences is None else sequences}
    if backwards and d.chance(0.25):
        more["go_backwards"] = True
    if d.chance(0.1):
        more["unroll"] = True
    if d.chance(0.1):
        more["zero_output_for_mask"] = True
    return more


def recurrent(d, shape, sequences=None, **more):
    """SimpleRNN, LSTM, GRU, RNN over one cell or several, or Bidirectional."""
    kind = d.of("SimpleRNN", "LSTM", "LSTM", "GRU", "GRU")
    form = d.rng.random()
    if form < 0.55:
        layer = L(kind, **cell_arguments(d, kind), **_common(d, sequences), **more)
        if kind != "SimpleRNN" and d.chance(0.1):
            layer.arguments["activity_regularizer"] = d.regularizer()
        return layer
    if form < 0.8:
        common = _common(d, sequences, backwards=False)
        # Bidirectional sets it for itself.
        common.pop("zero_output_for_mask", None)
        forward = cell_arguments(d, kind)
        mode = d.of("concat", "sum", "mul", "ave")
        backward = {}
        if d.chance(0.4):
            other = d.of("SimpleRNN", "LSTM", "GRU")
            # Keras takes the output for twice the forward one, whatever comes back.
            arguments = {**cell_arguments(d, other), "units": forward["units"]}
            backward["backward_layer"] = L(other, **arguments, **common, **more, go_backwards=True)
        return L("Bidirectional", layer=L(kind, **forward, **common, **more), merge_mode=mode,
                 **backward)
    cells = [L(f"{k}Cell", **cell_arguments(d, k))
             # Keras's states of several cells cannot be reset.
             for k in (d.of("SimpleRNN", "LSTM", "GRU")
                       for _ in range(1 if "stateful" in more else d.integer(1, 3)))]
    cell = cells[0] if len(cells) == 1 else d.of(L("StackedRNNCells", cells=cells), cells)
    return L("RNN", cell=cell, **_common(d, sequences), **more)


def dropping(d, shape):
    """A recurrent layer that draws in training."""
    kind = d.of("SimpleRNN", "LSTM", "GRU")
    return L(kind, **cell_arguments(d, kind), **_common(d, None), dropout=d.number(0.1, 0.5),
             recurrent_dropout=d.of(0.0, 0.2))


def conv_recurrent(d, shape, sequences=None, **more):
    rank = len(shape) - 2
    arguments = {"strides": d.sizes(rank, 1, 2)} if d.chance(0.3) else (
        {"dilation_rate": 2} if d.chance(0.2) else {})
    return L(f"ConvLSTM{rank}D", filters=d.integer(1, 3), kernel_size=d.sizes(rank, 1, 3),
             padding=d.of("valid", "same"),
             return_sequences=d.chance(0.5) if sequences is None else sequences,
             go_backwards=d.chance(0.2), **arguments, **d.data_format(), **_gated(d, True),
             **d.some(0.2, unit_forget_bias=False), **more)
