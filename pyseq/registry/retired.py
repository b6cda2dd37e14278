"""What older Keras wrote into configs of its own classes: names, arguments and values now gone.

Everything that makes an object of a config passes through here, whatever the file: `.keras`, `.h5`,
JSON. Retired arguments are dropped where they say what is done anyway, and translated where another
argument says it today.
"""

from __future__ import annotations

import functools
import inspect

from pyseq import dtypes
from pyseq.registry import lambdas, registration

ANY = object()

_LAYER = {
    "batch_input_shape": ANY,
    "batch_size": ANY,
    "dynamic": (False,),
    "experimental_autocast": ANY,
    "experimental_run_tf_function": ANY,
    "input_dtype": ANY,
    "input_spec": (None,),
    "quantization_config": (None,),
    "ragged": (False, None),
    "sparse": (False, None),
    "trainable": ANY,
}
# Each of these layers has weights of other names, so that nothing was ever made of them.
_NO_KERNEL = {"kernel_constraint": ANY, "kernel_initializer": ANY, "kernel_regularizer": ANY}
_ONE_GROUP = {"groups": (1,)}
_RNN = {
    "num_constants": (None, 0),
    "time_major": (False,),
    "unroll": (False,),
    "zero_output_for_mask": (False,),
}
_ATTENTION = {
    "causal": (False,),
    "key_shape": ANY,
    "query_shape": ANY,
    "value_shape": ANY,
}

# For a class and those below it, arguments that its constructor need not take, and values without
# meaning today.
_RETIRED = {
    "Layer": _LAYER,
    "InputLayer": {"type_spec": (None,)},
    "Conv1DTranspose": _ONE_GROUP,
    "Conv2DTranspose": _ONE_GROUP,
    "Conv3DTranspose": _ONE_GROUP,
    "DepthwiseConv1D": {**_ONE_GROUP, **_NO_KERNEL, "filters": ANY},
    "DepthwiseConv2D": {**_ONE_GROUP, **_NO_KERNEL, "filters": ANY},
    "SeparableConv1D": {**_ONE_GROUP, **_NO_KERNEL},
    "SeparableConv2D": {**_ONE_GROUP, **_NO_KERNEL},
    "BatchNormalization": {
        "adjustment": (None,),
        "fused": ANY,
        "virtual_batch_size": (None,),
    },
    "SpatialDropout1D": {"noise_shape": (None,), "data_format": (None, "channels_last")},
    "SpatialDropout2D": {"noise_shape": (None,)},
    "SpatialDropout3D": {"noise_shape": (None,)},
    "RNN": _RNN,
    "ConvLSTM1D": {"implementation": ANY},
    "ConvLSTM2D": {"implementation": ANY},
    "ConvLSTM3D": {"implementation": ANY},
    "SimpleRNN": {"implementation": ANY},
    "SimpleRNNCell": {"implementation": ANY},
    "StackedRNNCells": {"reverse_state_order": (False,)},
    "Bidirectional": {"num_constants": (None, 0)},
    "Attention": _ATTENTION,
    "AdditiveAttention": _ATTENTION,
    "MultiHeadAttention": _ATTENTION,
    "Lambda": {
        "function_type": ANY,
        "module": ANY,
        "output_shape_module": ANY,
        "output_shape_type": ANY,
    },
    "Optimizer": {
        "decay": (0, None),
        "is_legacy_optimizer": ANY,
        "jit_compile": ANY,
        "use_locking": ANY,
    },
    # 0.004 is what Keras 2 wrote, under either name.
    "Nadam": {"decay": (0.004, None), "schedule_decay": (0.004, None)},
    "Initializer": {"dtype": (None, "float32", "float64"), "partition": (None,)},
}

# Classes that are others today, with the arguments that their names stood for.
_RENAMED = {
    "CuDNNGRU": ("GRU", {"reset_after": True}),
    "CuDNNLSTM": ("LSTM", {}),
    "SumOverBatchSizeMetricWrapper": ("MeanMetricWrapper", {}),
    "SyncBatchNormalization": ("BatchNormalization", {}),
}

# TensorFlow's own names of functions.
_ACTIVATIONS = {"softmax_v2": "softmax"}


