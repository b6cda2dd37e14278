"""Layers of Keras 1 and 2 that make layers of today, and those that have none: real layers.

The layers train like any other; their weights have the shapes and the order that Keras gave them.
"""

from __future__ import annotations

import numpy as np

from pyseq import activations, constraints, hooks, initializers, regularizers
from pyseq.compat.notices import tell
from pyseq.layers.base import Layer
from pyseq.layers.convolution import Conv1D, Conv2D, Conv3D
from pyseq.layers.convolution_depthwise import SeparableConv2D
from pyseq.layers.convolution_transpose import Conv2DTranspose
from pyseq.layers.core import Dense, positive_int
from pyseq.layers.shapes import InputSpec
from pyseq.registry.registration import builtin
from pyseq.settings import standardize_data_format
from pyseq.spatial import padding_of, tuple_of, window_output


@hooks.answers("load_old_layers")
def _load():
    """The layers are registered when this module is imported."""


# --- names that make layers of today

# `{class: (old names of its positional arguments, whether they are always meant)}`
RENAMED = {}


def _renamed(name, cls, positions, always=True):
    """A class whose calls make a `cls`.

    Args:
        positions: old names of the positional arguments, separated by spaces.
        always: False where positions of today are accepted too: the old ones are recognized by
            two numbers in the second and third place.
    """
    names = positions.split()

    def __new__(old, *args, **kwargs):
        whole = len(args) > 2 and isinstance(args[1], int) and isinstance(args[2], int)
        if always or whole:
            tell(name, cls.__name__)
            if len(args) > len(names):
                raise TypeError(
                    f"{name}: expected at most {len(names)} positional arguments, got {len(args)}; "
                    "pass them by name"
                )
            given = dict(zip(names, args))
            twice = sorted(given.keys() & kwargs.keys())
            if twice:
                raise TypeError(f"{name}: expected {twice[0]} once, got it twice; leave one out")
            args, kwargs = (), {**given, **kwargs}
        return cls(*args, **kwargs)

    doc = f"`{cls.__name__}` under its old name and with the old order of its arguments."
    members = {"__new__": __new__, "__doc__": doc, "__module__": __name__}
    made = type(name, (cls,), members)
    RENAMED[made] = (names, always)
    return made


_REST = " activity_regularizer W_constraint b_constraint bias"
_FILTERS = "nb_filter nb_row nb_col init activation weights border_mode subsample"

AtrousConvolution1D = _renamed(
    "AtrousConvolution1D",
    Conv1D,
    "nb_filter filter_length init activation weights border_mode subsample_length atrous_rate "
    "W_regularizer b_regularizer" + _REST,
)
AtrousConvolution2D = _renamed(
    "AtrousConvolution2D",
    Conv2D,
    _FILTERS + " atrous_rate dim_ordering W_regularizer b_regularizer" + _REST,
)
Convolution2D = _renamed(
    "Convolution2D", Conv2D, _FILTERS + " dim_ordering W_regularizer b_regularizer" + _REST, False
)
Convolution3D = _renamed(
    "Convolution3D",
    Conv3D,
    "nb_filter kernel_dim1 kernel_dim2 kernel_dim3 init activation weights border_mode subsample "
    "dim_ordering W_regularizer b_regularizer" + _REST,
    False,
)
Deconvolution2D = _renamed(
    "Deconvolution2D",
    Conv2DTranspose,
    "nb_filter nb_row nb_col output_shape init activation weights border_mode subsample "
    "dim_ordering W_regularizer b_regularizer" + _REST,
)
SeparableConvolution2D = _renamed(
    "SeparableConvolution2D",
    SeparableConv2D,
    "nb_filter nb_row nb_col init activation weights border_mode subsample depth_multiplier "
    "dim_ordering depthwise_regularizer pointwise_regularizer b_regularizer activity_regularizer "
    "depthwise_constraint pointwise_constraint b_constraint bias",
    False,
)


class TimeDistributedDense(Dense):
    """`Dense` on the last axis of sequences, under its name in Keras 1."""

    def __new__(cls, output_dim, *args, input_dim=None, input_length=None, **kwargs):
        tell("TimeDistributedDense", "Dense")
        if input_dim is not None:
            kwargs["input_shape"] = (input_length, input_dim)
        return Dense(output_dim, *args, **kwargs)


# --- layers of their own


@builtin("layers")
class ThresholdedReLU(Layer):
    """x where x > theta, else 0 (Konda et al., arXiv:1402.3337).

    Args:
        theta: the threshold, 0 or more.

    >>> import numpy as np
    >>> ThresholdedReLU(1.0)(np.array([[0.5, 1.0, 1.5]])).tolist()
    [[0.0, 0.0, 1.5]]
    """

    mask_policy = "pass"

    def __init__(self, theta=1.0, **kwargs):
        super().__init__(**kwargs)
        if isinstance(theta, bool) or not isinstance(theta, (int, float)) or not theta >= 0:
            raise ValueError(f"{self.name}: expected `theta` to be a number >= 0, got {theta!r}")
        self.theta = float(theta)

    def call(self, inputs):
        return np.where(inputs > self.theta, inputs, 0.0)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {**super().get_config(), "theta": self.theta}


