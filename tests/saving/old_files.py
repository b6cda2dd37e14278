"""Files as Keras 2 wrote them: descriptions of layers, and both formats around them."""

import io
import json
import zipfile

import h5py
import numpy as np


def initializer(name, **config):
    return {"class_name": name, "config": config}


GLOROT = initializer("GlorotUniform", seed=None, dtype="float32")
ZEROS, ONES = initializer("Zeros", dtype="float32"), initializer("Ones", dtype="float32")
KERNEL = {"kernel_initializer": GLOROT, "kernel_regularizer": None, "kernel_constraint": None}
BIAS = {"use_bias": True, "bias_initializer": ZEROS, "bias_regularizer": None,
        "bias_constraint": None, "activity_regularizer": None}  # fmt: skip
BY_DEPTH = {"depth_multiplier": 1, "depthwise_initializer": GLOROT, "depthwise_regularizer": None,
            "depthwise_constraint": None}  # fmt: skip
BY_POINT = {"pointwise_initializer": GLOROT, "pointwise_regularizer": None,
            "pointwise_constraint": None}  # fmt: skip
NORM = {"beta_initializer": ZEROS, "gamma_initializer": ONES, "beta_regularizer": None,
        "gamma_regularizer": None, "beta_constraint": None, "gamma_constraint": None,
        "epsilon": 0.001, "center": True, "scale": True}  # fmt: skip
MOVING = {"moving_mean_initializer": ZEROS, "moving_variance_initializer": ONES, "momentum": 0.99}
RECURRENT = {"recurrent_initializer": initializer("Orthogonal", gain=1.0, seed=None),
             "recurrent_regularizer": None, "recurrent_constraint": None, "dropout": 0.0,
             "recurrent_dropout": 0.0, **KERNEL, **BIAS}  # fmt: skip
CELL = {k: v for k, v in RECURRENT.items() if k != "activity_regularizer"}
SEQUENCE = {"return_sequences": True, "return_state": False, "go_backwards": False,
            "stateful": False, "unroll": False, "time_major": False}  # fmt: skip


def conv(rank, **config):
    return {"kernel_size": [2] * rank, "strides": [1] * rank, "padding": "valid", "groups": 1,
            "data_format": "channels_last", "dilation_rate": [1] * rank, "activation": "linear",
            **KERNEL, **BIAS, **config}  # fmt: skip


def layer(class_name, name, **config):
    """A layer without module, as in `.h5` and JSON."""
    config = {"name": name, "trainable": True, "dtype": "float32", **config}
    return {"class_name": class_name, "config": config}


def input_layer(shape):
    config = {"batch_input_shape": [None, *shape], "dtype": "float32", "sparse": False,
              "ragged": False, "name": "old_input"}  # fmt: skip
    return {"class_name": "InputLayer", "config": config}


def sequential(layers):
    return {"class_name": "Sequential", "config": {"name": "old", "layers": layers}}


def with_modules(value):
    """The same description as `.keras` files of Keras 2.13 to 2.15 hold it."""
    if isinstance(value, list):
        return [with_modules(v) for v in value]
    if not isinstance(value, dict):
        return value
    value = {k: with_modules(v) for k, v in value.items()}
    name = value.get("class_name")
    if "config" not in value or name is None:
        return value
    if name == "Sequential":
        module = "keras"
    elif isinstance(value["config"], dict) and "name" in value["config"]:
        module = "keras.layers"
    else:
        module = "keras.initializers"
    return {"module": module, "registered_name": None, **value}


ADAM = {"class_name": "Custom>Adam",
        "config": {"name": "Adam", "weight_decay": None, "clipnorm": None, "global_clipnorm": None,
                   "clipvalue": None, "use_ema": False, "ema_momentum": 0.99,
                   "ema_overwrite_frequency": None, "jit_compile": True,
                   "is_legacy_optimizer": False, "learning_rate": 0.001, "beta_1": 0.9,
                   "beta_2": 0.999, "epsilon": 1e-07, "amsgrad": False}}  # fmt: skip


def training(optimizer=ADAM, loss="mse", metrics=None):
    return {"optimizer_config": optimizer, "loss": loss, "metrics": metrics,
            "weighted_metrics": None, "loss_weights": None}  # fmt: skip


def write_h5(path, config, weights, compiled=None, state=None):
    """Write an `.h5` file of Keras 2.

    Args:
        config: description of the model, or None for weights only.
        weights: `{layer: [(name, array)]}`.
        compiled: what `training` returned.
        state: `[(name, array)]` of the optimizer.
    """
    with h5py.File(path, "w") as file:
        group = file
        if config is not None:
            file.attrs["model_config"] = json.dumps(config).encode()
            group = file.create_group("model_weights")
        if compiled is not None:
            file.attrs["training_config"] = json.dumps(compiled).encode()
        for target in (file, group):
            target.attrs["keras_version"] = b"2.11.0"
            target.attrs["backend"] = b"tensorflow"
        group.attrs["layer_names"] = np.array([n.encode() for n in weights])
        for name, pairs in weights.items():
            _write_pairs(group.create_group(name), pairs)
        if state is not None:
            _write_pairs(file.create_group("optimizer_weights"), state)


def _write_pairs(group, pairs):
    group.attrs["weight_names"] = np.array([n.encode() for n, _ in pairs] or [], dtype="S")
    for name, array in pairs:
        group[name] = array


def write_keras(path, config, variables, compiled=None, state=()):
    """Write a `.keras` file of Keras 2.13.

    Args:
        config: description of the model, without modules.
        variables: `{path below the model: [arrays]}`.
        compiled: the compile_config.
        state: arrays of the optimizer.
    """
    config = with_modules(config)
    config["build_config"] = {"input_shape": None}
    config["compile_config"] = compiled
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        places = {f"_layer_checkpoint_dependencies/{k}/vars": v for k, v in variables.items()}
        for place, arrays in {**places, "optimizer/vars": state}.items():
            group = file.create_group(place)
            for i, array in enumerate(arrays):
                group[str(i)] = array
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "2.13.1"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", memory.getvalue())
