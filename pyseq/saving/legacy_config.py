"""Descriptions in older `.h5` files: of the model, and of what `compile` was given.

Names and arguments that are gone are the business of `pyseq.registry.retired`, for all formats;
here is what only `.h5` files do: objects without modules, names of metrics as wrappers.
"""

from __future__ import annotations

from pyseq.registry import registration


def _is_object(value):
    return isinstance(value, dict) and isinstance(value.get("class_name"), str) and (
        isinstance(value.get("config"), (dict, list))
    )


def check_model(config):
    """Raise a ValueError unless a description is that of a Sequential."""
    name = config.get("class_name") if isinstance(config, dict) else config
    if name in ("Functional", "Model"):
        raise ValueError(
            f"model_config: expected a Sequential model, got a {name} one, whose layers may "
            "branch; rebuild it as Sequential([...]) and load its weights by name"
        )
    if not _is_object(config) or name != "Sequential":
        raise ValueError(f"model_config: expected a Sequential model, got {str(name)!r}")


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
    return {
        "optimizer": optimizer,
        "loss": _modern_part(training.get("loss")),
        "metrics": _modern_part(training.get("metrics")),
        "weighted_metrics": _modern_part(training.get("weighted_metrics")),
        "loss_weights": training.get("loss_weights"),
    }


_WRAPPERS = ("MeanMetricWrapper", "SumOverBatchSizeMetricWrapper", "LossFunctionWrapper")


def _modern_part(value):
    """Turn wrappers in a loss or metrics into the names that users wrote, where they did."""
    if isinstance(value, list):
        return [_modern_part(item) for item in value]
    if not isinstance(value, dict):
        return value
    if not isinstance(value.get("class_name"), str):
        return {key: _modern_part(item) for key, item in value.items()}
    config = value.get("config")
    if value["class_name"] not in _WRAPPERS or not isinstance(config, dict):
        return value
    function, name = config.get("fn"), config.get("name")
    if isinstance(function, str) and (
        name in ("accuracy", "acc") or _is_short_name(name, function)
    ):
        return name
    return value


def _is_short_name(name, function):
    """Whether a metric called `name`, such as "mae", is the built-in `function`."""
    if not isinstance(name, str) or registration.get_registered_object(function) is not None:
        return False
    known = [registration.lookup_builtin(family, name) for family in ("metrics", "losses")]
    names = {registration.builtin_name(obj)[1] for obj in known if registration.is_function(obj)}
    return function in names