class _Weighted(Layer):
    """A layer with a kernel, an optional bias and an activation."""

    _PARTS = (
        ("kernel_initializer", initializers),
        ("bias_initializer", initializers),
        ("kernel_regularizer", regularizers),
        ("bias_regularizer", regularizers),
        ("kernel_constraint", constraints),
        ("bias_constraint", constraints),
    )

    def __init__(
        self,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        **kwargs,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    def _add(self, kind, name, shape, initializer=None):
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer or getattr(self, f"{kind}_initializer"),
            regularizer=getattr(self, f"{kind}_regularizer"),
            constraint=getattr(self, f"{kind}_constraint"),
        )

    def get_config(self):
        return {
            **super().get_config(),
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **{name: family.serialize(getattr(self, name)) for name, family in self._PARTS},
        }


class _LocallyConnected(_Weighted):
    def __init__(
        self, rank, filters, kernel_size, strides, padding, data_format, implementation, **kwargs
    ):
        super().__init__(**kwargs)
        self.rank = rank
        self.filters = positive_int(self.name, "filters", filters)
        self.kernel_size = tuple_of(self.name, "kernel_size", kernel_size, rank)
        self.strides = tuple_of(self.name, "strides", strides, rank)
        self.padding = padding_of(self.name, padding)
        if self.padding != "valid":
            raise ValueError(
                f"{self.name}: expected `padding` 'valid', got {padding!r}; put ZeroPadding before"
            )
        if implementation not in (1, 2, 3):
            raise ValueError(
                f"{self.name}: expected `implementation` 1, 2 or 3, got {implementation!r}"
            )
        self.data_format = standardize_data_format(data_format, self.name)
        self.implementation = implementation
        self.input_spec = InputSpec(ndim=rank + 2)

    @property
    def _first(self):
        return self.data_format == "channels_first"

    def _split(self, input_shape):
        """The spatial sizes and the number of channels of an input."""
        shape = tuple(input_shape)[1:]
        return (shape[1:], shape[0]) if self._first else (shape[:-1], shape[-1])

    def _places(self, sizes):
        return tuple(
            window_output(self.name, size, kernel, stride, 1, "valid", axis)
            for axis, (size, kernel, stride) in enumerate(
                zip(sizes, self.kernel_size, self.strides, strict=True)
            )
        )

    def build(self, input_shape):
        sizes, channels = self._split(input_shape)
        if None in sizes or channels is None:
            raise ValueError(
                f"{self.name}: expected an input whose sizes are all known, got "
                f"{tuple(input_shape)}; the weights of each place are its own"
            )
        places = self._places(sizes)
        window = int(np.prod(self.kernel_size)) * channels
        self.kernel = self._add("kernel", "kernel", (int(np.prod(places)), window, self.filters))
        self.bias = None
        if self.use_bias:
            shape = (self.filters, *places) if self._first else (*places, self.filters)
            self.bias = self._add("bias", "bias", shape)
        axis = 1 if self._first else -1
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: channels})

    def compute_output_shape(self, input_shape):
        places = self._places(self._split(input_shape)[0])
        batch = input_shape[0]
        return (batch, self.filters, *places) if self._first else (batch, *places, self.filters)

    def call(self, inputs):
        sizes, channels = self._split(inputs.shape)
        places = self._places(sizes)
        windows = []
        for offset in np.ndindex(self.kernel_size):
            spans = tuple(
                slice(begin, begin + (count - 1) * stride + 1, stride)
                for begin, count, stride in zip(offset, places, self.strides, strict=True)
            )
            lead = (slice(None), slice(None)) if self._first else (slice(None),)
            windows.append(inputs[(*lead, *spans)])
        # Keras numbered the entries of a window as they lie in the input: channels first or last.
        joined = np.stack(windows, axis=2 if self._first else -2)
        count = int(np.prod(places))
        if self._first:
            rows = np.reshape(joined, (-1, channels * len(windows), count))
            y = np.einsum("nkp,pkf->nfp", rows, self.kernel)
            y = np.reshape(y, (-1, self.filters, *places))
        else:
            rows = np.reshape(joined, (-1, count, len(windows) * channels))
            y = np.einsum("npk,pkf->npf", rows, self.kernel)
            y = np.reshape(y, (-1, *places, self.filters))
        if self.bias is not None:
            y = y + self.bias
        return self.activation(y)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "implementation": self.implementation,
        }


