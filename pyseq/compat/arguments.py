"""Arguments of Keras 1 and 2: a table for each callable, and what needs more than a new name."""

from __future__ import annotations

import functools
import inspect

from pyseq import hooks, schedules
from pyseq.compat.notices import tell

_FORMATS = {"th": "channels_first", "tf": "channels_last", "default": None}


@hooks.answers("modern_call")
def modern_call(key, args, kwargs):
    """Return `(args, kwargs)` of today for a call in any spelling.

    Args:
        key: name of a class, or qualified name of a function.
        args: positional arguments, `self` included.
        kwargs: keyword arguments; not changed.

    Raises:
        TypeError: an argument is given under both names.
        ValueError: an old argument asks for what is no longer done.

    >>> modern_call("Adam", (None,), {"epsilon": None})  # the default of the process, once
    ((None,), {})
    """
    if key in _POSITIONS:
        args, kwargs = _POSITIONS[key](args, kwargs)
    table = TABLE.get(key)
    if table is None or not kwargs or table.keys().isdisjoint(kwargs):
        return args, kwargs
    args, kwargs = list(args), dict(kwargs)
    for name, new in table.items():
        if name not in kwargs:
            continue
        if callable(new):
            new(key, args, kwargs, name)
        else:
            _rename(key, kwargs, name, new)
    return tuple(args), kwargs


def _rename(key, kwargs, name, new):
    put(key, kwargs, name, new, kwargs.pop(name))


def put(key, kwargs, name, new, value):
    """Pass as `new` what was given as `name`."""
    if new in kwargs:
        raise TypeError(
            f"{key}: expected one of {name} and {new}, got both; {name} is the old spelling: "
            "leave it out"
        )
    kwargs[new] = value
    tell(f"{name}=", f"{new}=")


# --- what needs more than a name; each changes args and kwargs


def _means(what):
    """Decorator: what the argument is today, for the table of old names."""

    def decorate(function):
        function.means = what
        return function

    return decorate


class Dropped:
    """An argument without meaning today, for these values; for any where none are given."""

    def __init__(self, *values):
        self.values = values
        one_of = f"; one of {', '.join(map(repr, values))}" if values else ""
        self.means = "no effect" + one_of

    def __call__(self, key, args, kwargs, name):
        value = kwargs.pop(name)
        if self.values and value not in self.values:
            raise ValueError(
                f"{key}: expected the old argument {name} to be one of {list(self.values)}, got "
                f"{value!r}; what it asks for is no longer done"
            )
        tell(f"{name}=", "nothing: it has no effect")



@_means('`data_format=`: "th" is "channels_first", "tf" is "channels_last"')
def order_of_axes(key, args, kwargs, name):
    value = kwargs.pop(name)
    put(key, kwargs, name, "data_format", _FORMATS.get(value, value))


def _sizes(*names):
    """The size of a kernel in one argument for each axis."""

    @_means(f"`kernel_size=({', '.join(names)})`")
    def join(key, args, kwargs, name):
        missing = [n for n in names if n not in kwargs]
        if missing:
            raise TypeError(
                f"{key}: expected {', '.join(names)} together, got no {missing[0]}; write "
                "kernel_size=(...)"
            )
        put(key, kwargs, name, "kernel_size", tuple(kwargs.pop(n) for n in names))

    return join


@_means('`unit_forget_bias=`: whether it is "one"')
def _forget_bias(key, args, kwargs, name):
    value = kwargs.pop(name)
    if value not in ("one", "ones", "zero", "zeros"):
        raise ValueError(
            f"{key}: expected {name} 'one' or 'zero', got {value!r}; set bias_initializer and "
            "unit_forget_bias"
        )
    put(key, kwargs, name, "unit_forget_bias", value in ("one", "ones"))


@_means("`input_shape=(input_length, input_dim)`")
def _sequence_shape(key, args, kwargs, name):
    """`input_dim` of a layer of sequences is the size of one step."""
    dim, length = kwargs.pop("input_dim"), kwargs.pop("input_length", None)
    put(key, kwargs, name, "input_shape", (length, dim))


