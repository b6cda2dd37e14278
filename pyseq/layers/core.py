"""Core layers: Input, Dense, Embedding, Masking, Activation, Identity and Lambda."""

from __future__ import annotations

import inspect
import warnings

import numpy as np

from pyseq import activations, backend, constraints, initializers, regularizers
from pyseq.layers.base import InputSpec, Layer
from pyseq.saving import serialization
from pyseq.saving.registration import builtin

# Activations that mix elements have ops of their own.
_ACTIVATION_OPS = {
    "softmax": ("softmax", {}),
    "log_softmax": ("softmax", {"log": True}),
    "sparsemax": ("sparsemax", {}),
}


class KerasTensor:
    """What `Input` returns: a shape, a dtype and a name that a Sequential starts from.

    Attributes:
        shape: with the batch dimension, None where it is not known.
        dtype: name of the dtype.
    """

    def __init__(self, shape, dtype="float32", name=None, layer=None):
        self.shape = tuple(shape)
        self.dtype = dtype
        self.name = name
        self.layer = layer
        self.sparse = False
        self.ragged = False

    @property
    def ndim(self):
        return len(self.shape)

    rank = ndim

    def __repr__(self):
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"


def _check_shape(where, shape):
    if isinstance(shape, (int, np.integer)):
        raise TypeError(
            f"{where}: expected a tuple of dimensions, got {shape!r}; write ({shape},)"
        )
    if shape is None or isinstance(shape, str) or not hasattr(shape, "__iter__"):
        raise TypeError(f"{where}: expected a tuple of dimensions, got {shape!r}")
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

    >>> InputLayer((28, 28)).batch_shape
    (None, 28, 28)
    """

    mask_policy = "pass"

    def __init__(
        self,
        shape=None,
        batch_size=None,
        dtype=None,
        sparse=None,
        ragged=None,
        batch_shape=None,
        input_tensor=None,
        optional=False,
        name=None,
        **kwargs,
    ):
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
            batch_shape, shape, batch_size = input_tensor.shape, None, None
            dtype = input_tensor.dtype if dtype is None else dtype
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
        self._dtype = backend.standardize_dtype(dtype)
        self.built = True

    @property
    def dtype(self):
        return self._dtype

    @property
    def output(self):
        return KerasTensor(self.batch_shape, self.dtype, self.name, self)

    def check_shape(self, where, shape):
        """Raise a ValueError if data of `shape` (batch included) does not fit this input."""
        fits = len(shape) == len(self.batch_shape) and all(
            a is None or b is None or a == b for a, b in zip(shape[1:], self.batch_shape[1:])
        )
        if not fits:
            raise ValueError(
                f"{where}: expected an input of shape {self.batch_shape}, got {tuple(shape)}; "
                "reshape the data or change the Input"
            )

    def compute_output_shape(self, input_shape=None):
        return self.batch_shape

    def lower(self, g, x):
        return x

    def get_config(self):
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": self.sparse,
            "ragged": self.ragged,
            "name": self.name,
            "optional": self.optional,
        }


def Input(
    shape=None,
    batch_size=None,
    dtype=None,
    sparse=None,
    ragged=None,
    batch_shape=None,
    name=None,
    tensor=None,
    optional=False,
):
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
        return _host_activation(g, x, activation, name)
    if core[0] == "glu":
        return lower_glu(g, x, name)
    kind, extra = _ACTIVATION_OPS[core[0]]
    if not x.shape:
        raise ValueError(f"{name}: expected an input of 2 or more dimensions for {core[0]}")
    axes = [len(x.shape) - 1]
    return g.op(kind, x, x.shape, name=name, axes=axes, **extra).with_mask(x.mask)


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


def _host_activation(g, x, activation, name):
    if g.training:
        raise ValueError(
            f"{name}: expected a built-in activation in training, got the Python function "
            f"{getattr(activation, '__name__', activation)}, which has no gradient here; use one "
            "of pyseq.activations"
        )
    return g.host(activation, x, x.shape, name).with_mask(x.mask)


@builtin("layers")
class Dense(Layer):
    """activation(x kernel + bias) over the last axis.

    Args:
        units: size of the last axis of the output.
        activation: name or function; None is linear.
        use_bias: whether to add a bias.

    Input `(n, ..., d)`, output `(n, ..., units)`. Weights: kernel `(d, units)`, bias `(units,)`.

    >>> Dense(2)(np.ones((3, 4), "float32")).shape
    (3, 2)
    """

    mask_policy = "pass"

    def __init__(
        self,
        units,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        lora_rank=None,
        lora_alpha=None,
        quantization_config=None,
        **kwargs,
    ):
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

    def build(self, input_shape):
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

    def compute_output_shape(self, input_shape):
        self.check_input(input_shape)
        return activation_output_shape(self.activation, (*input_shape[:-1], self.units))

    def lower(self, g, x):
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
        return self.out(y, x)

    def get_config(self):
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
class Embedding(Layer):
    """Rows of a table, picked by integer ids.

    Args:
        input_dim: number of rows; ids are 0, ..., input_dim - 1.
        output_dim: length of a row.
        mask_zero: whether id 0 is padding that later layers skip.
        weights: initial table, or a list with it.

    Input `(n, ...)` of ids, output `(n, ..., output_dim)`. A row is NaN where its id is outside the
    table. Weights: embeddings `(input_dim, output_dim)`.

    >>> Embedding(10, 4)(np.array([[1, 2, 3]])).shape
    (1, 3, 4)
    """

    mask_policy = "consume"

    def __init__(
        self,
        input_dim,
        output_dim,
        embeddings_initializer="uniform",
        embeddings_regularizer=None,
        embeddings_constraint=None,
        mask_zero=False,
        weights=None,
        lora_rank=None,
        lora_alpha=None,
        quantization_config=None,
        **kwargs,
    ):
        length = kwargs.pop("input_length", None)
        if length is not None:
            warnings.warn("Argument `input_length` is deprecated. Just remove it.", stacklevel=2)
        super().__init__(**kwargs)
        reject_options(self.name, lora_rank=lora_rank, quantization_config=quantization_config)
        self.input_dim = positive_int(self.name, "input_dim", input_dim)
        self.output_dim = positive_int(self.name, "output_dim", output_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = bool(mask_zero)
        self._initial = weights
        if weights is not None:
            self.build()
            table = weights if np.ndim(weights) == 2 else list(weights)[0]
            self.embeddings.assign(np.asarray(table))

    def build(self, input_shape=None):
        if self.built:
            return
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.input_dim, self.output_dim),
            initializer=self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.output_dim)

    def compute_mask(self, inputs, mask=None):
        return np.not_equal(np.asarray(inputs), 0) if self.mask_zero else None

    def lower(self, g, x):
        y = g.op(
            "embedding", x, (*x.shape, self.output_dim), weights=[self.embeddings], name=self.name
        )
        if not self.mask_zero:
            return y
        return y.with_mask(g.op("nonzero", x, x.shape, name=self.name))

    def get_config(self):
        return {
            **Layer.get_config(self),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": regularizers.serialize(self.embeddings_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "embeddings_constraint": constraints.serialize(self.embeddings_constraint),
            "mask_zero": self.mask_zero,
            "quantization_config": None,
        }


@builtin("layers")
class ReversibleEmbedding(Embedding):
    """An `Embedding` whose table can also map vectors back to scores of ids.

    Args:
        input_dim, output_dim: size of the table.
        tie_weights: whether the way back uses the same table.
        reverse_dtype: dtype of the way back.
        logit_soft_cap: c: scores become c tanh(scores / c).

    In a stack it is an `Embedding`; `reverse(x)` maps `(n, ..., output_dim)` to
    `(n, ..., input_dim)`. Weights: embeddings, and reverse_embeddings `(output_dim, input_dim)`
    unless tied.
    """

    def __init__(
        self,
        input_dim,
        output_dim,
        tie_weights=True,
        embeddings_initializer="uniform",
        embeddings_regularizer=None,
        embeddings_constraint=None,
        mask_zero=False,
        reverse_dtype=None,
        logit_soft_cap=None,
        **kwargs,
    ):
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            embeddings_constraint=embeddings_constraint,
            mask_zero=mask_zero,
            **kwargs,
        )
        self.tie_weights = bool(tie_weights)
        self.reverse_dtype = reverse_dtype
        self.logit_soft_cap = logit_soft_cap

    def build(self, input_shape=None):
        super().build(input_shape)
        if not self.tie_weights:
            self.reverse_embeddings = self.add_weight(
                name="reverse_embeddings",
                shape=(self.output_dim, self.input_dim),
                initializer=self.embeddings_initializer,
            )

    def reverse(self, x):
        """Scores of all ids for vectors `(n, ..., output_dim)`, as a NumPy array."""
        if not self.built:
            self.build()
        x = np.asarray(x, self.reverse_dtype or self.compute_dtype)
        table = self.embeddings.value.T if self.tie_weights else self.reverse_embeddings.value
        scores = x @ table.astype(x.dtype)
        cap = self.logit_soft_cap
        return scores if cap is None else np.tanh(scores / cap) * cap

    def __call__(self, inputs, reverse=False, **kwargs):
        return self.reverse(inputs) if reverse else super().__call__(inputs, **kwargs)

    def get_config(self):
        return {
            **super().get_config(),
            "tie_weights": self.tie_weights,
            "reverse_dtype": self.reverse_dtype,
            "logit_soft_cap": self.logit_soft_cap,
        }


@builtin("layers")
class Masking(Layer):
    """Marks time steps whose features all equal `mask_value`, so that later layers skip them.

    The marked steps also become 0. Shapes stay.

    >>> Masking()(np.array([[[1.0], [0.0]]])).tolist()
    [[[1.0], [0.0]]]
    """

    mask_policy = "consume"

    def __init__(self, mask_value=0.0, **kwargs):
        super().__init__(**kwargs)
        if isinstance(mask_value, dict):
            mask_value = serialization.deserialize_keras_object(mask_value)
        self.mask_value = mask_value
        self.input_spec = InputSpec(min_ndim=2)

    def compute_mask(self, inputs, mask=None):
        return np.any(np.not_equal(np.asarray(inputs), self.mask_value), axis=-1)

    def lower(self, g, x):
        y, mask = g.op_multi(
            "masking",
            x,
            [x.shape, x.shape[:-1]],
            name=self.name,
            mask_value=float(self.mask_value),
        )
        return y.with_mask(mask)

    def get_config(self):
        return {**super().get_config(), "mask_value": self.mask_value}


@builtin("layers")
class Identity(Layer):
    """Passes its input on.

    >>> Identity()(np.ones((1, 2))).tolist()
    [[1.0, 1.0]]
    """

    mask_policy = "pass"

    def lower(self, g, x):
        return x


@builtin("layers")
class Activation(Layer):
    """An activation function as a layer.

    Args:
        activation: name or function of `pyseq.activations`, or a function of arrays (inference
            only).

    >>> Activation("relu")(np.array([[-1.0, 2.0]])).tolist()
    [[0.0, 2.0]]
    """

    mask_policy = "pass"

    def __init__(self, activation, **kwargs):
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def compute_output_shape(self, input_shape):
        return activation_output_shape(self.activation, input_shape)

    def lower(self, g, x):
        return self.out(lower_activation(g, x, self.activation, self.name), x)

    def get_config(self):
        return {**super().get_config(), "activation": activations.serialize(self.activation)}


@builtin("layers")
class Lambda(Layer):
    """A Python function of NumPy arrays as a layer.

    Args:
        function: maps an array `(n, ...)` to an array `(n, ...)`; may take `mask` and `training`.
        output_shape: shape of one output sample, or a function of the input shape; found by a
            trial call when None.
        mask: mask to pass on, or a function `(inputs, mask) -> mask`.
        arguments: further keyword arguments of `function`.

    No gradient flows through it: a model trains only the layers after its last Lambda. Anonymous
    functions cannot be saved.

    >>> Lambda(lambda x: x * 2)(np.ones((1, 2))).tolist()
    [[2.0, 2.0]]
    """

    def __init__(self, function, output_shape=None, mask=None, arguments=None, **kwargs):
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(f"{self.name}: expected `function` to be callable, got {function!r}")
        self.arguments = arguments or {}
        self.function = function
        self.mask = mask
        self.mask_policy = "drop" if mask is None else "pass"
        self._output_shape = output_shape
        try:
            self._takes = set(inspect.signature(function).parameters)
        except (TypeError, ValueError):  # builtins without a signature
            self._takes = set()

    def compute_output_shape(self, input_shape):
        if callable(self._output_shape):
            return tuple(self._output_shape(tuple(input_shape)))
        if self._output_shape is not None:
            return (input_shape[0], *np.atleast_1d(np.array(self._output_shape, object)).tolist())
        unknown = [i for i, d in enumerate(input_shape) if d is None]
        shapes = []
        # Two trial sizes tell the dimensions that follow the input from those that are fixed.
        for size in (2, 3):
            trial = np.zeros([size if i in unknown else d for i, d in enumerate(input_shape)])
            shapes.append(np.shape(self._run(trial.astype(self.compute_dtype), False)))
        if len(shapes[0]) != len(shapes[1]) or not shapes[0]:
            raise ValueError(
                f"{self.name}: expected a function that returns arrays (n, ...), got shapes "
                f"{shapes[0]} and {shapes[1]}; pass `output_shape`"
            )
        found = tuple(a if a == b else None for a, b in zip(*shapes))
        return (input_shape[0], *found[1:])

    def _run(self, x, training):
        extra = dict(self.arguments)
        if "training" in self._takes:
            extra.setdefault("training", training)
        if "mask" in self._takes:
            extra.setdefault("mask", None)
        return self.function(x, **extra)

    def lower(self, g, x):
        shape = self.compute_output_shape((None, *x.shape))[1:]
        training = g.training
        y = g.host(lambda a: np.asarray(self._run(a, training)), x, shape, self.name)
        return y.with_mask(x.mask if self.mask is not None else None)

    def get_config(self):
        config = {
            **super().get_config(),
            "function": serialization.serialize_keras_object(self.function),
            "arguments": self.arguments,
        }
        if self._output_shape is not None:
            shape = self._output_shape
            config["output_shape"] = (
                serialization.serialize_keras_object(shape) if callable(shape) else shape
            )
        if self.mask is not None:
            config["mask"] = (
                serialization.serialize_keras_object(self.mask) if callable(self.mask) else self.mask
            )
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None, safe_mode=None):
        """Create the layer; the function must be registered or in `custom_objects`."""
        config = dict(config)
        for key in ("function", "output_shape", "mask"):
            if isinstance(config.get(key), dict):
                config[key] = serialization.deserialize_keras_object(
                    config[key], custom_objects=custom_objects
                )
        return cls(**config)
