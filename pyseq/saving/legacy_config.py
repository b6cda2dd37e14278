"""Configurations of older files: Keras 2 and the `.h5` format.

They name classes without modules, hold arguments that are gone, and describe metrics and losses by
wrappers. Here they become what Keras 3 writes; what pyseq cannot do is refused where it is built.
"""

from __future__ import annotations

# Arguments without effect, or whose only accepted values mean what the layers do anyway.
_ANY = object()
_RETIRED_LAYER = {
    "time_major": (False,),
    "implementation": _ANY,
    "input_dtype": _ANY,
    "fused": _ANY,
    "virtual_batch_size": (None,),
    "adjustment": (None,),
    "ragged": (False,),
    "sparse": (False,),
    "batch_size": _ANY,
    "autocast": (True,),
    "synchronized": (False,),
    "experimental_run_tf_function": _ANY,
    "quantization_config": (None,),
}
_RETIRED_OPTIMIZER = {
    "decay": (0, 0.0, None),
    "is_legacy_optimizer": (False,),
    "jit_compile": _ANY,
    "use_locking": _ANY,
}
_ACCEPTED = {
    "InputLayer": ("ragged", "sparse"),
    "BatchNormalization": ("synchronized",),
    "Dense": ("quantization_config",),
}


def _without(config, table, kept, where):
    result = {}
    for key, value in config.items():
        accepted = table.get(key)
        if accepted is None or key in kept:
            result[key] = value
        elif accepted is not _ANY and value not in accepted:
            raise ValueError(
                f"{where}: expected the retired argument {key} to be one of {list(accepted)}, got "
                f"{value!r}; pyseq does not support it"
            )
    return result


def _is_object(value):
    return isinstance(value, dict) and isinstance(value.get("class_name"), str) and (
        isinstance(value.get("config"), (dict, list))
    )


def modern_model(config):
    """Return the description of a Sequential as Keras 3 would write it.

    Raises:
        ValueError: it is none, or an argument has a value that pyseq does not support.
    """
    if not _is_object(config) or config["class_name"] not in ("Sequential", "Functional", "Model"):
        raise ValueError(
            f"model_config: expected a Sequential model, got {str(config.get('class_name'))!r}"
        )
    if config["class_name"] != "Sequential":
        raise ValueError(
            f"model_config: expected a Sequential model, got a {config['class_name']} one, whose "
            "layers may branch; rebuild it as Sequential([...]) and load its weights by name"
        )
    inner = config["config"]
    if isinstance(inner, list):  # before Keras 2.2.3
        inner = {"layers": inner}
    layers = inner.get("layers")
    if not isinstance(layers, list) or not all(_is_object(layer) for layer in layers):
        raise ValueError("model_config: expected a list of layers, got none")
    modern = {"layers": [_modern_layer(layer) for layer in layers]}
    for key in ("name", "trainable", "build_input_shape"):
        if inner.get(key) is not None:
            modern[key] = inner[key]
    return {"module": "keras", "class_name": "Sequential", "config": modern,
            "registered_name": None}


def _modern_layer(layer):
    if "module" in layer:
        return layer
    name = layer["class_name"]
    if name in ("Sequential", "Functional", "Model"):
        return modern_model(layer)
    config = layer["config"]
    if not isinstance(config, dict):
        raise ValueError(f"{name}: expected a dict of arguments, got {config!r}")
    where = config.get("name", name)
    config = _without(config, _RETIRED_LAYER, _ACCEPTED.get(name, ()), where)
    if name == "InputLayer" and "batch_input_shape" in config:
        config["batch_shape"] = config.pop("batch_input_shape")
    axis = config.get("axis")
    if isinstance(axis, list) and len(axis) == 1 and name == "BatchNormalization":
        config["axis"] = axis[0]
    dtype = config.get("dtype")
    if _is_object(dtype) and "module" not in dtype:
        config["dtype"] = dtype["config"].get("name", "float32")
    for key, value in config.items():
        if key in ("layer", "cell", "forward_layer", "backward_layer") and _is_object(value):
            config[key] = _modern_layer(value)
        elif key == "cells" and isinstance(value, list):
            config[key] = [_modern_layer(v) if _is_object(v) else v for v in value]
    return {"class_name": name, "config": config}


# Keras 3 finds these without a module, so that Keras 2 can read them, too.
_PLAIN = ("keras.initializers", "keras.regularizers", "keras.constraints")


def plain_model(config):
    """Return the description of a Sequential as older files hold it."""
    name = config.get("registered_name") or config["class_name"]
    inner = {key: _plain_argument(value) for key, value in config["config"].items()}
    if config["class_name"] == "Sequential":
        inner["layers"] = [plain_model(layer) for layer in config["config"]["layers"]]
    return {"class_name": name, "config": inner}


def _plain_argument(value):
    if not _is_object(value):
        return value
    if value["class_name"] == "DTypePolicy":
        return value["config"]["name"]
    if value.get("module") in _PLAIN:
        return {"class_name": value["class_name"], "config": value["config"]}
    return value


def plain_parts(value):
    """Return losses, metrics and their lists without modules."""
    if isinstance(value, (list, tuple)):
        return [plain_parts(item) for item in value]
    if _is_object(value):
        name = value.get("registered_name") or value["class_name"]
        return {"class_name": name, "config": value["config"]}
    return {k: plain_parts(v) for k, v in value.items()} if isinstance(value, dict) else value


def compile_arguments(training):
    """Return the arguments of `compile` that a `training_config` describes, not yet deserialized.

    Args:
        training: the dict of the file.
    """
    optimizer = training.get("optimizer_config")
    if not _is_object(optimizer):
        raise ValueError(f"training_config: expected an optimizer_config, got {optimizer!r}")
    name = optimizer["class_name"].removeprefix("Custom>")
    config = _without(optimizer["config"], _RETIRED_OPTIMIZER, (), name)
    if config.get("weight_decay") is False:
        config["weight_decay"] = None
    if "lr" in config:
        config["learning_rate"] = config.pop("lr")
    return {
        "optimizer": {"class_name": name, "config": config},
        "loss": _modern_part(training.get("loss")),
        "metrics": _modern_part(training.get("metrics")),
        "weighted_metrics": _modern_part(training.get("weighted_metrics")),
        "loss_weights": training.get("loss_weights"),
    }


_WRAPPERS = ("MeanMetricWrapper", "SumOverBatchSizeMetricWrapper", "LossFunctionWrapper")


def _modern_part(value):
    """Turn a loss or metrics of Keras 2 into names and descriptions that Keras 3 has, too."""
    if isinstance(value, list):
        return [_modern_part(item) for item in value]
    if not isinstance(value, dict):
        return value
    if not _is_object(value):
        return {key: _modern_part(item) for key, item in value.items()}
    config = value["config"]
    function = config.get("fn") if isinstance(config, dict) else None
    if value["class_name"] in _WRAPPERS and isinstance(function, str):
        # "accuracy" is what users wrote where the name says so.
        return config["name"] if config.get("name") in ("accuracy", "acc") else function
    if "module" in value:
        return value
    config = {k: v for k, v in config.items() if k != "fn"}
    if config.get("reduction") in ("auto", "sum_over_batch_size"):
        config["reduction"] = "sum_over_batch_size"
    return {"class_name": value["class_name"], "config": config}