@_means("`layer.set_weights(...)` after it is built")
def own_weights(key, args, kwargs, name):
    weights = kwargs.pop(name)
    if weights is None:
        return
    if any(isinstance(w, (int, float, str, dict)) or not hasattr(w, "__array__") for w in weights):
        raise TypeError(
            f"{key}: expected {name} to be a list of arrays, got {type(weights).__name__}; pass "
            "what get_weights() returned"
        )
    layer = args[0]
    object.__setattr__(layer, "build", functools.partial(_build_with, layer, list(weights)))
    tell(f"{name}=", "layer.set_weights(...) after it is built")


@_means("words dropped while training: `Dropout(rate, noise_shape=(None, None, 1))` behind it")
def word_dropout(key, args, kwargs, name):
    rate = kwargs.pop(name)
    if not rate:
        return
    if not isinstance(rate, (int, float)) or not 0 <= rate < 1:
        raise ValueError(
            f"{key}: expected {name} in [0, 1), the share of words to drop, got {rate!r}"
        )
    object.__setattr__(args[0], "word_dropout", float(rate))
    tell(f"{name}= of {key}", "Dropout(rate, noise_shape=(None, None, 1)) behind it")


def _build_with(layer, weights, *args, **kwargs):
    object.__delattr__(layer, "build")
    layer.build(*args, **kwargs)
    layer.set_weights(weights)


@_means("`learning_rate=schedules.InverseTimeDecay(rate, 1, decay)`")
def time_decay(key, args, kwargs, name):
    decay = kwargs.pop(name)
    if not decay:
        return
    rate = kwargs.get("learning_rate")
    if rate is None:
        default = inspect.signature(type(args[0]).__init__).parameters["learning_rate"].default
        rate = args[1] if len(args) > 1 else default
    if callable(rate) or decay < 0:
        raise ValueError(
            f"{key}: expected a number as learning rate beside {name} >= 0, got {rate!r} and "
            f"{decay!r}; pass one schedule as learning_rate"
        )
    schedule = schedules.InverseTimeDecay(float(rate), 1, float(decay))
    if len(args) > 1:
        args[1] = schedule
    else:
        kwargs["learning_rate"] = schedule
    tell(f"{name}=", "learning_rate=schedules.InverseTimeDecay(rate, 1, decay)")


@_means("`learning_rate=`")
def _rate(key, args, kwargs, name):
    value = kwargs.pop(name)
    put(key, kwargs, name, "learning_rate", float(value) if isinstance(value, int) else value)


@_means("None is the default of today")
def _epsilon(key, args, kwargs, name):
    if kwargs[name] is None:  # it was the default of the process
        del kwargs[name]


@_means("a file after so many epochs; `save_freq=` counts batches")
def saved_every(key, args, kwargs, name):
    period = kwargs.pop(name)
    if isinstance(period, bool) or not isinstance(period, int) or period < 1:
        raise ValueError(
            f"ModelCheckpoint: expected {name} to be a number of epochs >= 1, got {period!r}; "
            "pass a whole number"
        )
    args[0]._period = period
    tell(f"{name}=", "save_freq=, which counts batches")


@_means('`compile(metrics=["accuracy"])`')
def accuracy_wanted(key, args, kwargs, name):
    model, wanted = args[0], kwargs.pop(name)
    tell(f"{name}=", 'compile(metrics=["accuracy"])')
    if wanted and model.compiled and not model.metrics:
        model.compile(**{**model._compile_arguments(), "metrics": ["accuracy"]})


# --- positions that moved


@_means(
    "`Dense(inputs, units)` is `Dense(units, input_shape=(inputs,))`; "
    "`Dense(units, init)` names `kernel_initializer=`"
)
def _dense(args, kwargs):
    # Keras 0 named the size of the input first, Keras 1 the initializer second.
    if len(args) > 2:
        if isinstance(args[2], int) and not isinstance(args[2], bool):
            tell("Dense(inputs, units)", "Dense(units, input_shape=(inputs,))")
            return (args[0], args[2], *args[3:]), {**kwargs, "input_shape": (args[1],)}
        return _initializer_second(args, kwargs)
    return args, kwargs


@_means("`(units, init)` names `kernel_initializer=`")
def _initializer_second(args, kwargs):
    names = ("uniform", "normal", "zero", "one", "orthogonal", "identity")
    if len(args) == 3 and isinstance(args[2], str):
        if args[2] in names or args[2].startswith(("glorot_", "he_", "lecun_")):
            tell("layer(units, init)", "kernel_initializer=")
            return args[:2], {**kwargs, "kernel_initializer": args[2]}
    return args, kwargs


