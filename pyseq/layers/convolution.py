"""Convolution layers: Conv1D, Conv2D, Conv3D and their transposes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyseq import activations, constraints, initializers, regularizers
from pyseq.layers.base import Layer
from pyseq.layers.core import (
    NoLowRank,
    activation_output_shape,
    fused_activation,
    lower_activation,
    positive_int,
    reject_options,
)
from pyseq.layers.spatial_base import SpatialMixin
from pyseq.registry.registration import builtin
from pyseq.spatial import padding_of, tuple_of, window_output, window_pads

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import (
        ActivationLike,
        CausalPadding,
        Config,
        ConstraintLike,
        DataFormat,
        InitializerLike,
        Padding,
        PlainLayerArguments,
        RegularizerLike,
        Size,
        Tensor,
    )


class _ConvBase(SpatialMixin, Layer):
    """Windows, activation, bias and channel layout, which all convolutions have."""

    def _set_windows(self, rank, kernel_size, strides, padding, data_format, dilation_rate):
        self._set_layout(rank, data_format)
        self.kernel_size = tuple_of(self.name, "kernel_size", kernel_size, rank)
        self.strides = tuple_of(self.name, "strides", strides, rank)
        self.dilation_rate = tuple_of(self.name, "dilation_rate", dilation_rate, rank)
        self.padding = padding

    def _forbid_strided_dilation(self):
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{self.name}: expected strides=1 or dilation_rate=1, got strides={self.strides} "
                f"and dilation_rate={self.dilation_rate}; use one of the two"
            )

    def _set_activation(self, activation, use_bias, bias):
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        initializer, regularizer, constraint = bias
        self.bias_initializer = initializers.get(initializer)
        self.bias_regularizer = regularizers.get(regularizer)
        self.bias_constraint = constraints.get(constraint)

    def _add_kernel(self, prefix, shape):
        weight = self.add_weight(
            name="kernel" if prefix == "kernel" else f"{prefix}_kernel",
            shape=shape,
            initializer=getattr(self, f"{prefix}_initializer"),
            regularizer=getattr(self, f"{prefix}_regularizer"),
            constraint=getattr(self, f"{prefix}_constraint"),
        )
        return weight

    def _add_bias(self, size):
        if not self.use_bias:
            return None
        return self.add_weight(
            name="bias",
            shape=(size,),
            initializer=self.bias_initializer,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
        )

    def _windows(self, lengths):
        return tuple(
            window_output(self.name, n, k, s, d, self.padding, i)
            for i, (n, k, s, d) in enumerate(
                zip(lengths, self.kernel_size, self.strides, self.dilation_rate, strict=True)
            )
        )

    def _window_attrs(self, lengths):
        pads = [
            window_pads(n, k, s, d, self.padding)
            for n, k, s, d in zip(
                lengths, self.kernel_size, self.strides, self.dilation_rate, strict=True
            )
        ]
        return {
            "strides": self.strides,
            "dilations": self.dilation_rate,
            "pads_begin": [b for b, _ in pads],
            "pads_end": [e for _, e in pads],
        }

    def _output_shape(self, input_shape, spatial, channels):
        shape = self._join(input_shape[0], spatial, channels)
        return activation_output_shape(self.activation, shape)

    def _lower_op(self, g, x, kind, shape, weights, **attrs):
        """The op with bias and, where it can be fused, activation; channels are put back."""
        fused = fused_activation(self.activation)
        weights = [w for w in weights if w is not None]
        y = g.op(kind, x, shape, weights=weights, name=self.name, **attrs, **(fused or {}))
        y = self._from_last(g, y)
        if fused is None:
            y = lower_activation(g, y, self.activation, self.name)
        return y

    def _window_config(self):
        return {
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
        }

    def _activation_config(self):
        return {
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
        }

    def _weight_config(self, prefixes):
        """Initializers, regularizers and constraints in Keras's order."""
        names = [*prefixes, "bias"]
        kinds = (
            ("initializer", initializers.serialize),
            ("regularizer", regularizers.serialize),
            ("constraint", constraints.serialize),
        )
        result = {}
        for kind, serialize in kinds:
            if kind == "constraint":
                result["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
            for name in names:
                result[f"{name}_{kind}"] = serialize(getattr(self, f"{name}_{kind}"))
        return result


class _Conv(NoLowRank, _ConvBase):
    _rank = None

    def _setup(
        self,
        filters,
        kernel_size,
        strides,
        padding,
        data_format,
        dilation_rate,
        groups,
        activation,
        use_bias,
        kernel,
        bias,
        lora_rank,
    ):
        reject_options(self.name, lora_rank=lora_rank)
        padding = padding_of(self.name, padding, causal=self._rank == 1)
        self._set_windows(self._rank, kernel_size, strides, padding, data_format, dilation_rate)
        self._forbid_strided_dilation()
        self.filters = positive_int(self.name, "filters", filters)
        self.groups = positive_int(self.name, "groups", groups)
        if self.filters % self.groups:
            raise ValueError(
                f"{self.name}: expected `filters` to be a multiple of groups={self.groups}, got "
                f"{self.filters}"
            )
        self._set_activation(activation, use_bias, bias)
        initializer, regularizer, constraint = kernel
        self.kernel_initializer = initializers.get(initializer)
        self.kernel_regularizer = regularizers.get(regularizer)
        self.kernel_constraint = constraints.get(constraint)

    def build(self, input_shape: Any) -> None:
        channels = self._channels(input_shape)
        if channels % self.groups:
            raise ValueError(
                f"{self.name}: expected input channels to be a multiple of groups={self.groups}, "
                f"got {channels} (input shape {tuple(input_shape)})"
            )
        self.compute_output_shape(input_shape)
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        self.kernel = self._add_kernel("kernel", shape)
        self.bias = self._add_bias(self.filters)
        self.input_spec = self._spec(channels)

    def compute_output_shape(self, input_shape: Any) -> Any:
        lengths, _ = self._split(input_shape)
        return self._output_shape(input_shape, self._windows(lengths), self.filters)

    def lower(self, g: Any, x: Tensor) -> Any:
        x_last = self._to_last(g, x)
        lengths = x_last.shape[:-1]
        shape = (*self._windows(lengths), self.filters)
        attrs = self._window_attrs(lengths)
        weights = [self.kernel, self.bias]
        y = self._lower_op(g, x_last, "conv", shape, weights, groups=self.groups, **attrs)
        return self.pass_mask(y, x)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "filters": self.filters,
            **self._window_config(),
            "groups": self.groups,
            **self._activation_config(),
            **self._weight_config(["kernel"]),
        }


