"""Convolutional LSTM layers over sequences of signals, images or volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import random, settings
from pyseq.layers.rnn.base import CellLayer
from pyseq.layers.rnn.cell import Cell, core_activation, forget_bias
from pyseq.layers.shapes import InputSpec
from pyseq.registry import limits
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import (
        ActivationLike,
        ConstraintLike,
        DataFormat,
        InitializerLike,
        Padding,
        PlainLayerArguments,
        RegularizerLike,
        Seed,
        Size,
        Tensor,
    )


def _per_axis(where, argument, value, rank):
    values = (value,) * rank if not isinstance(value, (tuple, list)) else tuple(value)
    valid = all(hasattr(v, "__index__") and not isinstance(v, bool) and v > 0 for v in values)
    if len(values) != rank or not valid:
        raise ValueError(
            f"{where}: expected `{argument}` to be a positive integer or {rank} of them, got "
            f"{value!r}"
        )
    return tuple(int(v) for v in values)


class ConvLSTMCell(Cell):
    """The weights and geometry of a ConvLSTM layer; it runs only inside one."""

    gates = 4
    op_kind = "conv_lstm"
    state_count = 2

    def __init__(
        self,
        rank,
        filters,
        kernel_size,
        strides,
        padding,
        data_format,
        dilation_rate,
        unit_forget_bias,
        **kwargs,
    ):
        super().__init__(units=filters, **kwargs)
        where = self.name
        self.rank = rank
        self.filters = self.units
        self.kernel_size = _per_axis(where, "kernel_size", kernel_size, rank)
        self.strides = _per_axis(where, "strides", strides, rank)
        self.dilation_rate = _per_axis(where, "dilation_rate", dilation_rate, rank)
        self.padding = padding.lower() if isinstance(padding, str) else padding
        if self.padding not in ("valid", "same"):
            raise ValueError(
                f"{where}: expected `padding` to be 'valid' or 'same', got {padding!r}"
            )
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{where}: expected `strides` or `dilation_rate` to be 1, got {self.strides} and "
                f"{self.dilation_rate}"
            )
        self.data_format = (
            settings.image_data_format
            if data_format is None
            else settings.standardize_data_format(data_format)
        )
        self.unit_forget_bias = unit_forget_bias
        self.implementation = 1

    def _bias_initializer(self):
        if not self.unit_forget_bias:
            return self.bias_initializer
        return forget_bias(self.bias_initializer, self.filters)

    def _split(self, input_shape):
        """Spatial dimensions and channels of an image (N, ...)."""
        if self.data_format == "channels_first":
            return tuple(input_shape[2:]), input_shape[1]
        return tuple(input_shape[1:-1]), input_shape[-1]

    def build(self, input_shape):
        spatial, channels = self._split(input_shape)
        if None in spatial or channels is None:
            raise ValueError(
                f"{self.name}: expected fixed spatial dimensions and channels, got input shape "
                f"{tuple(input_shape)}"
            )
        self._image_shape = tuple(input_shape[1:])
        self.input_dim = channels
        self.spatial_dims = spatial
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, channels, 4 * self.filters),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(*self.kernel_size, self.filters, 4 * self.filters),
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(4 * self.filters,),
                initializer=self._bias_initializer(),
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def _geometry(self, spatial):
        """Output sizes and paddings (begin, end) of the input convolution."""
        sizes, begin, end = [], [], []
        for size, k, stride, dilation in zip(
            spatial, self.kernel_size, self.strides, self.dilation_rate, strict=True
        ):
            reach = (k - 1) * dilation + 1
            total = 0
            if self.padding == "same":
                out = -(-size // stride)
                total = max((out - 1) * stride + reach - size, 0)
            else:
                out = (size - reach) // stride + 1
            if out < 1:
                raise ValueError(
                    f"{self.name}: expected spatial dimensions of at least {reach}, got "
                    f"{tuple(spatial)}; use padding='same' or a smaller kernel"
                )
            sizes.append(out)
            begin.append(total // 2)
            end.append(total - total // 2)
        return sizes, begin, end

    def compute_output_shape(self, input_shape, states_shape=None):
        spatial, _ = self._split(input_shape)
        sizes = (None,) * self.rank if None in spatial else self._geometry(spatial)[0]
        if self.data_format == "channels_first":
            return (input_shape[0], self.filters, *sizes)
        return (input_shape[0], *sizes, self.filters)

    def get_initial_state(self, batch_size=None):
        """Zero states of a built cell, channels last."""
        sizes = self._geometry(self.spatial_dims)[0]
        shape = (batch_size, *sizes, self.filters)
        limits.take(shape, self.arithmetic_dtype, f"{self.name}/states")
        return [np.zeros(shape, self.arithmetic_dtype)] * 2

    def call(self, inputs, states, training=False):
        raise ValueError(
            f"{self.name}: expected to run inside a ConvLSTM layer, got a direct call; call the "
            "layer on a sequence"
        )

    def emit_sequence(self, g, x, *, name, sequences, backwards, zero_masked, return_state, states):
        """As `Cell.emit_sequence`, for x (T, ..., C) with the channels last."""
        sizes, begin, end = self._geometry(x.shape[1:-1])
        image = (*sizes, self.filters)
        activation, args = core_activation(name, "activation", self.activation)
        rec, rec_args = core_activation(name, "recurrent_activation", self.recurrent_activation)
        attrs = {}
        if g.training and (self.dropout or self.recurrent_dropout):
            attrs = {
                "dropout": float(self.dropout),
                "recurrent_dropout": float(self.recurrent_dropout),
                "seed": random.draw_seed(self.seed),
            }
        weights = [self.kernel, self.recurrent_kernel, *([self.bias] if self.use_bias else [])]
        outputs = g.op_multi(
            self.op_kind,
            [x] if x.mask is None else [x.with_mask(None), x.mask],
            [(x.shape[0], *image) if sequences else image, *([image] * 2 if return_state else [])],
            weights=[*weights, *states],
            name=name,
            activation=activation,
            activation_args=args or None,
            recurrent_activation=rec,
            recurrent_activation_args=rec_args or None,
            strides=list(self.strides),
            dilations=list(self.dilation_rate),
            pads_begin=begin,
            pads_end=end,
            use_bias=bool(self.use_bias),
            return_sequences=bool(sequences),
            go_backwards=bool(backwards),
            zero_output_for_mask=bool(zero_masked),
            return_state=bool(return_state),
            stateful=bool(states),
            **attrs,
        )
        return list(outputs)

    def _config(self):
        config = super()._config()
        del config["units"]
        geometry = {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
        }
        return {**geometry, **config}


class ConvLSTM(CellLayer):
    """Common part of ConvLSTM1D, ConvLSTM2D and ConvLSTM3D."""

    rank = 2
    _cell_attributes = (
        *(a for a in CellLayer._cell_attributes if a != "units"),
        "recurrent_activation",
        "unit_forget_bias",
        "filters",
        "kernel_size",
        "strides",
        "padding",
        "data_format",
        "dilation_rate",
    )

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        strides: Size = 1,
        padding: Padding = "valid",
        data_format: DataFormat = None,
        dilation_rate: Size = 1,
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
        **kwargs: Unpack[PlainLayerArguments],
    ) -> None:
        cell = ConvLSTMCell(
            self.rank,
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            unit_forget_bias,
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
            seed=seed,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="conv_lstm_cell",
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        axes = ("L", "H, W", "D, H, W")[self.rank - 1]
        self.input_spec = InputSpec(ndim=self.rank + 3).with_hint(
            f"give each sample a time axis: (N, T, {axes}, C)"
        )

    def _step_output_shape(self, input_shape):
        return self.cell.compute_output_shape((input_shape[0], *input_shape[2:]))[1:]

    def state_shapes(self, input_shape: Any) -> Any:
        return [self._step_output_shape(input_shape)] * 2

    def state_value(self, array: Tensor) -> Any:
        first = self.cell.data_format == "channels_first"
        return np.moveaxis(array, 1, -1) if first else array

    def lower_from(self, g: Any, x: Tensor, given: Any) -> Any:
        first = self.cell.data_format == "channels_first"
        if x.mask is not None and len(x.mask.shape) > 1:
            # A mask of each pixel stands for the output's pixels, as in Keras.
            spatial = self._step_output_shape((None, *x.shape))[:-1]
            if first or x.mask.shape[1:] != spatial:
                raise ValueError(
                    f"{self.name}: expected a mask of steps, or of steps and the output's pixels "
                    f"{tuple(spatial)} with the channels last, got mask {x.mask.shape}; use "
                    "padding='same' and strides=1"
                )
        if not first:
            return super().lower_from(g, x, given)
        order = (1, *range(3, len(x.shape) + 1), 2)
        y = super().lower_from(g, _permuted(g, x, order, self.name), given)
        outputs = y if isinstance(y, list) else [y]
        steps = [self.return_sequences] + [False] * (len(outputs) - 1)
        outputs = [
            _permuted(g, value, _channels_first(len(value.shape), has_time), self.name)
            for value, has_time in zip(outputs, steps, strict=True)
        ]
        return outputs if isinstance(y, list) else outputs[0]


def _channels_first(rank, has_time):
    lead = (1,) if has_time else ()
    return (*lead, rank, *range(1 + len(lead), rank))


def _permuted(g, x, order, name):
    shape = tuple(x.shape[i - 1] for i in order)
    return g.op("permute", x, shape, name=name, dims=[i - 1 for i in order]).with_mask(x.mask)


@builtin("layers")
class ConvLSTM1D(ConvLSTM):
    """LSTM whose products are convolutions: (N, T, L, C) to (N, L', filters).

    The input convolution has `strides`, `padding` and `dilation_rate`; the recurrent one keeps the
    size (Shi et al., 2015, without peepholes).

    Args:
        filters: channels of the output and of each state.
        kernel_size: length of both kernels.
        strides, padding, data_format, dilation_rate: as in `Conv1D`, for the input.
        activation, recurrent_activation, unit_forget_bias, dropout, recurrent_dropout,
            return_sequences, return_state, go_backwards, stateful: as in `LSTM`.
        use_bias: whether a bias is added.
        kernel_initializer, recurrent_initializer, bias_initializer: how the weights start: a name
            or an Initializer.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on the weights,
            added to the loss.
        activity_regularizer: penalty on the output, added to the loss.
        kernel_constraint, recurrent_constraint, bias_constraint: what the weights are put through
            after each update.
        seed: number that makes the draws repeat, or a SeedGenerator.
        activation: what the output goes through: a name or a function.
        recurrent_activation: activation of the gates.
        unit_forget_bias: start the forget gate's bias at 1.
        dropout: share of the inputs that is dropped in training.
        recurrent_dropout: the same for the state.

    >>> import numpy as np
    >>> ConvLSTM1D(4, 3, padding="same")(np.zeros((2, 5, 8, 3))).shape
    (2, 8, 4)
    """

    rank = 1


@builtin("layers")
class ConvLSTM2D(ConvLSTM):
    """LSTM whose products are convolutions: (N, T, H, W, C) to (N, H', W', filters).

    The input convolution has `strides`, `padding` and `dilation_rate`; the recurrent one keeps the
    size (Shi et al., 2015, without peepholes).

    Args:
        filters: channels of the output and of each state.
        kernel_size: size of both kernels, one integer or two.
        strides, padding, data_format, dilation_rate: as in `Conv2D`, for the input.
        activation, recurrent_activation, unit_forget_bias, dropout, recurrent_dropout,
            return_sequences, return_state, go_backwards, stateful: as in `LSTM`.
        use_bias: whether a bias is added.
        kernel_initializer, recurrent_initializer, bias_initializer: how the weights start: a name
            or an Initializer.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on the weights,
            added to the loss.
        activity_regularizer: penalty on the output, added to the loss.
        kernel_constraint, recurrent_constraint, bias_constraint: what the weights are put through
            after each update.
        seed: number that makes the draws repeat, or a SeedGenerator.
        activation: what the output goes through: a name or a function.
        recurrent_activation: activation of the gates.
        unit_forget_bias: start the forget gate's bias at 1.
        dropout: share of the inputs that is dropped in training.
        recurrent_dropout: the same for the state.

    >>> import numpy as np
    >>> ConvLSTM2D(4, 3, return_sequences=True)(np.zeros((2, 5, 8, 8, 3))).shape
    (2, 5, 6, 6, 4)
    """

    rank = 2


@builtin("layers")
class ConvLSTM3D(ConvLSTM):
    """LSTM whose products are convolutions: (N, T, D, H, W, C) to (N, D', H', W', filters).

    The input convolution has `strides`, `padding` and `dilation_rate`; the recurrent one keeps the
    size (Shi et al., 2015, without peepholes).

    Args:
        filters: channels of the output and of each state.
        kernel_size: size of both kernels, one integer or three.
        strides, padding, data_format, dilation_rate: as in `Conv3D`, for the input.
        activation, recurrent_activation, unit_forget_bias, dropout, recurrent_dropout,
            return_sequences, return_state, go_backwards, stateful: as in `LSTM`.
        use_bias: whether a bias is added.
        kernel_initializer, recurrent_initializer, bias_initializer: how the weights start: a name
            or an Initializer.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on the weights,
            added to the loss.
        activity_regularizer: penalty on the output, added to the loss.
        kernel_constraint, recurrent_constraint, bias_constraint: what the weights are put through
            after each update.
        seed: number that makes the draws repeat, or a SeedGenerator.
        activation: what the output goes through: a name or a function.
        recurrent_activation: activation of the gates.
        unit_forget_bias: start the forget gate's bias at 1.
        dropout: share of the inputs that is dropped in training.
        recurrent_dropout: the same for the state.

    >>> import numpy as np
    >>> ConvLSTM3D(2, 3)(np.zeros((1, 2, 4, 4, 4, 3))).shape
    (1, 2, 2, 2, 2)
    """

    rank = 3
