"""Whole models and weights in the older `.h5` format of Keras 1 to 3.

Attributes `model_config` and `training_config` hold JSON; the group `model_weights` has a group for
each layer, whose attribute `weight_names` lists its datasets: trainable weights first.
"""

from __future__ import annotations

import json
import os
import warnings

import numpy as np

from pyseq import checks, losses, optimizers
from pyseq.registry import limits, serialization
from pyseq.registry.reading import reading
from pyseq.saving import h5_weights, keras_format, legacy_config, legacy_weights, safe_json
from pyseq.saving.atomic import write_atomically
from pyseq.saving.h5_reader import import_h5py, open_h5

_HEADER_LIMIT = 64512
# Keras 2 flips kernels of files from other backends; these have the layout of this one.
_BACKEND = "tensorflow"
_TOP = "top_level_model_weights"
_ORDER = "creation_order"


# --- writing


def save(model, path, include_optimizer=True):
    """Write architecture, weights and, if asked for, the optimizer."""
    with serialization.object_sharing_scope():
        described = serialization.serialize_keras_object(model)
    config = legacy_config.plain_model(described)
    training = _training_config(described) if include_optimizer and model.compiled else None

    def write(file):
        with import_h5py().File(file, "w") as h5:
            h5.attrs["backend"] = _BACKEND
            h5.attrs["keras_version"] = keras_format.KERAS_VERSION
            h5.attrs["model_config"] = json.dumps(config)
            group = h5.create_group("model_weights")
            _write_layers(group, model)
            if training is not None:
                h5.attrs["training_config"] = json.dumps(training)
                _write_group(h5.create_group("optimizer_weights"), model.optimizer.variables)

    write_atomically(path, write)


def save_weights(model, path):
    """Write the weights alone, layer after layer."""

    def write(file):
        with import_h5py().File(file, "w") as h5:
            _write_layers(h5, model)

    write_atomically(path, write)


def _training_config(described):
    config = dict(described["compile_config"])
    if "left_out" in described:
        config["left_out"] = described["left_out"]
    optimizer = config.pop("optimizer")
    name = optimizer["registered_name"] or optimizer["class_name"]
    config["optimizer_config"] = {"class_name": name, "config": optimizer["config"]}
    loss = config["loss"]
    if isinstance(loss, str) and loss not in ("crossentropy", "ce"):
        # Keras cannot read its own short names here.
        config["loss"] = losses.get(loss).__name__
    for key in ("loss", "metrics", "weighted_metrics"):
        config[key] = legacy_config.plain_parts(config[key])
    return config


def _write_layers(group, model):
    _write_names(group, "layer_names", [layer.name for layer in model.layers])
    group.attrs["backend"] = _BACKEND
    group.attrs["keras_version"] = keras_format.KERAS_VERSION
    for layer in model.layers:
        layer_group = group.create_group(layer.name)
        _write_group(layer_group, legacy_weights.stored_order(layer))
        order = legacy_weights.creation_order(layer)
        if order is not None:
            layer_group.attrs[_ORDER] = order
    _write_group(group.create_group(_TOP), model._own_variables())


def _write_group(group, variables):
    names = []
    for variable in variables:
        # Layers of nested models may have weights of one name.
        name, k = variable.path, 1
        while name in names:
            name, k = f"{variable.path}_{k}", k + 1
        names.append(name)
    _write_names(group, "weight_names", names)
    for name, variable in zip(names, variables, strict=True):
        dataset = group.create_dataset(name, data=variable.numpy())
        if variable.dtype == "bfloat16":  # HDF5 has no such type: the reader is told
            dataset.attrs["dtype"] = "bfloat16"


def _write_names(group, attribute, names):
    names = [name.encode() for name in names]
    if sum(map(len, names)) + 64 * len(names) <= _HEADER_LIMIT:
        group.attrs[attribute] = names
        return
    # An object header holds 64 KiB.
    part, size, index = [], 0, 0
    for name in [*names, None]:
        if name is None or size + len(name) + 64 > _HEADER_LIMIT:
            group.attrs[f"{attribute}{index}"] = part
            part, size, index = [], 0, index + 1
        if name is not None:
            part.append(name)
            size += len(name) + 64


# --- reading