@builtin("layers", aliases=("Convolution1D",))
class Conv1D(_Conv):
    """Convolution over time: y[t, f] = act(sum_{i, c} x[s t + d i - left, c] kernel[i, c, f] + b).

    Args:
        filters: channels of the output.
        kernel_size: length of the window.
        strides: distance between windows.
        padding: `"valid"` (none), `"same"` (output length `ceil(length / strides)`, an odd zero
            goes to the end) or `"causal"` (zeros before only: y[t] sees no later x).
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: distance between the elements of a window.
        groups: group j of filters sees group j of input channels only.
        activation: what the output goes through: a name or a function.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer: how the weights start: a name or an Initializer.
        kernel_regularizer, bias_regularizer: penalties on the weights, added to the loss.
        activity_regularizer: penalty on the output, added to the loss.
        kernel_constraint, bias_constraint: what the weights are put through after each update.
        lora_rank, lora_alpha: as of Keras; only None, for there is no LoRA or quantization here.

    Input `(n, steps, c)`, output `(n, steps', filters)`. Weights: kernel
    `(kernel_size, c / groups, filters)`, bias `(filters,)`.

    >>> import numpy as np
    >>> Conv1D(4, 3, padding="causal")(np.zeros((2, 10, 5), "float32")).shape
    (2, 10, 4)
    """

    _rank = 1

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        strides: Size = 1,
        padding: CausalPadding = "valid",
        data_format: DataFormat = None,
        dilation_rate: Size = 1,
        groups: int = 1,
        activation: ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        lora_rank: Any = None,
        lora_alpha: Any = None,
        **kwargs: Unpack[PlainLayerArguments],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._setup(
            filters, kernel_size, strides, padding, data_format, dilation_rate, groups, activation,
            use_bias, (kernel_initializer, kernel_regularizer, kernel_constraint),
            (bias_initializer, bias_regularizer, bias_constraint), lora_rank,
        )