@_means("without `pool_size`, that is 2")
def _pool_of_two(args, kwargs):
    if len(args) == 1 and not {"pool_size", "pool_length"} & kwargs.keys():
        tell("a pool without size", "pool_size=2")
        return args, {**kwargs, "pool_size": 2}
    return args, kwargs


@_means("`(optimizer, loss, metrics)` names `metrics=`")
def _metrics_third(args, kwargs):
    # Keras 2 named the metrics before the weights of losses.
    if len(args) > 3 and isinstance(args[3], (list, tuple)) and "metrics" not in kwargs:
        if args[3] and not any(isinstance(m, (int, float)) for m in args[3]):
            tell("compile(optimizer, loss, metrics)", "metrics=")
            weights = {"loss_weights": args[4]} if len(args) > 4 else {}
            return args[:3], {**kwargs, **weights, "metrics": args[3]}
    return args, kwargs


@_means("`(name, shape)` is `(shape, name=name)`")
def _name_first(args, kwargs):
    # Keras 2 and TensorFlow named a weight first.
    if len(args) > 1 and isinstance(args[1], str) and (len(args) > 2 or "shape" in kwargs):
        tell("add_weight(name, shape)", "add_weight(shape, name=name)")
        own, name, *rest = args
        # Behind the shape came the dtype there.
        order = ("shape", "dtype", "initializer", "regularizer", "trainable", "constraint")
        return (own,), {**dict(zip(order, rest)), **kwargs, "name": name}
    return args, kwargs


_POSITIONS = dict.fromkeys(("GRU", "LSTM", "SimpleRNN"), _initializer_second)
_POSITIONS.update(dict.fromkeys((f"AveragePooling{n}D" for n in (1, 2, 3)), _pool_of_two))
_POSITIONS["Dense"] = _dense
_POSITIONS["Compilation.compile"] = _metrics_third
_POSITIONS["Weighted.add_weight"] = _name_first

# The version of Keras from which on these places are old; the others are those of Keras 1.
POSITIONS_SINCE = {name: "3.0" for name in _POSITIONS if "." in name or "Pooling" in name}

# --- the tables: `{callable: {old argument: new one, or what changes kwargs}}`

# The version of Keras from which on an argument is old; the others are those of Keras 1.
SINCE = {
    "class_mode": "1.0",
    "show_accuracy": "1.0",
    "lr": "2.3",
    **dict.fromkeys(
        "alpha decay epsilon l max_queue_size period sample_weight_mode schedule_decay "
        "target_tensors use_multiprocessing weights workers".split(),
        "3.0",
    ),
}
OLDEST = "2.0"

_UNITS = {"output_dim": "units"}
_KERNEL = {
    "init": "kernel_initializer",
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
    "bias": "use_bias",
    "weights": own_weights,
}
_FORMAT = {"dim_ordering": order_of_axes}
_WINDOW = {"border_mode": "padding"}
_CONV = {
    **_KERNEL,
    **_WINDOW,
    **_FORMAT,
    "nb_filter": "filters",
    "subsample": "strides",
    "atrous_rate": "dilation_rate",
}
_CONV1D = {
    **_CONV,
    "filter_length": "kernel_size",
    "subsample_length": "strides",
    "input_dim": _sequence_shape,
}
_PLANE = _sizes("nb_row", "nb_col")
_CONV2D = {**_CONV, "nb_row": _PLANE, "nb_col": _PLANE}
_SPACE = _sizes("kernel_dim1", "kernel_dim2", "kernel_dim3")
_CONV3D = {**_CONV, "kernel_dim1": _SPACE, "kernel_dim2": _SPACE, "kernel_dim3": _SPACE}


def _without_kernel(table):
    """Of separable convolutions, whose kernel has two parts."""
    table = {k: v for k, v in table.items() if k not in ("W_regularizer", "W_constraint")}
    return {
        **table,
        "init": "depthwise_initializer",
        "depthwise_init": "depthwise_initializer",
        "pointwise_init": "pointwise_initializer",
    }