def load(path, custom_objects=None, compile=True, finite=True):
    """Return the model in an older `.h5` file."""
    with reading(path), open_h5(path, path) as reader:
        text = reader.attribute("model_config")
        if not isinstance(text, str):
            raise ValueError(
                f"{path}: expected a whole model (the attribute model_config), got none; if the "
                "file holds weights only, build the model and call load_weights"
            )
        config = safe_json.loads(text, f"{path}@model_config")
        legacy_config.check_model(config)
        keras_format.warn_of_changes(text, reader.attribute("keras_version"), custom_objects, path)
        with limits.loading(os.path.getsize(path), path):
            model = keras_format.model_from_config(config, custom_objects, path)
            if not model.built:
                raise ValueError(
                    f"{path}: expected a model that knows its input shape, got none; build it "
                    "yourself and call load_weights"
                )
            # It was made from the same file, so that it has frozen what the file has.
            pairs = _pairs_by_order(reader.group("model_weights"), model, path)
            pairs = [(n, layer, legacy_weights.stored_order(layer), None) for n, layer in pairs]
            _read_layers(reader.group("model_weights"), model, pairs, False, finite, path)
            if compile:
                _compile(model, reader, custom_objects, finite, path)
    return model


def _compile(model, reader, custom_objects, finite, path):
    text = reader.attribute("training_config")
    if text is None:
        warnings.warn(
            f"{path}: the file has no training_config, so the model is not compiled; call compile",
            stacklevel=5,
        )
        return
    training = safe_json.loads(text, f"{path}@training_config")
    arguments = legacy_config.compile_arguments(training)
    serialization.check_config_size(arguments, f"{path}@training_config")
    arguments["optimizer"] = optimizers.deserialize(arguments["optimizer"], custom_objects)
    arguments["loss"] = _objects(arguments["loss"], "losses", custom_objects)
    for key in ("metrics", "weighted_metrics"):
        arguments[key] = _objects(arguments[key], "metrics", custom_objects)
    model._compile_as_saved(**arguments)
    model.optimizer.build(model.trainable_variables)
    if "left_out" in training:
        model._note_left_out(training["left_out"])
    if "optimizer_weights" in reader:
        _read_optimizer(reader.group("optimizer_weights"), model.optimizer, finite, path)


def _objects(value, family, custom_objects):
    if isinstance(value, list):
        return [_objects(item, family, custom_objects) for item in value]
    if isinstance(value, dict):
        if "class_name" in value:
            return serialization.deserialize_keras_object(value, custom_objects, family=family)
        return {k: _objects(v, family, custom_objects) for k, v in value.items()}
    if isinstance(value, str):
        return serialization.deserialize_keras_object(value, custom_objects)
    return value


def _read_optimizer(group, optimizer, finite, path):
    names = group.attribute_list("weight_names")
    variables = optimizer.variables
    if len(names) <= 2 < len(variables):
        names = names[:1]  # saved before the first step
    shapes = [group.shape(name) for name in names]
    targets = _state_order(optimizer, shapes)
    if targets is None:
        targets = variables[:1] if shapes[:1] == [()] else []
        warnings.warn(
            f"{path}: the file holds {len(names)} optimizer variables, {optimizer.name} has "
            f"{len(variables)} of other shapes; its state is not loaded",
            stacklevel=6,
        )
    pairs = list(zip(targets, names))
    values = [group.array(name, v.shape, finite) for v, name in pairs]
    for (variable, _), value in zip(pairs, values, strict=True):
        variable.assign(value)


# Their state was kept in the order of today, but that of all variables slot by slot.
_GROUPED = ("sgd", "adam", "adamax", "adagrad", "adadelta")


def _state_order(optimizer, shapes):
    """Return the variables that arrays of these shapes are for, in order, or None."""
    first = optimizer.variables[:1]
    if shapes == [()]:
        return first
    orders = [optimizer.saved_variables(shapes) or []]
    if optimizer.kind in _GROUPED and not (optimizer.use_ema or optimizer._accumulators):
        rows = [optimizer.slots_for(v) for v in optimizer._trainable_variables]
        orders.append(first + [slot for column in zip(*rows) for slot in column])
    for order in orders:
        if [v.shape for v in order] == shapes:
            return order
    return None


def load_weights(model, path, skip_mismatch=False, by_name=False, finite=True):
    """Read weights from an older `.h5` file, by order or by the names of the layers.

    Within a layer they are matched by the order in which its layers were created, as far as the
    file tells it, whatever was frozen when it was written.
    """
    with open_h5(path, path) as reader:
        described = _described_layers(reader, path)
        if reader.attribute("layer_names") is None and "model_weights" in reader:
            reader = reader.group("model_weights")
        pairs = _pairs_by_name(reader, model) if by_name else _pairs_by_order(reader, model, path)
        if by_name:
            _tell_unfilled(model, pairs, path)
        pairs = [(name, layer, None, described.get(name, ())) for name, layer in pairs]
        _read_layers(reader, model, pairs, skip_mismatch, finite, path)


