"""Core layers: Input, Dense, Activation and Identity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import activations, constraints, dtypes, hooks, initializers, regularizers
from pyseq.layers.base import Layer
from pyseq.layers.keras_tensor import KerasTensor
from pyseq.layers.shapes import InputSpec
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import (
        ActivationLike,
        Config,
        ConstraintLike,
        DTypeLike,
        InitializerLike,
        LayerArguments,
        NoArguments,
        PlainLayerArguments,
        RegularizerLike,
        Shape,
        Tensor,
    )
    from pyseq.variable import Variable

# Activations that mix elements have ops of their own.
_ACTIVATION_OPS = {
    "softmax": ("softmax", "axes", {}),
    "log_softmax": ("softmax", "axes", {"log": True}),
    "sparsemax": ("sparsemax", "axis", {}),
}


def _check_shape(where, shape):
    if isinstance(shape, (int, np.integer)):
        raise ValueError(
            f"{where}: expected a tuple of dimensions, got {shape!r}; write ({shape},)"
        )
    if shape is None or isinstance(shape, str) or not hasattr(shape, "__iter__"):
        raise ValueError(f"{where}: expected a tuple of dimensions, got {shape!r}")
    checked = []
    for d in shape:
        is_integer = hasattr(d, "__index__") and not isinstance(d, bool)
        if d is not None and not is_integer:
            raise ValueError(
                f"{where}: expected integers or None as dimensions, got {d!r} in {tuple(shape)}"
            )
        if d is not None and d.__index__() < 0:
            raise ValueError(
                f"{where}: expected dimensions >= 0, got {d} in {tuple(shape)}; use None where the "
                "size is not known"
            )
        checked.append(None if d is None else d.__index__())
    return tuple(checked)


@builtin("layers")
class InputLayer(Layer):
    """The input of a model: the shape and dtype that it takes. It is always the first layer.

    Args:
        shape: dimensions of one sample; None where the size may vary.
        batch_size: fixed number of rows, or None.
        dtype: name of the dtype of the data, `floatx()` by default.
        batch_shape: `shape` with the batch dimension, instead of the two.
        sparse, ragged: accepted as in Keras; only False.
        input_tensor: what another `Input()` returned, instead of a shape.
        optional: kept for configs.

    >>> InputLayer((28, 28)).batch_shape
    (None, 28, 28)
    """

    mask_policy = "pass"

    def __init__(
        self,
        shape: Shape | None = None,
        batch_size: int | None = None,
        dtype: DTypeLike = None,
        sparse: Any = None,
        ragged: Any = None,
        batch_shape: Shape | None = None,
        input_tensor: Any = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Unpack[NoArguments],
    ) -> None:
        if "input_shape" in kwargs:
            shape = kwargs.pop("input_shape")
        if "batch_input_shape" in kwargs:
            batch_shape = kwargs.pop("batch_input_shape")
        super().__init__(name=name, **kwargs)
        if input_tensor is not None:
            if not isinstance(input_tensor, KerasTensor):
                raise ValueError(
                    f"{self.name}: expected `input_tensor` to be what Input() returns, got "
                    f"{type(input_tensor).__name__}; pass `shape` instead"
                )
            given = {"shape": shape, "batch_size": batch_size, "dtype": dtype}
            self._check_same(input_tensor, batch_shape=batch_shape, **given)
            batch_shape, shape, batch_size = input_tensor.shape, None, None
            dtype = input_tensor.dtype
        if batch_shape is not None and (shape is not None or batch_size is not None):
            raise ValueError(
                f"{self.name}: expected `shape` (and `batch_size`) or `batch_shape`, got both"
            )
        if batch_shape is None and shape is None:
            raise ValueError(f"{self.name}: expected a `shape`, got none; pass shape=(...)")
        if batch_shape is None:
            batch_shape = (batch_size, *_check_shape(self.name, shape))
        if sparse or ragged:
            raise ValueError(
                f"{self.name}: expected dense data, got sparse={sparse}, ragged={ragged}; pad or "
                "convert the data to arrays"
            )
        self.batch_shape = _check_shape(self.name, batch_shape)
        self.sparse = self.ragged = False
        self.optional = bool(optional)
        self._dtype = dtypes.standardize_dtype(dtype)
        self.built = True
        # Made from the first data rather than by the user: later data may have other sizes, as
        # far as the layers take them.
        self.deferred = False
        if isinstance(input_tensor, KerasTensor) and not input_tensor.path:
            input_tensor.path = (self,)
            tensor = input_tensor
        else:
            tensor = KerasTensor(self.batch_shape, self._dtype, self.name, (self,))
        self._tensors = (tensor, tensor)

    def _check_same(self, tensor, **given):
        """Refuse arguments that say otherwise than the tensor that was given."""
        known = {
            "shape": tensor.shape[1:],
            "batch_size": tensor.shape[0],
            "batch_shape": tensor.shape,
            "dtype": tensor.dtype,
        }
        for key, value in given.items():
            if value is None:
                continue
            if key.endswith("shape"):
                value = _check_shape(self.name, value)
            elif key == "dtype":
                value = dtypes.standardize_dtype(value)
            if value != known[key]:
                raise ValueError(
                    f"{self.name}: expected the `{key}` of `input_tensor`, {known[key]!r}, got "
                    f"{value!r}; leave it away"
                )

    @property
    def dtype(self) -> str:
        return self._dtype

    def check_shape(self, where: Any, shape: Shape) -> None:
        """Raise a ValueError if data of `shape` (batch included) does not fit this input."""
        fits = len(shape) == len(self.batch_shape) and all(
            self.deferred or a is None or b is None or a == b
            for a, b in zip(shape[1:], self.batch_shape[1:], strict=True)
        )
        if not fits:
            fix = "reshape the data or change the Input"
            row = self.batch_shape[1:]
            if len(shape) == len(row) > 0 and all(b in (a, None) for a, b in zip(shape, row)):
                fix = "this is one row without the batch axis: pass x[None]"
            raise ValueError(
                f"{where}: expected an input of shape {self.batch_shape}, got {tuple(shape)}; {fix}"
            )

    def compute_output_shape(self, input_shape: Any = None) -> Any:
        return self.batch_shape

    def call(self, inputs: Tensor = None, training: Any = None) -> Any:
        return inputs

    def lower(self, g: Any, x: Tensor) -> Any:
        return x

    def get_config(self) -> Config:
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": self.sparse,
            "ragged": self.ragged,
            "name": self.name,
            "optional": self.optional,
        }


def Input(
    shape: Shape | None = None,
    batch_size: int | None = None,
    dtype: DTypeLike = None,
    sparse: Any = None,
    ragged: Any = None,
    batch_shape: Shape | None = None,
    name: str | None = None,
    tensor: Any = None,
    optional: bool = False,
) -> KerasTensor:
    """Describe the input of a model; put it first into a `Sequential`.

    Args:
        shape: dimensions of one sample, without the batch; None where the size may vary.
        batch_size: fixed number of rows, or None.
        dtype: name of the dtype of the data, `floatx()` by default.
        batch_shape: `shape` with the batch dimension, instead of the two.
        name: name of the InputLayer.

    >>> Input((3,)).shape
    (None, 3)
    """
    return InputLayer(
        shape=shape,
        batch_size=batch_size,
        dtype=dtype,
        sparse=sparse,
        ragged=ragged,
        batch_shape=batch_shape,
        input_tensor=tensor,
        optional=optional,
        name=name,
    ).output


def positive_int(where, argument, value):
    """Return `value` as an int, or raise an error naming `where` and `argument`."""
    is_integer = hasattr(value, "__index__") and not isinstance(value, bool)
    if not is_integer or value.__index__() < 1:
        raise ValueError(f"{where}: expected `{argument}` to be an integer >= 1, got {value!r}")
    return value.__index__()


def reject_options(where, **options):
    """Raise a ValueError for an option of Keras that has no meaning in this library."""
    for name, value in options.items():
        if value is not None:
            raise ValueError(
                f"{where}: expected {name}=None, got {value!r}; pyseq neither quantizes nor adapts "
                "weights by low rank"
            )


class NoLowRank:
    """A layer that Keras can adapt by matrices of low rank."""

    def enable_lora(self, rank: int, *args: Any, **kwargs: Any) -> Any:
        """Raise a ValueError: weights are not adapted by low rank."""
        raise ValueError(
            f"{self.name}.enable_lora: expected no adapters, got rank={rank!r}; pyseq does not "
            "adapt weights by low rank: set trainable = False on the layers to keep and train the "
            "others"
        )


def fused_activation(activation):
    """The attributes for an op that applies `activation` itself, or None if none can."""
    core = activations.core(activation)
    if core is None or core[0] in _ACTIVATION_OPS or core[0] == "glu":
        return None
    name, arguments = core
    return {"activation": name, "activation_args": arguments or None}


def lower_activation(g, x, activation, name):
    """Append `activation` (a function of `pyseq.activations`, or of the user) to the graph."""
    attrs = fused_activation(activation)
    if attrs is not None:
        if attrs["activation"] == "linear":
            return x
        return g.op("activation", x, x.shape, name=name, **attrs).with_mask(x.mask)
    core = activations.core(activation)
    if core is None:
        return _traced_activation(g, x, activation, name)
    if core[0] == "glu":
        return lower_glu(g, x, name)
    kind, along, extra = _ACTIVATION_OPS[core[0]]
    if not x.shape:
        raise ValueError(f"{name}: expected an input of 2 or more dimensions for {core[0]}")
    last = len(x.shape) - 1
    attrs = {along: [last] if along == "axes" else last, **extra}
    return g.op(kind, x, x.shape, name=name, **attrs).with_mask(x.mask)


def lower_glu(g, x, name):
    """Append a gated linear unit over the last axis."""
    if not x.shape or x.shape[-1] % 2:
        raise ValueError(f"{name}: expected an even last dimension for glu, got shape {x.shape}")
    shape = (*x.shape[:-1], x.shape[-1] // 2)
    return g.op("glu", x, shape, name=name).with_mask(x.mask)


def activation_output_shape(activation, shape):
    """The shape (batch included) that `activation` gives to an input of `shape`."""
    if activations.core(activation) == ("glu", []):
        last = shape[-1]
        return (*shape[:-1], None if last is None else last // 2)
    return tuple(shape)


def _traced_activation(g, x, activation, name):
    try:
        return hooks.ask("lower_function", g, activation, x, name).with_mask(x.mask)
    except Exception as problem:
        if g.training:
            raise ValueError(
                f"{name}: expected an activation that can be traced, to train through it; {problem}"
            ) from problem
        return g.host(activation, x, x.shape, name).with_mask(x.mask)


@builtin("layers")
class Dense(NoLowRank, Layer):
    """activation(x kernel + bias) over the last axis.

    Args:
        units: size of the last axis of the output.
        activation: name or function; None is linear.
        use_bias: whether to add a bias.
        kernel_initializer, bias_initializer: how the weights start: a name or an Initializer.
        kernel_regularizer, bias_regularizer: penalties on the weights, added to the loss.
        activity_regularizer: penalty on the output, added to the loss.
        kernel_constraint, bias_constraint: what the weights are put through after each update.
        lora_rank, lora_alpha, quantization_config: as of Keras; only None, for there is no LoRA or
            quantization here.

    Input `(n, ..., d)`, output `(n, ..., units)`. Weights: kernel `(d, units)`, bias `(units,)`.

    >>> Dense(2)(np.ones((3, 4), "float32")).shape
    (3, 2)
    """

    kernel: Variable
    bias: Variable | None

    mask_policy = "pass"

    def __init__(
        self,
        units: int,
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
        quantization_config: Any = None,
        **kwargs: Unpack[PlainLayerArguments],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        reject_options(self.name, lora_rank=lora_rank, quantization_config=quantization_config)
        self.units = positive_int(self.name, "units", units)
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(min_ndim=2).with_hint("add an axis, e.g. x[:, None]")

    def build(self, input_shape: Any) -> None:
        size = input_shape[-1]
        if size is None:
            raise ValueError(
                f"{self.name}: expected a known last dimension, got input shape "
                f"{tuple(input_shape)}; give it in Input(shape)"
            )
        self.kernel = self.add_weight(
            name="kernel",
            shape=(size, self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.units,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: size}).with_hint(
            "add an axis, e.g. x[:, None]"
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        self.check_input(input_shape)
        return activation_output_shape(self.activation, (*input_shape[:-1], self.units))

    def lower(self, g: Any, x: Tensor) -> Any:
        fused = fused_activation(self.activation)
        weights = [self.kernel] if self.bias is None else [self.kernel, self.bias]
        y = g.op(
            "dense",
            x,
            (*x.shape[:-1], self.units),
            weights=weights,
            name=self.name,
            units=self.units,
            use_bias=self.use_bias,
            **(fused or {}),
        )
        if fused is None:
            y = lower_activation(g, y, self.activation, self.name)
        return self.pass_mask(y, x)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "quantization_config": None,
        }


@builtin("layers")
class Identity(Layer):
    """Passes its input on.

    Args:
        activity_regularizer: penalty on the output, added to the loss.

    >>> Identity()(np.ones((1, 2))).tolist()
    [[1.0, 1.0]]
    """

    mask_policy = "pass"

    def lower(self, g: Any, x: Tensor) -> Any:
        return x


@builtin("layers")
class Activation(Layer):
    """An activation function as a layer.

    Args:
        activation: name or function of `pyseq.activations`, or a function of one tensor.

    >>> Activation("relu")(np.array([[-1.0, 2.0]])).tolist()
    [[0.0, 2.0]]
    """

    mask_policy = "pass"

    def __init__(self, activation: ActivationLike, **kwargs: Unpack[LayerArguments]) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return activation_output_shape(self.activation, input_shape)

    def lower(self, g: Any, x: Tensor) -> Any:
        return self.pass_mask(lower_activation(g, x, self.activation, self.name), x)

    def get_config(self) -> Config:
        return {**super().get_config(), "activation": activations.serialize(self.activation)}