def modern(description, is_custom):
    """Return an object's description with the names of today.

    Args:
        description: `{"class_name": ..., "config": ...}`.
        is_custom: tells whether a name is one of the user's.

    >>> modern({"class_name": "CuDNNGRU", "config": {"units": 3}}, lambda name: False)["config"]
    {'units': 3, 'reset_after': True}
    """
    name, inner = description["class_name"], description["config"]
    registered = description.get("registered_name")
    if not isinstance(name, str) or is_custom(name):
        return description
    if isinstance(registered, str) and is_custom(registered):
        return description
    bare = name.removeprefix("Custom>")
    if registration.lookup_builtin("optimizers", bare) is not None:
        # Keras 2 registered its optimizers as users do.
        description = {**description, "class_name": bare}
        if registered in (bare, f"Custom>{bare}"):
            description["registered_name"] = None
    elif name in _RENAMED and isinstance(inner, dict):
        new, implied = _RENAMED[name]
        description = {**description, "class_name": new, "config": {**inner, **implied}}
    elif name == "Sequential" and isinstance(inner, list):  # before Keras 2.2.3
        description = {**description, "config": {"name": None, "layers": inner}}
    return description


def modern_arguments(cls, config):
    """Return the arguments of a config as the constructor of `cls` takes them today.

    Args:
        cls: the class that the config is for; those of users keep what they name themselves.
        config: `{argument: value}`; not changed.

    Raises:
        ValueError: a retired argument asks for what is no longer done, or a list of numbers has
            holes.
    """
    names = [c.__name__ for c in cls.__mro__ if c.__module__.startswith("pyseq.")]
    if not names:
        return config
    where = config["name"] if isinstance(config.get("name"), str) else names[0]
    config = {key: _plain(value) for key, value in config.items()}
    if cls.__module__.startswith("pyseq."):
        _check_numbers(config, where)
    retired = {}
    for name in reversed(names):
        if name in _TRANSLATIONS:
            _TRANSLATIONS[name](config, where)
        retired.update(_RETIRED.get(name, {}))
    accepted = _accepted(cls)
    for key in [key for key in config if key in retired and key not in accepted]:
        values = retired[key]
        if values is not ANY and config[key] not in values:
            raise ValueError(
                f"{where}: expected the retired argument {key} to be one of {list(values)}, got "
                f"{config[key]!r}; pyseq does not support it"
            )
        del config[key]
    return config


@functools.lru_cache(1024)
def _accepted(cls):
    """Names of the arguments that the constructor of `cls` takes, on to those it inherits."""
    names = set()
    for base in cls.__mro__:
        if "__init__" not in vars(base) or base is object:
            continue
        parameters = inspect.signature(base.__init__).parameters.values()
        names.update(p.name for p in parameters)
        if all(p.kind is not p.VAR_KEYWORD for p in parameters):
            break
    if "autocast" in names:  # down to Layer, which knows it
        names.add("batch_input_shape")
    return names


_TUPLES = ("__tuple__", "TensorShape")