def _described_layers(reader, path):
    """`{name of a layer: names of all layers in it, in order of creation}`, if the file has it."""
    text = reader.attribute("model_config")
    if not isinstance(text, str):
        return {}
    config = safe_json.loads(text, f"{path}@model_config").get("config")
    layers = config.get("layers") if isinstance(config, dict) else config
    names = [legacy_weights.inner_names(v) for v in layers] if isinstance(layers, list) else []
    return {inner[0]: inner for inner in names if inner}


def _read_layers(group, model, pairs, skip_mismatch, finite, path):
    """Read the layers of `pairs`: `(name in the file, layer, variables in its order, names)`.

    Without variables the order is found.
    """
    if _TOP in group and model._own_variables():
        pairs = [*pairs, (_TOP, model, model._own_variables(), None)]
    assignments, finalize = [], []
    for name, layer, variables, known in pairs:
        layer_group = group.group(name)
        names = layer_group.attribute_list("weight_names")
        shapes = {n: layer_group.shape(n) for n in names}
        if variables is None:
            variables = layer.weights
            written = _written_order(layer_group, len(names))
            matched = legacy_weights.match(layer, names, list(shapes.values()), written, known)
            names = names if matched is None else matched
        plan, problem = [], None
        if len(names) != len(variables):
            problem = f"{len(variables)} weights, got {len(names)}"
        else:
            plan = legacy_weights.plan(layer, variables, [shapes[n] for n in names])
            wrong = [
                f"shape {v.shape} for {v.path}, got {shapes[names[i]]}"
                for own, positions, convert in plan
                for v, i in zip(own, positions, strict=True)
                if convert is None and v.shape != shapes[names[i]]
            ]
            problem = wrong[0] if wrong else None
        if problem is not None:
            text = f"{path}: expected for `{layer.name}` {problem}"
            if not skip_mismatch:
                raise ValueError(f"{text}; the file belongs to another architecture")
            warnings.warn(f"{text}; the layer is skipped", stacklevel=5)
            continue
        for own, positions, convert in plan:
            stored = [names[i] for i in positions]
            arrays = [layer_group.array(n, shapes[n], finite) for n in stored]
            assignments += zip(own, arrays if convert is None else convert(arrays), strict=True)
        finalize.append(layer)
    objects = [(layer.name, layer) for layer in model._flatten()]
    before = h5_weights.Snapshot(objects)
    try:
        for variable, value in assignments:
            variable.assign(value)
        h5_weights.check_range(objects, finite, path)
        for layer in finalize:
            if hasattr(layer, "finalize_state"):
                layer.finalize_state()
    except BaseException:
        before.restore()
        raise


def _written_order(group, count):
    """Return the places of the weights among those of the layer, if the file tells them."""
    order = group.attribute(_ORDER)
    if order is None:
        return None
    order = [int(i) for i in np.ravel(order)] if isinstance(order, np.ndarray) else []
    if sorted(order) != list(range(count)):
        raise ValueError(
            f"{group.where}: expected {_ORDER} to name {count} places, got {order[:20]}; the file "
            "is damaged or hostile"
        )
    return order


def _pairs_by_order(group, model, path):
    layers = [layer for layer in model.layers if layer.weights]
    names = [
        name
        for name in group.attribute_list("layer_names")
        if group.group(name).attribute_list("weight_names")
    ]
    if len(names) != len(layers):
        raise ValueError(
            f"{path}: expected {len(layers)} layers with weights, got {len(names)}: {names[:20]}; "
            "use by_name=True to load those of equal names"
        )
    return list(zip(names, layers, strict=True))


def _pairs_by_name(group, model):
    known = {layer.name: layer for layer in model.layers}
    names = group.attribute_list("layer_names")
    return [(name, known[name]) for name in names if name in known]


def _tell_unfilled(model, pairs, path):
    """Warn of layers whose weights are not in the file."""
    filled = {id(layer) for _, layer in pairs}
    left = [layer.name for layer in model.layers if layer.weights and id(layer) not in filled]
    if left:
        checks.tell("PS408", path, left, len(pairs))
