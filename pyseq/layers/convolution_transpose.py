"""Transposed convolutions: Conv1DTranspose, Conv2DTranspose, Conv3DTranspose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyseq import constraints, initializers, regularizers
from pyseq.layers.convolution import _ConvBase
from pyseq.layers.core import positive_int
from pyseq.registry.registration import builtin
from pyseq.spatial import padding_of, transposed_window, tuple_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import (
        ActivationLike,
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


class _ConvTranspose(_ConvBase):
    _rank = None

    def _setup(
        self,
        filters,
        kernel_size,
        strides,
        padding,
        output_padding,
        data_format,
        dilation_rate,
        activation,
        use_bias,
        kernel,
        bias,
    ):
        padding = padding_of(self.name, padding)
        self._set_windows(self._rank, kernel_size, strides, padding, data_format, dilation_rate)
        self._forbid_strided_dilation()
        self.filters = positive_int(self.name, "filters", filters)
        self.output_padding = output_padding
        if output_padding is not None:
            self.output_padding = tuple_of(
                self.name, "output_padding", output_padding, self._rank, least=0
            )
            for i, (extra, stride) in enumerate(
                    zip(self.output_padding, self.strides, strict=True)
                ):
                if extra >= stride:
                    raise ValueError(
                        f"{self.name}: expected `output_padding` below `strides`, got {extra} with "
                        f"stride {stride} along spatial axis {i}"
                    )
        self._set_activation(activation, use_bias, bias)
        initializer, regularizer, constraint = kernel
        self.kernel_initializer = initializers.get(initializer)
        self.kernel_regularizer = regularizers.get(regularizer)
        self.kernel_constraint = constraints.get(constraint)

    def _axis(self, i, length):
        """(output length, entries cut off at the beginning) along one spatial axis."""
        extra = None if self.output_padding is None else self.output_padding[i]
        size, stride, dilation = self.kernel_size[i], self.strides[i], self.dilation_rate[i]
        out, cut = transposed_window(length, size, stride, dilation, self.padding, extra)
        if out is not None and out < 1:
            raise ValueError(
                f"{self.name}: expected an output of at least 1 along spatial axis {i}, got {out} "
                f"from length {length}; use a larger input, stride or output_padding"
            )
        return out, cut

    def build(self, input_shape: Any) -> None:
        channels = self._channels(input_shape)
        self.compute_output_shape(input_shape)
        shape = (*self.kernel_size, self.filters, channels)
        self.kernel = self._add_kernel("kernel", shape)
        self.bias = self._add_bias(self.filters)
        self.input_spec = self._spec(channels)

    def compute_output_shape(self, input_shape: Any) -> Any:
        lengths, _ = self._split(input_shape)
        spatial = tuple(self._axis(i, n)[0] for i, n in enumerate(lengths))
        return self._output_shape(input_shape, spatial, self.filters)

    def lower(self, g: Any, x: Tensor) -> Any:
        x_last = self._to_last(g, x)
        axes = [self._axis(i, n) for i, n in enumerate(x_last.shape[:-1])]
        spatial = [out for out, _ in axes]
        y = self._lower_op(
            g,
            x_last,
            "conv_transpose",
            (*spatial, self.filters),
            [self.kernel, self.bias],
            strides=self.strides,
            dilations=self.dilation_rate,
            pads=[cut for _, cut in axes],
            output=spatial,
        )
        return self.pass_mask(y, x)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "output_padding": self.output_padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            **self._activation_config(),
            **self._weight_config(["kernel"]),
        }


@builtin("layers", aliases=("Convolution1DTranspose",))
class Conv1DTranspose(_ConvTranspose):
    """Transposed convolution over time: each x[t] adds x[t] kernel[i] to y[s t + d i - cut].

    Args:
        filters: channels of the output.
        kernel_size, strides, dilation_rate: as in the convolution whose transpose this is.
        padding: `"valid"` keeps everything that is reached, `"same"` gives `steps * strides`.
        output_padding: moves the end of the output, below `strides`; None derives it.
        data_format: `"channels_last"` or `"channels_first"`.
        activation: what the output goes through: a name or a function.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer: how the weights start: a name or an Initializer.
        kernel_regularizer, bias_regularizer: penalties on the weights, added to the loss.
        activity_regularizer: penalty on the output, added to the loss.
        kernel_constraint, bias_constraint: what the weights are put through after each update.

    Input `(n, steps, c)`, output `(n, steps', filters)`. Weights: kernel
    `(kernel_size, filters, c)`, bias `(filters,)`.

    >>> import numpy as np
    >>> Conv1DTranspose(4, 3, strides=2)(np.zeros((2, 5, 1), "float32")).shape
    (2, 11, 4)
    """

    _rank = 1

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        strides: Size = 1,
        padding: Padding = "valid",
        output_padding: Size | None = None,
        data_format: DataFormat = None,
        dilation_rate: Size = 1,
        activation: ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        **kwargs: Unpack[PlainLayerArguments],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._setup(
            filters, kernel_size, strides, padding, output_padding, data_format, dilation_rate,
            activation, use_bias, (kernel_initializer, kernel_regularizer, kernel_constraint),
            (bias_initializer, bias_regularizer, bias_constraint),
        )


@builtin("layers", aliases=("Convolution2DTranspose",))
class Conv2DTranspose(_ConvTranspose):
    """Transposed convolution over height and width. Args as for `Conv1DTranspose`.

    Args:
        kernel_size: size of the window.
        output_padding: what is added to the output's lengths, which strides leave open.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        dilation_rate: distance between the taps of a window.
        activation: what the output goes through: a name or a function.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer: how the weights start: a name or an Initializer.
        kernel_regularizer, bias_regularizer: penalties on the weights, added to the loss.
        activity_regularizer: penalty on the output, added to the loss.
        kernel_constraint, bias_constraint: what the weights are put through after each update.
        filters: number of output channels.
        strides: distance between windows.
        padding: `"valid"` or `"same"`.

    Input `(n, h, w, c)`, output `(n, h', w', filters)`. Weights: kernel `(kh, kw, filters, c)`,
    bias `(filters,)`.

    >>> import numpy as np
    >>> Conv2DTranspose(4, 3, strides=2, padding="same")(np.zeros((1, 7, 7, 8), "float32")).shape
    (1, 14, 14, 4)
    """

    _rank = 2

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        strides: Size = (1, 1),
        padding: Padding = "valid",
        output_padding: Size | None = None,
        data_format: DataFormat = None,
        dilation_rate: Size = (1, 1),
        activation: ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        **kwargs: Unpack[PlainLayerArguments],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._setup(
            filters, kernel_size, strides, padding, output_padding, data_format, dilation_rate,
            activation, use_bias, (kernel_initializer, kernel_regularizer, kernel_constraint),
            (bias_initializer, bias_regularizer, bias_constraint),
        )


@builtin("layers", aliases=("Convolution3DTranspose",))
class Conv3DTranspose(_ConvTranspose):
    """Transposed convolution over depth, height and width. Args as for `Conv1DTranspose`.

    Args:
        kernel_size: size of the window.
        padding: `"valid"` for windows within the input, `"same"` for padded ones.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        output_padding: what is added to the output's lengths, which strides leave open.
        dilation_rate: distance between the taps of a window.
        activation: what the output goes through: a name or a function.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer: how the weights start: a name or an Initializer.
        kernel_regularizer, bias_regularizer: penalties on the weights, added to the loss.
        activity_regularizer: penalty on the output, added to the loss.
        kernel_constraint, bias_constraint: what the weights are put through after each update.
        filters: number of output channels.
        strides: distance between windows.

    Input `(n, d, h, w, c)`, output `(n, d', h', w', filters)`. Weights: kernel
    `(kd, kh, kw, filters, c)`, bias `(filters,)`.

    >>> import numpy as np
    >>> Conv3DTranspose(1, 2, strides=2)(np.zeros((1, 2, 2, 2, 3), "float32")).shape
    (1, 4, 4, 4, 1)
    """

    _rank = 3

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        strides: Size = (1, 1, 1),
        padding: Padding = "valid",
        data_format: DataFormat = None,
        output_padding: Size | None = None,
        dilation_rate: Size = (1, 1, 1),
        activation: ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        **kwargs: Unpack[PlainLayerArguments],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._setup(
            filters, kernel_size, strides, padding, output_padding, data_format, dilation_rate,
            activation, use_bias, (kernel_initializer, kernel_regularizer, kernel_constraint),
            (bias_initializer, bias_regularizer, bias_constraint),
        )


Convolution1DTranspose, Convolution2DTranspose = Conv1DTranspose, Conv2DTranspose
Convolution3DTranspose = Conv3DTranspose