@builtin("layers", aliases=("Convolution2D",))
class Conv2D(_Conv):
    """Convolution over height and width.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        activation: what the output goes through: a name or a function.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer: how the weights start: a name or an Initializer.
        kernel_regularizer, bias_regularizer: penalties on the weights, added to the loss.
        activity_regularizer: penalty on the output, added to the loss.
        kernel_constraint, bias_constraint: what the weights are put through after each update.
        lora_rank, lora_alpha: as of Keras; only None, for there is no LoRA or quantization here.
        filters: number of output channels.
        kernel_size: size of the window.
        strides: distance between windows.
        padding: `"valid"` for windows within the input, `"same"` for padded ones.
        dilation_rate: distance between the taps of a window.
        groups: groups of channels that are convolved apart.

    Args as for `Conv1D`, with an integer or two for `kernel_size`, `strides`, `dilation_rate`;
    there is no causal padding.

    Input `(n, h, w, c)`, output `(n, h', w', filters)`. Weights: kernel
    `(kh, kw, c / groups, filters)`, bias `(filters,)`.

    >>> import numpy as np
    >>> Conv2D(8, 3, strides=2, padding="same")(np.zeros((1, 28, 28, 1), "float32")).shape
    (1, 14, 14, 8)
    """

    _rank = 2

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        strides: Size = (1, 1),
        padding: Padding = "valid",
        data_format: DataFormat = None,
        dilation_rate: Size = (1, 1),
        groups: int = 1,
        activation: ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        lora_rank: Any = None,
        lora_alpha: Any = None,
        **kwargs: Unpack[PlainLayerArguments],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._setup(
            filters, kernel_size, strides, padding, data_format, dilation_rate, groups, activation,
            use_bias, (kernel_initializer, kernel_regularizer, kernel_constraint),
            (bias_initializer, bias_regularizer, bias_constraint), lora_rank,
        )


@builtin("layers", aliases=("Convolution3D",))
class Conv3D(_Conv):
    """Convolution over depth, height and width. Args as for `Conv2D`, with three integers.

    Args:
        kernel_size: size of the window.
        strides: distance between windows.
        padding: `"valid"` for windows within the input, `"same"` for padded ones.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        dilation_rate: distance between the taps of a window.
        activation: what the output goes through: a name or a function.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer: how the weights start: a name or an Initializer.
        kernel_regularizer, bias_regularizer: penalties on the weights, added to the loss.
        activity_regularizer: penalty on the output, added to the loss.
        kernel_constraint, bias_constraint: what the weights are put through after each update.
        lora_rank, lora_alpha: as of Keras; only None, for there is no LoRA or quantization here.
        filters: number of output channels.
        groups: groups of channels that are convolved apart.

    Input `(n, d, h, w, c)`, output `(n, d', h', w', filters)`. Weights: kernel
    `(kd, kh, kw, c / groups, filters)`, bias `(filters,)`.

    >>> import numpy as np
    >>> Conv3D(2, 3)(np.zeros((1, 4, 5, 6, 1), "float32")).shape
    (1, 2, 3, 4, 2)
    """

    _rank = 3

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        strides: Size = (1, 1, 1),
        padding: Padding = "valid",
        data_format: DataFormat = None,
        dilation_rate: Size = (1, 1, 1),
        groups: int = 1,
        activation: ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        lora_rank: Any = None,
        lora_alpha: Any = None,
        **kwargs: Unpack[PlainLayerArguments],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._setup(
            filters, kernel_size, strides, padding, data_format, dilation_rate, groups, activation,
            use_bias, (kernel_initializer, kernel_regularizer, kernel_constraint),
            (bias_initializer, bias_regularizer, bias_constraint), lora_rank,
        )


Convolution1D = Conv1D
