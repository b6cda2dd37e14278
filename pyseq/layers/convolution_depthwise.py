"""Depthwise and separable convolutions in one and two dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyseq import constraints, initializers, regularizers
from pyseq.layers.convolution import _ConvBase
from pyseq.layers.core import positive_int
from pyseq.registry.registration import builtin
from pyseq.spatial import padding_of

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


class _Depthwise(_ConvBase):
    _rank = None

    def _setup(
        self,
        kernel_size,
        strides,
        padding,
        depth_multiplier,
        data_format,
        dilation_rate,
        activation,
        use_bias,
        depthwise,
        bias,
    ):
        padding = padding_of(self.name, padding)
        self._set_windows(self._rank, kernel_size, strides, padding, data_format, dilation_rate)
        self.depth_multiplier = positive_int(self.name, "depth_multiplier", depth_multiplier)
        self._set_activation(activation, use_bias, bias)
        initializer, regularizer, constraint = depthwise
        self.depthwise_initializer = initializers.get(initializer)
        self.depthwise_regularizer = regularizers.get(regularizer)
        self.depthwise_constraint = constraints.get(constraint)

    def build(self, input_shape: Any) -> None:
        channels = self._channels(input_shape)
        self.compute_output_shape(input_shape)
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.kernel = self.add_weight(
            name="kernel",
            shape=shape,
            initializer=self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
        )
        self.bias = self._add_bias(channels * self.depth_multiplier)
        self.input_spec = self._spec(channels)

    def compute_output_shape(self, input_shape: Any) -> Any:
        lengths, channels = self._split(input_shape)
        out = None if channels is None else channels * self.depth_multiplier
        return self._output_shape(input_shape, self._windows(lengths), out)

    def lower(self, g: Any, x: Tensor) -> Any:
        x_last = self._to_last(g, x)
        lengths = x_last.shape[:-1]
        shape = (*self._windows(lengths), x_last.shape[-1] * self.depth_multiplier)
        attrs = self._window_attrs(lengths)
        y = self._lower_op(g, x_last, "depthwise_conv", shape, [self.kernel, self.bias], **attrs)
        return self.pass_mask(y, x)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "depth_multiplier": self.depth_multiplier,
            **self._window_config(),
            **self._activation_config(),
            **self._weight_config(["depthwise"]),
        }


@builtin("layers")
class DepthwiseConv1D(_Depthwise):
    """Convolution over time of each channel by itself.

    Args:
        kernel_size, strides, padding, data_format, dilation_rate: as for `Conv1D`, without
            causal padding; strides and dilation may be combined.
        depth_multiplier: filters for each channel; output channel `c * depth_multiplier + j`
            is filter j of channel c.
        activation: what the output goes through: a name or a function.
        use_bias: whether a bias is added.
        depthwise_initializer, bias_initializer: how the weights start: a name or an Initializer.
        depthwise_regularizer, bias_regularizer: penalties on the weights, added to the loss.
        activity_regularizer: penalty on the output, added to the loss.
        depthwise_constraint, bias_constraint: what the weights are put through after each update.

    Input `(n, steps, c)`, output `(n, steps', c * depth_multiplier)`. Weights: kernel
    `(kernel_size, c, depth_multiplier)`, bias `(c * depth_multiplier,)`.

    >>> import numpy as np
    >>> DepthwiseConv1D(3, depth_multiplier=2)(np.zeros((1, 8, 4), "float32")).shape
    (1, 6, 8)
    """

    _rank = 1

    def __init__(
        self,
        kernel_size: Size,
        strides: Size = 1,
        padding: CausalPadding = "valid",
        depth_multiplier: int = 1,
        data_format: DataFormat = None,
        dilation_rate: Size = 1,
        activation: ActivationLike = None,
        use_bias: bool = True,
        depthwise_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        depthwise_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        depthwise_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        **kwargs: Unpack[PlainLayerArguments],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._setup(
            kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate, activation,
            use_bias, (depthwise_initializer, depthwise_regularizer, depthwise_constraint),
            (bias_initializer, bias_regularizer, bias_constraint),
        )


@builtin("layers")
class DepthwiseConv2D(_Depthwise):
    """Convolution over height and width of each channel by itself. Args as for `DepthwiseConv1D`.

    Args:
        kernel_size: size of the window.
        strides: distance between windows.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        dilation_rate: distance between the taps of a window.
        activation: what the output goes through: a name or a function.
        use_bias: whether a bias is added.
        depthwise_initializer, bias_initializer: how the weights start: a name or an Initializer.
        depthwise_regularizer, bias_regularizer: penalties on the weights, added to the loss.
        activity_regularizer: penalty on the output, added to the loss.
        depthwise_constraint, bias_constraint: what the weights are put through after each update.
        padding: `"valid"` or `"same"`.
        depth_multiplier: outputs for each input channel.

    Input `(n, h, w, c)`, output `(n, h', w', c * depth_multiplier)`. Weights: kernel
    `(kh, kw, c, depth_multiplier)`, bias `(c * depth_multiplier,)`.

    >>> import numpy as np
    >>> DepthwiseConv2D(3, padding="same")(np.zeros((1, 8, 8, 4), "float32")).shape
    (1, 8, 8, 4)
    """

    _rank = 2

    def __init__(
        self,
        kernel_size: Size,
        strides: Size = (1, 1),
        padding: Padding = "valid",
        depth_multiplier: int = 1,
        data_format: DataFormat = None,
        dilation_rate: Size = (1, 1),
        activation: ActivationLike = None,
        use_bias: bool = True,
        depthwise_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        depthwise_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        depthwise_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        **kwargs: Unpack[PlainLayerArguments],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._setup(
            kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate, activation,
            use_bias, (depthwise_initializer, depthwise_regularizer, depthwise_constraint),
            (bias_initializer, bias_regularizer, bias_constraint),
        )


class _Separable(_ConvBase):
    _rank = None

    def _setup(
        self,
        filters,
        kernel_size,
        strides,
        padding,
        data_format,
        dilation_rate,
        depth_multiplier,
        activation,
        use_bias,
        depthwise,
        pointwise,
        bias,
    ):
        padding = padding_of(self.name, padding)
        self._set_windows(self._rank, kernel_size, strides, padding, data_format, dilation_rate)
        self.filters = positive_int(self.name, "filters", filters)
        self.depth_multiplier = positive_int(self.name, "depth_multiplier", depth_multiplier)
        self._set_activation(activation, use_bias, bias)
        initializer, regularizer, constraint = depthwise
        self.depthwise_initializer = initializers.get(initializer)
        self.depthwise_regularizer = regularizers.get(regularizer)
        self.depthwise_constraint = constraints.get(constraint)
        initializer, regularizer, constraint = pointwise
        self.pointwise_initializer = initializers.get(initializer)
        self.pointwise_regularizer = regularizers.get(regularizer)
        self.pointwise_constraint = constraints.get(constraint)

    def build(self, input_shape: Any) -> None:
        channels = self._channels(input_shape)
        self.compute_output_shape(input_shape)
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.depthwise_kernel = self._add_kernel("depthwise", shape)
        shape = (*(1,) * self.rank, channels * self.depth_multiplier, self.filters)
        self.pointwise_kernel = self._add_kernel("pointwise", shape)
        self.bias = self._add_bias(self.filters)
        self.input_spec = self._spec(channels)

    def compute_output_shape(self, input_shape: Any) -> Any:
        lengths, _ = self._split(input_shape)
        return self._output_shape(input_shape, self._windows(lengths), self.filters)

    def lower(self, g: Any, x: Tensor) -> Any:
        x_last = self._to_last(g, x)
        lengths = x_last.shape[:-1]
        spatial = self._windows(lengths)
        middle = g.op(
            "depthwise_conv",
            x_last,
            (*spatial, x_last.shape[-1] * self.depth_multiplier),
            weights=[self.depthwise_kernel],
            name=self.name,
            **self._window_attrs(lengths),
        )
        once, none = [1] * self.rank, [0] * self.rank
        y = self._lower_op(
            g,
            middle,
            "conv",
            (*spatial, self.filters),
            [self.pointwise_kernel, self.bias],
            strides=once,
            dilations=once,
            pads_begin=none,
            pads_end=none,
        )
        return self.pass_mask(y, x)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "depth_multiplier": self.depth_multiplier,
            "filters": self.filters,
            **self._window_config(),
            **self._activation_config(),
            **self._weight_config(["depthwise", "pointwise"]),
        }


@builtin("layers", aliases=("SeparableConvolution1D",))
class SeparableConv1D(_Separable):
    """A depthwise convolution over time, then a mix of the channels (Chollet, arXiv:1610.02357).

    Args:
        filters: channels of the output.
        kernel_size, strides, padding, data_format, dilation_rate: as for `DepthwiseConv1D`.
        depth_multiplier: depthwise filters for each channel.
        activation: what the output goes through: a name or a function.
        use_bias: whether a bias is added.
        depthwise_initializer, pointwise_initializer, bias_initializer: how the weights start: a
            name or an Initializer.
        depthwise_regularizer, pointwise_regularizer, bias_regularizer: penalties on the weights,
            added to the loss.
        activity_regularizer: penalty on the output, added to the loss.
        depthwise_constraint, pointwise_constraint, bias_constraint: what the weights are put
            through after each update.

    Input `(n, steps, c)`, output `(n, steps', filters)`. Weights: depthwise kernel
    `(kernel_size, c, depth_multiplier)`, pointwise kernel `(1, c * depth_multiplier, filters)`,
    bias `(filters,)`.

    >>> import numpy as np
    >>> SeparableConv1D(6, 3)(np.zeros((1, 8, 4), "float32")).shape
    (1, 6, 6)
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
        depth_multiplier: int = 1,
        activation: ActivationLike = None,
        use_bias: bool = True,
        depthwise_initializer: InitializerLike = "glorot_uniform",
        pointwise_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        depthwise_regularizer: RegularizerLike = None,
        pointwise_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        depthwise_constraint: ConstraintLike = None,
        pointwise_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        **kwargs: Unpack[PlainLayerArguments],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._setup(
            filters, kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier,
            activation, use_bias,
            (depthwise_initializer, depthwise_regularizer, depthwise_constraint),
            (pointwise_initializer, pointwise_regularizer, pointwise_constraint),
            (bias_initializer, bias_regularizer, bias_constraint),
        )