def _plain(value):
    """Undo what the JSON encoders of Keras 2 made of arrays and tuples."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if not isinstance(value, dict) or "config" in value:
        return value
    if set(value) == {"type", "value"} and value["type"] in ("ndarray", "float32", "float64"):
        return value["value"]
    if set(value) == {"class_name", "items"} and value["class_name"] in _TUPLES:
        return _plain(value["items"])
    return {k: _plain(v) for k, v in value.items()}


def _check_numbers(config, where):
    """Refuse lists of numbers with holes, of which arrays make NaN; shapes may have some."""
    for key, value in config.items():
        if isinstance(value, list) and not key.endswith(("shape", "shapes")) and _has_number(value):
            dtypes.check_numbers(value, f"{where}({key})")


def _has_number(value):
    if isinstance(value, list):
        return any(map(_has_number, value))
    return isinstance(value, (int, float))


# --- translations, which change the config in place


def _layer(config, where):
    dtype = config.get("dtype")
    if isinstance(dtype, dict) and dtype.get("class_name") in ("Policy", "PolicyV1"):
        inner = dtype.get("config")
        config["dtype"] = inner.get("name", "float32") if isinstance(inner, dict) else "float32"
    for key in ("activation", "recurrent_activation"):
        if isinstance(config.get(key), str):
            config[key] = _ACTIVATIONS.get(config[key], config[key])


def _without_old_shape(config, where):
    # Recurrent layers wrote the size of their input beside its shape.
    if config.get("batch_input_shape") is not None:
        config.pop("input_dim", None)
        config.pop("input_length", None)


def _sequential(config, where):
    layers = config.get("layers")
    first = layers[0] if isinstance(layers, list) and layers else None
    inner = first.get("config") if isinstance(first, dict) else None
    if not isinstance(inner, dict) or first.get("class_name") == "InputLayer":
        return
    shape = inner.get("batch_input_shape")
    if shape is None:
        return
    dtype = inner.get("dtype")
    first = {**first, "config": {k: v for k, v in inner.items() if k != "batch_input_shape"}}
    if first["class_name"] != "Embedding":
        for key in ("input_dim", "input_length"):
            first["config"].pop(key, None)
    arguments = {"batch_shape": shape, "dtype": dtype if isinstance(dtype, str) else None}
    config["layers"] = [{"class_name": "InputLayer", "config": arguments}, first, *layers[1:]]


def _batch_normalization(config, where):
    axis = config.get("axis")
    if isinstance(axis, list) and len(axis) == 1:
        config["axis"] = axis[0]


def _gru(config, where):
    # Keras had only this kind until it wrote which, and wrote `implementation` as long.
    if "implementation" in config:
        config.setdefault("reset_after", False)


def _leaky_relu(config, where):
    if "alpha" in config:
        config["negative_slope"] = config.pop("alpha")


def _lambda(config, where):
    for key in ("function", "output_shape", "mask"):
        kind = config.get(f"{key}_type")
        is_code = kind == "lambda" or (key != "output_shape" and isinstance(config.get(key), list))
        if is_code and not callable(config.get(key)):
            raise lambdas.no_code(where, key)
        if isinstance(config.get(key), str):
            config[key] = {"class_name": "function", "config": config[key]}


def _optimizer(config, where):
    if "lr" in config:
        config.setdefault("learning_rate", config["lr"])
        del config["lr"]
    if config.get("epsilon", 0) is None:
        del config["epsilon"]
    if config.get("weight_decay") is False:
        config["weight_decay"] = None
    for key in ("learning_rate", "momentum"):
        if isinstance(config.get(key), int):
            config[key] = float(config[key])


def _decay(config, where):
    decay, rate = config.get("decay"), config.get("learning_rate")
    if not isinstance(decay, (int, float)) or decay <= 0 or not isinstance(rate, float):
        return
    del config["decay"]
    config["learning_rate"] = {
        "class_name": "InverseTimeDecay",
        "config": {"initial_learning_rate": rate, "decay_steps": 1, "decay_rate": float(decay)},
    }


def _loss(config, where):
    # It meant today's default wherever a Sequential model trained.
    if config.get("reduction") == "auto":
        config["reduction"] = "sum_over_batch_size"


def _wrapped_function(config, where):
    if isinstance(config.get("fn"), str):
        config["fn"] = {"class_name": "function", "config": config["fn"]}


def _input_layer(config, where):
    if "batch_input_shape" in config:
        config["batch_shape"] = config.pop("batch_input_shape")


_TRANSLATIONS = {
    "Adadelta": _decay,
    "Adagrad": _decay,
    "Adam": _decay,
    "Adamax": _decay,
    "BatchNormalization": _batch_normalization,
    "Ftrl": _decay,
    "GRU": _gru,
    "GRUCell": _gru,
    "InputLayer": _input_layer,
    "Lambda": _lambda,
    "Layer": _layer,
    "LeakyReLU": _leaky_relu,
    "Loss": _loss,
    "LossFunctionWrapper": _wrapped_function,
    "MeanMetricWrapper": _wrapped_function,
    "Optimizer": _optimizer,
    "RMSprop": _decay,
    "RNN": _without_old_shape,
    "SGD": _decay,
    "Sequential": _sequential,
}