@builtin("layers")
class LocallyConnected1D(_LocallyConnected):
    """A convolution over steps with weights of its own at each place.

    Args:
        filters, kernel_size, strides, data_format: as for `Conv1D`.
        padding: "valid".
        implementation: accepted; the weights are those of implementation 1.
        kwargs: activation, use_bias, initializers, regularizers and constraints, as for `Conv1D`.

    Shapes: (N, T, C) to (N, P, filters); kernel (P, kernel_size C, filters), bias (P, filters).

    >>> import numpy as np
    >>> LocallyConnected1D(2, 3)(np.zeros((1, 5, 4))).shape
    (1, 3, 2)
    """

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding="valid",
        data_format=None,
        activation=None,
        implementation=1,
        **kwargs,
    ):
        super().__init__(
            1,
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            implementation,
            activation=activation,
            **kwargs,
        )


@builtin("layers")
class LocallyConnected2D(_LocallyConnected):
    """A convolution over images with weights of its own at each place.

    Args:
        filters, kernel_size, strides, data_format: as for `Conv2D`.
        padding: "valid".
        implementation: accepted; the weights are those of implementation 1.
        kwargs: activation, use_bias, initializers, regularizers and constraints, as for `Conv2D`.

    Shapes: (N, H, W, C) to (N, P, Q, filters); kernel (P Q, kernel sizes C, filters), bias
    (P, Q, filters).

    >>> import numpy as np
    >>> LocallyConnected2D(2, (3, 2))(np.zeros((1, 5, 4, 1))).shape
    (1, 3, 3, 2)
    """

    def __init__(
        self,
        filters,
        kernel_size,
        strides=(1, 1),
        padding="valid",
        data_format=None,
        activation=None,
        implementation=1,
        **kwargs,
    ):
        super().__init__(
            2,
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            implementation,
            activation=activation,
            **kwargs,
        )


@builtin("layers")
class MaxoutDense(_Weighted):
    """The largest of several dense layers, element by element (arXiv:1302.4389).

    Args:
        units: size of the output.
        nb_feature: number of dense layers.
        kwargs: initializers, regularizers, constraints and use_bias, as for `Dense`.

    Shapes: (N, I) to (N, units); kernel (nb_feature, I, units), bias (nb_feature, units).

    >>> import numpy as np
    >>> MaxoutDense(3)(np.zeros((2, 5))).shape
    (2, 3)
    """

    def __init__(self, units, nb_feature=4, **kwargs):
        super().__init__(**kwargs)
        self.units = positive_int(self.name, "units", units)
        self.nb_feature = positive_int(self.name, "nb_feature", nb_feature)
        self.input_spec = InputSpec(ndim=2)

    def build(self, input_shape):
        shape = (self.nb_feature, input_shape[-1], self.units)
        self.kernel = self._add("kernel", "kernel", shape)
        self.bias = None
        if self.use_bias:
            self.bias = self._add("bias", "bias", (self.nb_feature, self.units))
        self.input_spec = InputSpec(ndim=2, axes={-1: input_shape[-1]})

    def compute_output_shape(self, input_shape):
        return (*tuple(input_shape)[:-1], self.units)

    def call(self, inputs):
        y = np.einsum("ni,kio->nko", inputs, self.kernel)
        if self.bias is not None:
            y = y + self.bias
        return self.activation(np.max(y, axis=1))

    def get_config(self):
        return {**super().get_config(), "units": self.units, "nb_feature": self.nb_feature}


@builtin("layers")
class Highway(_Weighted):
    """t activation(x W + b) + (1 - t) x with t = sigmoid(x W_t + b_t) (arXiv:1505.00387).

    Args:
        kwargs: activation, initializers, regularizers, constraints and use_bias, as for `Dense`;
            b_t begins as 1.

    Shapes: (N, I) to (N, I); weights: kernel and carry_kernel (I, I), bias and carry_bias (I,).

    >>> import numpy as np
    >>> Highway()(np.zeros((2, 5))).shape
    (2, 5)
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.input_spec = InputSpec(ndim=2)

    def build(self, input_shape):
        size = input_shape[-1]
        self.kernel = self._add("kernel", "kernel", (size, size))
        self.carry_kernel = self._add("kernel", "carry_kernel", (size, size))
        self.bias = self.carry_bias = None
        if self.use_bias:
            self.bias = self._add("bias", "bias", (size,))
            self.carry_bias = self._add("bias", "carry_bias", (size,), initializers.Ones())
        self.input_spec = InputSpec(ndim=2, axes={-1: size})

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def call(self, inputs):
        y, t = np.matmul(inputs, self.kernel), np.matmul(inputs, self.carry_kernel)
        if self.bias is not None:
            y, t = y + self.bias, t + self.carry_bias
        t = activations.sigmoid(t)
        return t * self.activation(y) + (1 - t) * inputs