@builtin("layers", aliases=("SeparableConvolution2D",))
class SeparableConv2D(_Separable):
    """A depthwise convolution over height and width, then a mix of the channels.

    Args:
        kernel_size: size of the window.
        strides: distance between windows.
        padding: `"valid"` for windows within the input, `"same"` for padded ones.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        dilation_rate: distance between the taps of a window.
        activation: what the output goes through: a name or a function.
        use_bias: whether a bias is added.
        depthwise_initializer, pointwise_initializer, bias_initializer: how the weights start: a
            name or an Initializer.
        depthwise_regularizer, pointwise_regularizer, bias_regularizer: penalties on the weights,
            added to the loss.
        activity_regularizer: penalty on the output, added to the loss.
        depthwise_constraint, pointwise_constraint, bias_constraint: what the weights are put
            through after each update.
        filters: number of output channels.
        depth_multiplier: outputs for each input channel.

    Args as for `SeparableConv1D`.

    Input `(n, h, w, c)`, output `(n, h', w', filters)`. Weights: depthwise kernel
    `(kh, kw, c, depth_multiplier)`, pointwise kernel `(1, 1, c * depth_multiplier, filters)`,
    bias `(filters,)`.

    >>> import numpy as np
    >>> SeparableConv2D(6, 3)(np.zeros((1, 8, 8, 4), "float32")).shape
    (1, 6, 6, 6)
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
        depth_multiplier: int = 1,
        activation: ActivationLike = None,
        use_bias: bool = True,
        depthwise_initializer: InitializerLike = "glorot_uniform",
        pointwise_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        depthwise_regularizer: RegularizerLike = None,
        pointwise_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        depthwise_constraint: ConstraintLike = None,
        pointwise_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        **kwargs: Unpack[PlainLayerArguments],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._setup(
            filters, kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier,
            activation, use_bias,
            (depthwise_initializer, depthwise_regularizer, depthwise_constraint),
            (pointwise_initializer, pointwise_regularizer, pointwise_constraint),
            (bias_initializer, bias_regularizer, bias_constraint),
        )


SeparableConvolution1D = SeparableConv1D