_RECURRENT = {
    **_UNITS,
    **_KERNEL,
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "U_regularizer": "recurrent_regularizer",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
    "consume_less": Dropped(),
}
_SEQUENCES = {**_RECURRENT, "input_dim": _sequence_shape}
_FORGET = {"forget_bias_init": _forget_bias}
_CONV_LSTM = {**{k: v for k, v in _RECURRENT.items() if k not in _UNITS}, **_CONV2D, **_FORGET}
_POOL1D = {**_WINDOW, "pool_length": "pool_size", "stride": "strides"}
_POOL = {**_WINDOW, **_FORMAT}
_RATE = {"p": "rate"}
_OPTIMIZER = {"lr": _rate, "epsilon": _epsilon, "decay": time_decay}
_LOCAL = {
    **{k: v for k, v in _CONV.items() if k != "atrous_rate"},
    "filter_length": "kernel_size",
    "subsample_length": "strides",
}

_WORKERS = {name: Dropped() for name in ("max_queue_size", "workers", "use_multiprocessing")}

TABLE = {
    "Dense": {**_UNITS, **_KERNEL},
    "Highway": _KERNEL,
    "MaxoutDense": {**_UNITS, **_KERNEL},
    "Embedding": {
        "init": "embeddings_initializer",
        "W_regularizer": "embeddings_regularizer",
        "W_constraint": "embeddings_constraint",
        "dropout": word_dropout,
    },
    "Conv1D": _CONV1D,
    "Conv2D": _CONV2D,
    "Conv2DTranspose": {**_CONV2D, "output_shape": Dropped()},
    "Conv3D": _CONV3D,
    "SeparableConv1D": _without_kernel(_CONV1D),
    "SeparableConv2D": _without_kernel(_CONV2D),
    "LocallyConnected1D": {**_LOCAL, "input_dim": _sequence_shape},
    "LocallyConnected2D": {**_LOCAL, "nb_row": _PLANE, "nb_col": _PLANE},
    "ConvLSTM2D": _CONV_LSTM,
    "GRU": _SEQUENCES,
    "LSTM": {**_SEQUENCES, **_FORGET},
    "SimpleRNN": {**_SEQUENCES, "inner_activation": Dropped()},
    "MaxPooling1D": _POOL1D,
    "AveragePooling1D": _POOL1D,
    **dict.fromkeys(
        ("MaxPooling2D", "MaxPooling3D", "AveragePooling2D", "AveragePooling3D"), _POOL
    ),
    **dict.fromkeys(
        (
            "Cropping2D",
            "Cropping3D",
            "GlobalAveragePooling2D",
            "GlobalAveragePooling3D",
            "GlobalMaxPooling2D",
            "GlobalMaxPooling3D",
            "UpSampling2D",
            "UpSampling3D",
            "ZeroPadding2D",
            "ZeroPadding3D",
        ),
        _FORMAT,
    ),
    "UpSampling1D": {"length": "size"},
    "Dropout": _RATE,
    "GaussianDropout": _RATE,
    "AlphaDropout": _RATE,
    "SpatialDropout1D": _RATE,
    "SpatialDropout2D": {**_RATE, **_FORMAT},
    "SpatialDropout3D": {**_RATE, **_FORMAT},
    "GaussianNoise": {"sigma": "stddev"},
    "LeakyReLU": {"alpha": "negative_slope"},
    "ReLU": {"alpha": "negative_slope"},
    "PReLU": {"init": "alpha_initializer", "weights": own_weights},
    "Reshape": {"dims": "target_shape"},
    "BatchNormalization": {
        "mode": Dropped(0, 2),
        "beta_init": "beta_initializer",
        "gamma_init": "gamma_initializer",
        "weights": own_weights,
    },
    **dict.fromkeys("Adadelta Adagrad Adam AdamW Adamax Ftrl RMSprop SGD".split(), _OPTIMIZER),
    "Nadam": {**_OPTIMIZER, "schedule_decay": Dropped()},
    "Optimizer": _OPTIMIZER,
    "MaxNorm": {"m": "max_value"},
    "L1": {"l": "l1"},
    "L2": {"l": "l2"},
    "Compilation.compile": {
        "class_mode": Dropped(),
        "sample_weight_mode": Dropped(),
        "target_tensors": Dropped(None),
    },
    "Fitting.fit": {"nb_epoch": "epochs", "show_accuracy": accuracy_wanted, **_WORKERS},
    "Fitting.evaluate": {"show_accuracy": accuracy_wanted, **_WORKERS},
    "ModelCheckpoint.__init__": {"period": saved_every},
    "Prediction.predict": _WORKERS,
    "to_categorical": {"nb_classes": "num_classes"},
}
